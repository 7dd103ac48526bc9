//! `explain --config F METHOD URL [-H 'Name: value'] [-d BODY]`: which rule decides about a request, which secret
//! would be placed where, or why not. Nothing is sent; values are not read.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::path::decode_path;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::{Rule, RuleSet, Target};
use centaur_policies::spec::{InjectPlace, ReplaceSpec, SecretMode, SecretSpec, TransformSpec};
use centaur_transform::SwapSet;
use http::{HeaderName, HeaderValue, Request, Uri};

use super::flags::{self, Kind, Spec};
use crate::config::Config;

const FLAGS: &[Spec] = &[
    Spec { name: "config", kind: Kind::Text, default: "", help: "path to config YAML file" },
    Spec { name: "H", kind: Kind::List, default: "", help: "a header of the request, 'Name: value'" },
];
const WORDS: &str = "METHOD URL";

pub(super) fn main(args: &[String]) -> ExitCode {
    let flags = match flags::parse("explain", FLAGS, args, Some(WORDS)) {
        Ok(flags) => flags,
        Err(error) => return super::usage(&error),
    };
    let asked = || -> Result<(Config, Asked), String> {
        let path = super::required(&flags, "config")?;
        let [method, url] = flags.rest() else { return Err("explain takes a method and a URL".to_owned()) };
        let asked = Asked::parse(method, url, flags.list("H"))?;
        let loaded = Config::load(Some(Path::new(&path)), &|name| std::env::var(name).ok());
        Ok((loaded.map_err(|errors| errors.to_string())?.config, asked))
    };
    match asked() {
        Ok((config, asked)) => {
            let (text, allowed) = explain(&config, &asked);
            super::out(&text);
            if allowed { ExitCode::SUCCESS } else { ExitCode::from(super::FAILURE) }
        }
        Err(problem) => super::fail(&problem),
    }
}

struct Asked {
    method: String,
    scheme: Scheme,
    host: CanonicalHost,
    port: u16,
    path: String,
    request: Request<()>,
}

impl Asked {
    fn parse<'h>(method: &str, url: &str, headers: impl Iterator<Item = &'h str>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|e| format!("URL {url:?}: {e}"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(format!("URL {url:?}: must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| format!("URL {url:?}: no host"))?;
        let authority = Authority::parse(authority.as_str()).map_err(|e| format!("URL {url:?}: {e}"))?;
        let path = decode_path(uri.path()).map_err(|e| format!("URL {url:?}: {e}"))?.into_owned();
        let mut request = Request::new(());
        *request.method_mut() = method.parse().map_err(|_| format!("method {method:?}: not a token"))?;
        *request.uri_mut() = uri.clone();
        for header in headers {
            let (name, value) = header.split_once(':').ok_or_else(|| format!("-H {header:?}: no colon"))?;
            let name =
                HeaderName::from_bytes(name.trim().as_bytes()).map_err(|e| format!("-H {header:?}: {e}"))?;
            let value = HeaderValue::from_str(value.trim()).map_err(|e| format!("-H {header:?}: {e}"))?;
            request.headers_mut().append(name, value);
        }
        let port = authority.port_or(scheme.default_port());
        Ok(Self { method: method.to_owned(), scheme, host: authority.host, port, path, request })
    }

    fn target(&self) -> Target<'_> {
        Target {
            scheme: self.scheme,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: &self.path,
        }
    }
}

/// The explanation, and whether the request would be forwarded.
fn explain(config: &Config, asked: &Asked) -> (String, bool) {
    let target = asked.target();
    let mut text = format!(
        "{} {}://{}:{}{}\n",
        asked.method,
        asked.scheme.as_str(),
        asked.host.to_authority(),
        asked.port,
        asked.path
    );
    let mut allowed = true;
    let mut gated = false;
    for (n, (name, spec)) in config.transforms.iter().enumerate() {
        let _ = write!(text, "transforms[{n}] {name}: ");
        match spec {
            TransformSpec::Allowlist(spec) => {
                gated = true;
                match spec.rules.matches(&target) {
                    Some(rule) => line(&mut text, format_args!("allowed by {}", shown(&spec.rules, rule))),
                    None if spec.warn => {
                        line(&mut text, format_args!("no rule matches; warn: true lets it pass"));
                    }
                    None => {
                        allowed = false;
                        let hint = Rule::that_would_allow(&target);
                        line(
                            &mut text,
                            format_args!("refused (no-rule): no rule matches; this one would: {hint}"),
                        );
                    }
                }
            }
            TransformSpec::Secrets(entries) => {
                text.push('\n');
                allowed &= secrets(&mut text, entries, asked);
            }
            TransformSpec::Annotate(groups) => {
                let n = groups.iter().filter(|group| group.rules.matches(&target).is_some()).count();
                line(&mut text, format_args!("{n} of {} groups apply", groups.len()));
            }
            TransformSpec::HeaderAllowlist(spec) => {
                let applies = spec.rules.is_empty() || spec.rules.matches(&target).is_some();
                line(&mut text, format_args!("{}", if applies { "applies" } else { "no rule matches" }));
            }
            TransformSpec::BodyCapture(spec) => {
                let applies = spec.rules.matches(&target).is_some();
                line(
                    &mut text,
                    format_args!("{}", if applies { "captures the body" } else { "no rule matches" }),
                );
            }
        }
        if !allowed {
            break;
        }
    }
    if !gated {
        line(&mut text, format_args!("no allowlist is configured: every host is allowed"));
    }
    line(&mut text, format_args!("=> {}", if allowed { "forwarded" } else { "refused" }));
    (text, allowed)
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{words}");
}

fn shown(rules: &RuleSet, at: usize) -> String {
    rules.rules().get(at).map_or_else(String::new, ToString::to_string)
}

fn secrets(text: &mut String, entries: &[SecretSpec], asked: &Asked) -> bool {
    let target = asked.target();
    let mut allowed = true;
    for (n, entry) in entries.iter().enumerate() {
        let _ = write!(text, "  secrets[{n}] {}: ", entry.source.display_name());
        let Some(rule) = entry.rules.matches(&target) else {
            line(text, format_args!("not for this request: no rule matches{}", near(&entry.rules, &target)));
            continue;
        };
        let rule = shown(&entry.rules, rule);
        match &entry.mode {
            SecretMode::Inject(inject) => {
                let place = match &inject.place {
                    InjectPlace::Header(name) => format!("header:{name}"),
                    InjectPlace::Query(name) => format!("query:{name}"),
                };
                line(text, format_args!("set at {place} (rule {rule})"));
                allowed &= clear(text, entry, asked);
            }
            SecretMode::Replace(replace) => {
                let places = places(replace, asked);
                if places.is_empty() && replace.require {
                    allowed = false;
                    line(
                        text,
                        format_args!(
                            "refused (placeholder-missing): {:?} does not stand where it is looked for ({})",
                            replace.placeholder,
                            looked_at(replace)
                        ),
                    );
                } else if places.is_empty() {
                    line(
                        text,
                        format_args!(
                            "nothing to replace: {:?} is not in the request ({})",
                            replace.placeholder,
                            looked_at(replace)
                        ),
                    );
                } else {
                    line(
                        text,
                        format_args!(
                            "replaces {:?} at {} (rule {rule})",
                            replace.placeholder,
                            places.join(", ")
                        ),
                    );
                    allowed &= clear(text, entry, asked);
                }
            }
        }
    }
    allowed
}

/// Says when a value would have to travel in clear.
fn clear(text: &mut String, entry: &SecretSpec, asked: &Asked) -> bool {
    if asked.scheme == Scheme::Https || entry.allow_plaintext {
        return true;
    }
    line(
        text,
        format_args!(
            "    refused (plaintext-credential) unless the host resolves to this machine: use https, or set allow_plaintext: true"
        ),
    );
    false
}

fn near(rules: &RuleSet, target: &Target<'_>) -> &'static str {
    if rules.is_empty() {
        return " (the entry has no rules, so it never applies)";
    }
    if rules.matches_host(target.host, target.port, Some(target.scheme)) {
        return " (the host does; method or path does not)";
    }
    if !rules.for_host(target.host).is_empty() {
        return " (the host does; port or scheme does not)";
    }
    ""
}

/// Where a probe value would be placed: the real one is not read.
fn places(replace: &ReplaceSpec, asked: &Asked) -> Vec<String> {
    let Ok(set) = SwapSet::new([replace]) else { return Vec::new() };
    let (mut parts, ()) = asked.request.clone().into_parts();
    match set.head(&[Some("value")], &mut parts) {
        Ok(swapped) => swapped
            .entries
            .first()
            .map(|e| e.locations.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn looked_at(replace: &ReplaceSpec) -> String {
    let mut places = vec![if replace.match_headers.is_empty() {
        "all headers".to_owned()
    } else {
        let names = replace.match_headers.iter().map(|m| match m {
            centaur_policies::spec::HeaderMatcher::Name(name) => name.clone(),
            centaur_policies::spec::HeaderMatcher::Pattern(pattern) => format!("/{pattern}/"),
        });
        format!("headers {}", names.collect::<Vec<_>>().join(", "))
    }];
    for (on, name) in
        [(replace.match_query, "query"), (replace.match_path, "path"), (replace.match_body, "body")]
    {
        if on {
            places.push(name.to_owned());
        }
    }
    format!("looked at: {}", places.join(", "))
}
