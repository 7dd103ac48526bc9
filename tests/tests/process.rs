//! The program as a process: command line, configuration errors, signals, exit codes.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use centaur_e2e::proxy::Ended;
use centaur_e2e::wait::eventually;
use centaur_e2e::{Proxy, Request, World};
use rustix::process::Signal;

async fn run(args: &[&str]) -> Ended {
    run_with(args, &[]).await
}

async fn run_with(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let env: HashMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Proxy::spawn(args, &env).wait().await
}

/// A file with a whole valid configuration, one text of which is replaced.
async fn with_config(from: &str, to: &str) -> Ended {
    let dir = tempfile::tempdir().expect("directory");
    let ca = centaur_e2e::pki::Pki::new("config");
    std::fs::write(dir.path().join("ca.crt"), ca.cert_pem()).expect("write");
    std::fs::write(dir.path().join("ca.key"), ca.key_pem()).expect("write");
    let resolver = "127.0.0.1:53".parse().expect("address");
    let yaml = World::usual().env("X", "y").yaml(dir.path(), resolver);
    assert!(yaml.contains(from), "{from:?} is not in\n{yaml}");
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, yaml.replacen(from, to, 1)).expect("write");
    run(&["-config", &path.display().to_string()]).await
}

#[tokio::test]
async fn the_version_goes_to_standard_output() {
    for spelling in ["version", "--version", "-v"] {
        let ended = run(&[spelling]).await;
        assert!(ended.status.success());
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{spelling}");
    }
}

#[tokio::test]
async fn unknown_flags_and_stray_words_end_with_2_and_usage() {
    let ended = run(&["-nope"]).await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.starts_with("flag provided but not defined: -nope"), "{}", ended.stderr);
    assert!(ended.stderr.contains("Usage of"), "{}", ended.stderr);
    let ended = run(&["serve", "-config", "x.yaml"]).await;
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("serve"), "{}", ended.stderr);
    for words in [&["schema", "x"][..], &["version", "x"], &["generate-ca", "x"], &["check", "-x"]] {
        assert_eq!(run(words).await.status.code(), Some(2), "{words:?}");
    }
    let ended = run(&["generate-ca", "-expiry-hours", "0", "-outdir", "/nonexistent"]).await;
    assert!(ended.stderr.contains("-expiry-hours must be from 1"), "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
}

#[tokio::test]
async fn help_names_every_command() {
    for words in [&["-help"][..], &["--help"], &["-h"], &["help"]] {
        let help = run(words).await;
        assert!(help.status.success() && help.stderr.contains("Usage of"), "{}", help.stderr);
        for command in ["check FILE", "explain", "schema", "generate-ca", "version"] {
            assert!(help.stderr.contains(command), "{}", help.stderr);
        }
    }
    for command in ["check", "explain", "schema", "generate-ca", "version"] {
        let help = run(&[command, "-help"]).await;
        assert!(help.status.success() && help.stdout.is_empty(), "{command}");
        assert!(help.stderr.starts_with(&format!("Usage of {command}:")), "{}", help.stderr);
    }
}

#[tokio::test]
async fn a_wrong_file_is_one_clear_error_and_exit_1() {
    for (from, to, named) in [
        ("tls:", "tlss:", "tlss"),
        ("http_listen", "http_listne", "http_listne"),
        ("rules: [{host", "rulez: [{host", "rulez"),
        ("upstream_deny_cidrs: []", "upstream_deny_cidrs: [\"1.2.3.4\"]", "1.2.3.4"),
        ("- name: allowlist", "- name: nope", "nope"),
        ("ca_key:", "leaf_cert_expiry_hours: 1\n  ca_kez:", "ca_kez"),
        ("metrics: {", "log: {level: trace}\nmetrics: {", "unknown log level: \"trace\""),
        ("tls:", "tls:\n  mode: foo", "tls.mode must be \"mitm\" or \"sni-only\"; got \"foo\""),
        ("tls:", "  upstream_response_header_timeout: \"30\"\ntls:", "missing unit in duration"),
        ("type: env, var: REAL_A", "type: vault, var: REAL_A", "vault"),
        ("dns: {enabled: false", "dns: {enabled: true", "dns.proxy_ip is required"),
        ("ca.key\"", "absent.key\"", "absent.key"),
    ] {
        let ended = with_config(from, to).await;
        assert_eq!(ended.status.code(), Some(1), "{to}: {}", ended.stderr);
        assert!(ended.stderr.contains(named), "{to}: {}", ended.stderr);
        assert!(!ended.stderr.contains("http proxy starting"), "half started: {}", ended.stderr);
    }
}

#[tokio::test]
async fn all_errors_of_a_file_are_told_at_once() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("c.yaml");
    std::fs::write(&path, "dnss: {}\nproxy: {http_listne: \"x\"}\ntls: {mode: mitm, ca_certs: x}\n")
        .expect("write");
    let ended = run(&["-config", &path.display().to_string()]).await;
    assert_eq!(ended.status.code(), Some(1));
    for named in ["dnss", "http_listne", "ca_certs"] {
        assert!(ended.stderr.contains(named), "{named}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn missing_empty_and_broken_files_say_so() {
    let dir = tempfile::tempdir().expect("directory");
    let absent = dir.path().join("absent.yaml").display().to_string();
    let ended = run(&["-config", &absent]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("absent.yaml"), "{}", ended.stderr);
    for (content, named) in [("", "EOF"), ("a: [", "parsing config"), ("dns: {}\ndns: {}\n", "dns")] {
        let path = dir.path().join("c.yaml");
        std::fs::write(&path, content).expect("write");
        let ended = run(&["-config", &path.display().to_string()]).await;
        assert_eq!(ended.status.code(), Some(1), "{content:?}");
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(named),
            "{content:?}: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn the_environment_beats_the_file_and_bad_values_are_named() {
    let ended = run_with(&[], &[("IRON_TLS_CERT_CACHE_SIZE", "1.5")]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("IRON_TLS_CERT_CACHE_SIZE"), "{}", ended.stderr);
    let w = World::usual().env("IRON_PROXY_HTTP_LISTEN", "127.0.0.2:0").start().await;
    assert_eq!(w.addr("http").ip().to_string(), "127.0.0.2");
    w.finish(0).await;
}

#[tokio::test]
async fn a_port_in_use_ends_the_program_with_an_error_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("address").to_string();
    let ended = with_config("http_listen: \"127.0.0.1:0\"", &format!("http_listen: \"{address}\"")).await;
    assert!(!ended.status.success(), "a supervisor must see the failure");
    assert!(ended.stderr.contains("http"), "{}", ended.stderr);
}

#[tokio::test]
async fn term_and_int_end_it_cleanly_with_work_under_way() {
    for signal in [Signal::TERM, Signal::INT] {
        let w = World::usual().start().await;
        let mut under_way = w.http().await;
        under_way.send(Request::get(&w.plain_at("b.test"), "/wait").bytes()).await;
        eventually("the origin to have it", async || !w.origin.seen().is_empty()).await;
        let _idle = w.http().await;
        let _tunnel = w.tunnel(&w.at("a.test")).await;
        w.proxy.signal(signal);
        w.proxy.logged("received signal, shutting down").await;
        w.origin.release();
        under_way.reply().await.expect(200);
        let ended = w.proxy.wait().await;
        assert!(ended.status.success(), "{signal:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("iron-proxy stopped"));
    }
}

#[tokio::test]
async fn generate_ca_writes_two_files_with_their_modes_and_never_overwrites() {
    for alg in ["p256", "ed25519"] {
        let dir = tempfile::tempdir().expect("directory");
        let out = dir.path().join("nested/ca");
        let out = out.display().to_string();
        let args = ["generate-ca", "-outdir", &out, "-alg", alg, "-name", "a name", "-expiry-hours", "48"];
        let ended = run(&args).await;
        assert!(ended.status.success(), "{alg}: {}", ended.stderr);
        assert_eq!(
            String::from_utf8_lossy(&ended.stdout),
            format!("wrote {out}/ca.crt\nwrote {out}/ca.key\n")
        );
        let mode = |name: &str| {
            std::fs::metadata(format!("{out}/{name}")).expect("file").permissions().mode() & 0o777
        };
        assert_eq!((mode("ca.crt") & 0o700, mode("ca.key")), (0o600, 0o600));
        let again = run(&args).await;
        assert_eq!(again.status.code(), Some(1));
        assert!(
            again.stderr.contains("file exists") || again.stderr.contains("File exists"),
            "{}",
            again.stderr
        );
    }
    let ended = run(&["generate-ca", "-alg", "foo"]).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("unsupported algorithm \"foo\""), "{}", ended.stderr);
}

#[tokio::test]
async fn check_finds_every_problem_and_suggests_the_nearest_key() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("c.yaml").display().to_string();
    std::fs::write(&path, "proxy: {http_listne: \"x\"}\ntlss: {}\n").expect("write");
    let ended = run(&["check", &path]).await;
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for named in ["http_listne", "http_listen", "tlss", "tls"] {
        assert!(said.contains(named), "{named}: {said}");
    }
    let w = World::usual().start().await;
    let ended = run_with(&["check", &w.path("config.yaml")], &[("REAL_A", "x")]).await;
    assert!(ended.status.success(), "{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
    w.finish(0).await;
}
