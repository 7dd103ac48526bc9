//! The little language of `--secret` and `--allow`.
//!
//! ```text
//! --secret NAME[=SOURCE]@HOST[:PORT][,HOST[:PORT]…][/PLACE[+PLACE…]]
//! --allow  HOST[:PORT]
//!
//! SOURCE   env:VAR | file:PATH | cmd:COMMAND          default: the caller's variable NAME
//! PLACE    header:NAME | basic | query | query:NAME | path | body
//!                                                     default: the well-known credential headers
//! HOST     a name, an address, *.NAME, each optionally behind https:// or http://
//! ```
//!
//! The last `@` separates source from hosts, so a command may contain one. Messages never repeat a source: whoever
//! writes the value itself after `=` must not see it again in a terminal log.

use std::fmt;
use std::path::PathBuf;

use centaur_policies::host::CanonicalHost;

/// One `--secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFlag {
    /// The variable that holds the placeholder inside.
    pub name: String,
    /// Where the real value is read.
    pub source: Source,
    /// Where the value may go; never empty.
    pub targets: Vec<Target>,
    /// Where in a request it may stand; empty means the well-known credential headers.
    pub places: Vec<Place>,
}

/// Where a real value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A variable of the caller.
    Env(String),
    /// A whole file, byte for byte.
    File(PathBuf),
    /// Standard output of a command, without its last newline.
    Command(Vec<String>),
}

/// A host, a port and the scheme that goes with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A canonical host or a `*.` pattern over one.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the target is reached without TLS, which only an explicit `http://` asks for.
    pub cleartext: bool,
}

/// Where in a request a credential may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One header, Basic included.
    Header(String),
    /// Either half of `Authorization: Basic`.
    Basic,
    /// The value of whichever query parameter holds the placeholder.
    Query,
    /// The values of this query parameter.
    QueryNamed(String),
    /// The path.
    Path,
    /// The body.
    Body,
}

/// Reads one `--secret`.
///
/// # Errors
/// Every problem of the flag, each a sentence without the flag's own text where that could be a value.
pub fn parse_secret(text: &str) -> Result<SecretFlag, Vec<String>> {
    let Some((head, tail)) = text.rsplit_once('@') else {
        return Err(vec!["has no @HOST: write NAME@api.example.com".to_owned()]);
    };
    let (name, source) = match head.split_once('=') {
        Some((name, source)) => (name, Some(source)),
        None => (head, None),
    };
    let mut problems = Vec::new();
    if !is_variable(name) {
        problems.push(
            "the part before @ or = is no variable name (letters, digits and _, not starting with a digit)"
                .to_owned(),
        );
    }
    let source = match source.map(parse_source) {
        None => Source::Env(name.to_owned()),
        Some(Ok(source)) => source,
        Some(Err(problem)) => {
            problems.push(problem);
            Source::Env(name.to_owned())
        }
    };
    let (hosts, places) = split_places(tail);
    let targets = collect(hosts.split(','), parse_target, &mut problems);
    let places = places.map_or_else(Vec::new, |text| collect(text.split('+'), parse_place, &mut problems));
    if targets.iter().any(|target| target.host == "*") {
        problems.push("a secret bound to every host is bound to none: name the host".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(SecretFlag { name: name.to_owned(), source, targets, places })
}

/// Reads one `--allow`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_allow(text: &str) -> Result<Target, String> {
    if text.contains(',') {
        return Err("takes one host; repeat the flag for more".to_owned());
    }
    parse_target(text)
}

/// Whether `text` can be the name of a variable in every shell.
pub fn is_variable(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn parse_source(text: &str) -> Result<Source, String> {
    let (kind, rest) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "env" if is_variable(rest) => Ok(Source::Env(rest.to_owned())),
        "env" => Err("env: must be followed by a variable name".to_owned()),
        "file" if rest.is_empty() => Err("file: must be followed by a path".to_owned()),
        "file" => Ok(Source::File(PathBuf::from(rest))),
        "cmd" => match shlex::split(rest) {
            Some(argv) if !argv.is_empty() => Ok(Source::Command(argv)),
            Some(_) => Err("cmd: must be followed by a command".to_owned()),
            None => Err("cmd: has an open quote or ends in a backslash".to_owned()),
        },
        _ => Err("the part after = is neither env:VAR, file:PATH nor cmd:COMMAND; a value itself is never \
                  written on a command line, where every process could read it"
            .to_owned()),
    }
}

/// Cuts `HOSTS/PLACES` at the first slash that is not part of a `://`.
fn split_places(tail: &str) -> (&str, Option<&str>) {
    let mut from = 0;
    while let Some(at) = tail[from..].find('/').map(|at| at + from) {
        if tail[..at].ends_with(':') && tail[at..].starts_with("//") {
            from = at + 2;
            continue;
        }
        return (&tail[..at], Some(&tail[at + 1..]));
    }
    (tail, None)
}

fn parse_target(text: &str) -> Result<Target, String> {
    let (cleartext, rest) = match text.split_once("://") {
        None => (false, text),
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        Some(_) => return Err(format!("host {text:?}: the scheme must be https or http")),
    };
    let (host, port) = split_port(rest);
    let default = if cleartext { 80 } else { 443 };
    let port = match port.map(str::parse::<u16>) {
        None => default,
        Some(Ok(port)) if port != 0 => port,
        Some(_) => return Err(format!("host {text:?}: the port must be a number from 1 to 65535")),
    };
    if host == "*" {
        return Ok(Target { host: host.to_owned(), port, cleartext });
    }
    let (prefix, bare) = match host.strip_prefix("*.") {
        Some(bare) => ("*.", bare),
        None => ("", host),
    };
    if bare.contains('*') {
        return Err(format!("host {text:?}: a * stands alone or as a leading `*.`"));
    }
    let bare = CanonicalHost::parse(bare).map_err(|error| format!("host {text:?}: {error}"))?;
    if !prefix.is_empty() && bare.as_ip().is_some() {
        return Err(format!("host {text:?}: `*.` goes before a name, not before an address"));
    }
    Ok(Target { host: format!("{prefix}{}", bare.as_str()), port, cleartext })
}

/// A port is what follows the last colon, unless that colon belongs to an IPv6 address.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn parse_place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        Some(("header", name)) if is_token(name) => Ok(Place::Header(name.to_owned())),
        Some(("header", _)) => Err("place header: must be followed by a header name".to_owned()),
        Some(("query", name)) if is_token(name) => Ok(Place::QueryNamed(name.to_owned())),
        Some(("query", _)) => Err("place query: must be followed by a parameter name".to_owned()),
        None if text == "basic" => Ok(Place::Basic),
        None if text == "query" => Ok(Place::Query),
        None if text == "path" => Ok(Place::Path),
        None if text == "body" => Ok(Place::Body),
        _ => Err(format!("place {text:?} is none of header:NAME, basic, query, query:NAME, path, body")),
    }
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn collect<'a, T>(
    parts: impl Iterator<Item = &'a str>,
    parse: impl Fn(&str) -> Result<T, String>,
    problems: &mut Vec<String>,
) -> Vec<T> {
    parts.filter_map(|part| parse(part).map_err(|problem| problems.push(problem)).ok()).collect()
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(var) => write!(f, "variable {var}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Command(argv) => {
                write!(f, "command {}", argv.first().map_or("", String::as_str))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target { host: host.to_owned(), port, cleartext: false }
    }

    #[test]
    fn the_short_form_binds_the_callers_variable_to_port_443() {
        let flag = parse_secret("GITHUB_TOKEN@api.github.com").unwrap();
        assert_eq!(flag.source, Source::Env("GITHUB_TOKEN".to_owned()));
        assert_eq!(flag.targets, [target("api.github.com", 443)]);
        assert_eq!(flag.places, []);
    }

    #[test]
    fn the_long_form_has_source_hosts_ports_and_places() {
        let flag =
            parse_secret("T=cmd:op read 'a b' x@y@API.example.com.:8443,*.example.org/header:X-Key+query")
                .unwrap();
        assert_eq!(flag.source, Source::Command(["op", "read", "a b", "x@y"].map(str::to_owned).to_vec()));
        assert_eq!(flag.targets, [target("api.example.com", 8443), target("*.example.org", 443)]);
        assert_eq!(flag.places, [Place::Header("X-Key".to_owned()), Place::Query]);
    }

    #[test]
    fn cleartext_needs_its_scheme_spelled_out() {
        assert!(!parse_secret("T@a.test:80").unwrap().targets[0].cleartext);
        let flag = parse_secret("T@http://a.test/basic").unwrap();
        assert_eq!(flag.targets, [Target { host: "a.test".to_owned(), port: 80, cleartext: true }]);
        assert_eq!(flag.places, [Place::Basic]);
    }

    #[test]
    fn ipv6_keeps_its_colons() {
        assert_eq!(parse_allow("[::1]:8443").unwrap(), target("::1", 8443));
        assert_eq!(parse_allow("::1").unwrap(), target("::1", 443));
    }

    #[test]
    fn every_problem_of_a_flag_is_reported_at_once() {
        let problems = parse_secret("1X=vault:k@a..b,ftp://c.test/cookie+body").unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn a_value_written_after_the_equals_sign_is_not_repeated() {
        let problems = parse_secret("T=fake-value-typed-by-mistake@a.test").unwrap_err();
        assert!(!problems.concat().contains("typed-by-mistake"), "{problems:?}");
    }

    #[test]
    fn a_secret_for_every_host_is_refused_and_an_allowance_is_not() {
        assert!(parse_secret("T@*").is_err());
        assert_eq!(parse_allow("*").unwrap().host, "*");
    }

    #[test]
    fn odd_hosts_ports_and_places_are_refused() {
        for bad in [
            "T@",
            "T",
            "T@a.test:0",
            "T@a.test:99999",
            "T@a.*.test",
            "T@a.test/",
            "T@a.test/header:",
            "T@a.test/query:",
            "T=file:@a.test",
            "T=cmd:@a.test",
            "T=cmd:'x@a.test",
            "T=env:1@a.test",
            "T@*.127.0.0.1",
        ] {
            assert!(parse_secret(bad).is_err(), "{bad}");
        }
    }
}
