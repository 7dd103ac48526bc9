//! The configuration that the flags stand for, as YAML text: what `--print-config` shows is what runs.

use std::fmt::Write as _;

use crate::binding::{Place, SecretFlag, Source, Target};

/// Headers that carry credentials by convention. Basic in `Authorization` is looked into as well.
pub const CREDENTIAL_HEADERS: [&str; 12] = [
    "Authorization",
    "X-Api-Key",
    "Api-Key",
    "X-Auth-Token",
    "X-Access-Token",
    "X-Goog-Api-Key",
    "Private-Token",
    "X-GitHub-Token",
    "X-Vault-Token",
    "X-Figma-Token",
    "X-Shopify-Access-Token",
    "DD-API-KEY",
];

/// A pattern over header names that matches none: the header search of an entry cannot be turned off otherwise.
const NO_HEADER: &str = "/^$/";

/// Files and addresses the text refers to.
pub struct Paths<'a> {
    /// `tls.ca_cert`
    pub ca_cert: &'a str,
    /// `tls.ca_key`
    pub ca_key: &'a str,
    /// `proxy.client_auth.token_file`
    pub token: &'a str,
    /// Whether the listeners are inside a namespace of their own, where connecting is proof enough.
    pub enforced: bool,
}

/// One secret with the placeholder that stands for it.
pub struct Binding<'a> {
    /// The flag.
    pub flag: &'a SecretFlag,
    /// What the program writes.
    pub placeholder: &'a str,
}

/// What the proxy of a run is told beside its policy.
pub fn local(paths: &Paths<'_>) -> String {
    let mut out = String::new();
    let clients = if paths.enforced { "\n    allow_cidrs: [\"127.0.0.0/8\", \"::1/128\"]" } else { "" };
    let _ = write!(
        out,
        "dns:\n  enabled: {dns}\n  listen: \"127.0.0.1:53\"\n  proxy_ip: \"127.0.0.1\"\n\
         proxy:\n  http_listen: \"127.0.0.1:{http}\"\n  https_listen: \"127.0.0.1:{https}\"\n  \
         tunnel_listen: \"127.0.0.1:{tunnel}\"\n  client_auth:\n    token_file: {token}{clients}\n\
         tls:\n  ca_cert: {cert}\n  ca_key: {key}\nmetrics:\n  listen: \"127.0.0.1:0\"\nlog:\n  level: warn\n",
        dns = paths.enforced,
        http = if paths.enforced { 80 } else { 0 },
        https = if paths.enforced { 443 } else { 0 },
        tunnel = if paths.enforced { crate::sandbox::TUNNEL_PORT } else { 0 },
        token = quote(paths.token),
        cert = quote(paths.ca_cert),
        key = quote(paths.ca_key),
    );
    out
}

/// The whole file.
pub fn yaml(bindings: &[Binding<'_>], allows: &[Target], paths: &Paths<'_>) -> String {
    let mut out = local(paths);
    out.push_str("transforms:\n  - name: allowlist\n    config:\n");
    let mut targets: Vec<&Target> = bindings.iter().flat_map(|binding| &binding.flag.targets).collect();
    targets.extend(allows);
    rules(&mut out, "      ", &dedup(targets));
    if !bindings.is_empty() {
        out.push_str("  - name: secrets\n    config:\n      secrets:\n");
    }
    for binding in bindings {
        for (cleartext, targets) in by_scheme(&binding.flag.targets) {
            entry(&mut out, binding, &targets, cleartext);
        }
    }
    out
}

fn entry(out: &mut String, binding: &Binding<'_>, targets: &[&Target], cleartext: bool) {
    let places = &binding.flag.places;
    let _ = writeln!(out, "        - source: {}", source(&binding.flag.source));
    if cleartext {
        out.push_str("          allow_plaintext: true\n");
    }
    rules(out, "          ", targets);
    let headers = headers(places).iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let _ = write!(
        out,
        "          replace:\n            proxy_value: {}\n            match_headers: [{headers}]\n",
        quote(binding.placeholder)
    );
    for (key, place) in
        [("match_query", Place::Query), ("match_path", Place::Path), ("match_body", Place::Body)]
    {
        if places.contains(&place) {
            let _ = writeln!(out, "            {key}: true");
        }
    }
    // `query` is every parameter, those that are named as well.
    let params = if places.contains(&Place::Query) { Vec::new() } else { named_params(places) };
    if !params.is_empty() {
        let _ = writeln!(out, "            match_query_params: [{}]", params.join(", "));
    }
}

fn named_params(places: &[Place]) -> Vec<String> {
    let named = places.iter().filter_map(|place| match place {
        Place::QueryNamed(name) => Some(quote(name)),
        _ => None,
    });
    named.collect()
}

fn headers(places: &[Place]) -> Vec<&str> {
    if places.is_empty() {
        return CREDENTIAL_HEADERS.to_vec();
    }
    let mut names: Vec<&str> = Vec::new();
    for place in places {
        match place {
            Place::Header(name) => names.push(name),
            Place::Basic => names.push("Authorization"),
            _ => {}
        }
    }
    names.dedup();
    if names.is_empty() { vec![NO_HEADER] } else { names }
}

fn source(source: &Source) -> String {
    if let Source::Env(var) = source {
        return format!("{{type: env, var: {}}}", quote(var));
    }
    let argv = argv(source).iter().map(|word| quote(word)).collect::<Vec<_>>().join(", ");
    // Read again now and then, so that a rotated file is noticed.
    let ttl = if matches!(source, Source::File(_)) { ", ttl: 30s" } else { "" };
    format!("{{type: cmd, argv: [{argv}]{ttl}}}")
}

/// The program by which the proxy fetches a value; none for a variable.
pub fn argv(source: &Source) -> Vec<String> {
    match source {
        Source::Env(_) => Vec::new(),
        // The proxy's own `file` source keeps every byte, and a file written by an editor ends in a newline, which no
        // header may hold; `cat` as a command loses it.
        Source::File(path) => {
            vec!["cat".to_owned(), "--".to_owned(), path.to_string_lossy().into_owned()]
        }
        Source::Command(argv) => argv.clone(),
    }
}

fn rules(out: &mut String, indent: &str, targets: &[&Target]) {
    if targets.is_empty() {
        let _ = writeln!(out, "{indent}rules: []");
        return;
    }
    let _ = writeln!(out, "{indent}rules:");
    for target in targets {
        let scheme = if target.cleartext { "http" } else { "https" };
        let _ = writeln!(
            out,
            "{indent}  - {{host: {}, ports: [{}], schemes: [{scheme}]}}",
            quote(&target.host),
            target.port
        );
    }
}

fn by_scheme(targets: &[Target]) -> Vec<(bool, Vec<&Target>)> {
    let (clear, tls): (Vec<&Target>, Vec<&Target>) = targets.iter().partition(|target| target.cleartext);
    [(false, tls), (true, clear)].into_iter().filter(|(_, targets)| !targets.is_empty()).collect()
}

fn dedup(targets: Vec<&Target>) -> Vec<&Target> {
    let mut kept: Vec<&Target> = Vec::new();
    for target in targets {
        if !kept.contains(&target) {
            kept.push(target);
        }
    }
    kept
}

/// A double-quoted scalar; JSON strings are YAML.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::{parse_allow, parse_secret};

    const PATHS: Paths<'_> = Paths { ca_cert: "ca.crt", ca_key: "ca.key", token: "token", enforced: true };

    fn text(secret: &str) -> String {
        let flag = parse_secret(secret).unwrap();
        yaml(&[Binding { flag: &flag, placeholder: "T" }], &[parse_allow("b.test").unwrap()], &PATHS)
    }

    #[test]
    fn a_binding_names_its_port_and_scheme() {
        let text = text("T@a.test,a.test:8443");
        assert!(text.contains(r#"- {host: "a.test", ports: [443], schemes: [https]}"#), "{text}");
        assert!(text.contains(r#"- {host: "a.test", ports: [8443], schemes: [https]}"#), "{text}");
        assert!(text.contains(r#"- {host: "b.test", ports: [443], schemes: [https]}"#), "{text}");
        assert!(!text.contains("allow_plaintext"), "{text}");
    }

    #[test]
    fn only_the_cleartext_target_may_go_in_cleartext() {
        let text = text("T@a.test,http://c.test");
        assert_eq!(text.matches("allow_plaintext: true").count(), 1, "{text}");
        assert_eq!(text.matches("proxy_value").count(), 2, "{text}");
    }

    #[test]
    fn a_place_other_than_a_header_turns_the_header_search_off() {
        assert!(text("T@a.test/query").contains("match_headers: [\"/^$/\"]\n            match_query: true"));
        assert!(text("T@a.test/basic").contains("match_headers: [\"Authorization\"]"));
    }

    #[test]
    fn a_named_parameter_is_searched_alone_unless_the_whole_query_is() {
        let named = text("T@a.test/query:key+header:X-Key+query:sig");
        assert!(
            named
                .contains("match_headers: [\"X-Key\"]\n            match_query_params: [\"key\", \"sig\"]\n")
        );
        assert!(!named.contains("match_query:") && !named.contains("inject:"), "{named}");
        let all = text("T@a.test/query:key+query");
        assert!(all.contains("match_query: true") && !all.contains("match_query_params"), "{all}");
    }
}
