//! The clients of the sample tools: they call through the proxy, go where their manifests say, and send placeholders.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use centaur_manifest::discover::{Tool, discover};
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::HostPattern;

fn sample(name: &str) -> Tool {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tools");
    discover(&[root]).named(name).expect("sample").clone()
}

/// A client with an environment of its own.
fn python(tool: &Tool, arguments: &[&str], env: &[(&str, String)]) -> Output {
    let module = &tool.manifest.as_ref().expect("valid").module;
    let path = std::env::var("PATH").expect("PATH");
    let mut command = Command::new("python3");
    command.arg("-B").arg(tool.dir.join(module)).args(arguments).env_clear().env("PATH", path);
    command.envs(env.iter().map(|(name, value)| (name, value))).output().expect("python3")
}

/// One request to a proxy, its answer, and how the client ended.
fn through_proxy(
    tool: &str,
    arguments: &[&str],
    answer: &'static str,
    extra: &[(&str, &str)],
) -> (String, Output) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let proxy = format!("http://{}", listener.local_addr().expect("address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut head = String::new();
        let mut lines = BufReader::new(stream.try_clone().expect("clone"));
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).expect("read"), 0, "{head}");
        }
        stream.write_all(answer.as_bytes()).expect("write");
        stream.shutdown(std::net::Shutdown::Write).expect("shutdown");
        // Until the client has gone, so that what it sent too much does not reset the answer.
        let _ = lines.read_to_end(&mut Vec::new());
        head
    });
    let mut env: Vec<(&str, String)> =
        ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, proxy.clone())).to_vec();
    env.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let output = python(&sample(tool), arguments, &env);
    (server.join().expect("proxy"), output)
}

#[test]
fn the_demo_answers_without_a_network() {
    let run = |arguments: &[&str]| python(&sample("demo"), arguments, &[]);
    let echo = run(&["echo", r#"{"message": "hello"}"#]);
    assert!(echo.status.success());
    assert_eq!(String::from_utf8_lossy(&echo.stdout).trim(), r#"{"echo": "hello"}"#);
    let failed = run(&["fail", r#"{"message": "no"}"#]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&failed.stderr).trim(), "no");
    assert_eq!(run(&["unknown"]).status.code(), Some(2));
}

#[test]
fn a_client_sends_its_placeholder_where_the_manifest_replaces_it() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"login\": \"octocat\"}";
    let (head, output) =
        through_proxy("github", &["me"], ANSWER, &[("GITHUB_API_URL", "http://api.github.example")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), r#"{"login": "octocat"}"#);
    assert!(head.starts_with("GET http://api.github.example/user HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nAuthorization: Bearer GITHUB_TOKEN\r\n"), "{head}");
    // A refusal of the proxy is told with its reason.
    const REFUSAL: &str =
        "HTTP/1.1 403 Forbidden\r\nx-iron-reason: no-rule\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (_, output) =
        through_proxy("github", &["me"], REFUSAL, &[("GITHUB_API_URL", "http://api.github.example")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim(), "GitHub API error (403): the proxy refused it: no-rule");
}

#[test]
fn each_client_goes_to_a_host_of_its_manifest() {
    const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (name, arguments) in [
        ("github", &["me"][..]),
        ("gsuite", &["gmail_labels"]),
        ("gsuite", &["drive_list", r#"{"query": "it's"}"#]),
        ("linear", &["me"]),
        ("slack", &["list_bot_channels"]),
        ("websearch", &["search", r#"{"query": "tides"}"#]),
    ] {
        let (head, output) = through_proxy(name, arguments, REFUSAL, &[]);
        let target =
            head.strip_prefix("CONNECT ").and_then(|rest| rest.split(':').next()).unwrap_or_default();
        let host = CanonicalHost::parse(target).unwrap_or_else(|error| panic!("{name}: {error}: {head}"));
        let tool = sample(name);
        let patterns = tool.entries().flat_map(|entry| entry.binding.hosts());
        let is_covered =
            patterns.map(|text| HostPattern::parse(text).unwrap()).any(|pattern| pattern.matches(&host));
        assert!(is_covered, "{name} goes to {host}");
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{name}: {output:?}");
    }
}

#[test]
fn a_client_holds_no_credential_and_no_name_of_another_tool() {
    for name in ["demo", "github", "gsuite", "linear", "slack", "websearch"] {
        let tool = sample(name);
        let module = Path::new(&tool.manifest.as_ref().unwrap().module).to_owned();
        let code = std::fs::read_to_string(tool.dir.join(module)).unwrap();
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named = words.filter(|word| word.ends_with("_TOKEN") || word.ends_with("_KEY"));
        for word in named {
            assert!(
                tool.entries().any(|entry| entry.name == word),
                "{name} uses {word}, which it does not declare"
            );
        }
    }
}
