//! What goes through the proxy: the value where it belongs, and nothing anywhere else.

use std::fs;

use crate::support::{VALUE, World, outcome, run};

const BEARER: &str = "Authorization: Bearer PLACEHOLDER-T";

#[test]
fn the_origin_gets_the_value_and_the_program_never_sees_it() {
    let world = World::new();
    for flags in [&[][..], &["--cooperative"]] {
        let ended = outcome(&mut world.run(flags, &["curl", "-sS", "-H", BEARER, "https://api.test/"]));
        assert_eq!(ended.out, "got Bearer PLACEHOLDER-T", "{flags:?} {}", ended.err);
        let received = world.origin.received();
        let last = received.last().unwrap();
        assert_eq!(last.header("authorization"), Some(&*format!("Bearer {VALUE}")), "{flags:?}");
    }
}

#[test]
fn the_placeholder_of_a_configuration_is_in_the_variable_it_reads() {
    let world = World::new();
    let script = "curl -sS -H \"Authorization: Bearer $T\" https://api.test/; echo; echo $T";
    let ended = outcome(&mut world.run(&[], &["sh", "-c", script]));
    assert_eq!(ended.out, "got Bearer PLACEHOLDER-T\nPLACEHOLDER-T\n", "{}", ended.err);
}

#[test]
fn a_client_that_ignores_the_proxy_variables_goes_through_all_the_same() {
    let world = World::new();
    let ended =
        outcome(&mut world.run(&[], &["curl", "-sS", "--noproxy", "*", "-H", BEARER, "https://api.test/"]));
    assert_eq!(ended.out, "got Bearer PLACEHOLDER-T", "{}", ended.err);
    let refused =
        ["curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "https://other.test/"];
    assert_eq!(outcome(&mut world.run(&[], &refused)).out, "403");
}

#[test]
fn another_host_is_refused_explained_and_audited() {
    let world = World::new();
    let audit = world.path("audit.jsonl");
    let flags = ["--explain", "--audit", audit.to_str().unwrap()];
    let ended = outcome(&mut world.run(&flags, &["curl", "-sS", "-H", BEARER, "https://other.test/"]));
    assert_ne!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.err.contains("to allow it: --allow other.test"), "{}", ended.err);
    let lines = fs::read_to_string(audit).unwrap();
    assert!(lines.lines().any(|line| line.contains("\"action\":\"reject\"")), "{lines}");
    assert!(!lines.contains(VALUE) && world.origin.received().is_empty());
}

#[test]
fn the_audit_file_is_appended_to_and_has_the_allowed_request() {
    let world = World::new();
    let audit = world.path("audit.jsonl");
    fs::write(&audit, "before\n").unwrap();
    let flags = ["--audit", audit.to_str().unwrap()];
    outcome(&mut world.run(&flags, &["curl", "-sS", "-H", BEARER, "https://api.test/x"]));
    let lines = fs::read_to_string(audit).unwrap();
    assert!(lines.starts_with("before\n"));
    assert!(lines.contains("\"path\":\"/x\"") && lines.contains("\"action\":\"allow\""), "{lines}");
    assert!(!lines.contains(VALUE));
}

#[test]
fn in_cooperative_mode_only_the_program_can_use_the_proxy() {
    let world = World::new();
    // The same address without the token that stands in the variable.
    let script = "curl -s -o /dev/null -w '%{http_connect}\\n' -x \"http://${https_proxy##*@}\" https://api.test/; \
                  curl -s -o /dev/null -w '%{http_connect}\\n' https://api.test/";
    let ended = outcome(&mut world.run(&["--cooperative"], &["sh", "-c", script]));
    assert_eq!(ended.out, "407\n200\n", "{}", ended.err);
}

#[test]
fn a_host_allowed_by_a_flag_is_allowed_and_another_is_not() {
    // No origin: an allowed host fails at the dial (502), a refused one before it (403).
    let script = "for h in allowed.localhost other.localhost; do \
                  curl -s -o /dev/null -w '%{http_code} ' --noproxy '*' https://$h/; done";
    let script =
        script.replace("allowed.localhost", "allowed.invalid").replace("other.localhost", "other.invalid");
    let ended = outcome(&mut run(&["--allow", "allowed.invalid"], &["sh", "-c", &script]));
    assert_eq!(ended.out, "502 403 ", "{}", ended.err);
}

#[test]
fn a_named_parameter_gets_the_value_and_the_placeholder_elsewhere_stays() {
    let world = World::new();
    let printed =
        outcome(&mut world.run_with_flags(&["--print-config", "--secret", "KEY@api.test/query:key"], &[]));
    // As printed, but with the session's own CA and a way to the origin on loopback.
    let config: String = printed
        .out
        .lines()
        .filter(|line| !line.starts_with("tls:") && !line.trim_start().starts_with("ca_"))
        .map(|line| {
            if line == "proxy:" {
                "proxy:\n  upstream_deny_cidrs: []\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let file = world.path("printed.yaml");
    fs::write(&file, config).unwrap();
    let program = ["curl", "-sS", "-H", "X-Api-Key: KEY", "https://api.test/KEY?q=KEY&key=KEY"];
    let ended = outcome(&mut world.run_with_flags(&["--config", file.to_str().unwrap()], &program));
    let received = world.origin.received();
    let last = received.last().unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(last.path(), format!("/KEY?q=KEY&key={VALUE}"));
    assert_eq!(last.header("x-api-key"), Some("KEY"));
}

#[test]
fn a_command_that_gives_a_value_runs_once() {
    let world = World::new();
    let (count, audit) = (world.path("count"), world.path("audit.jsonl"));
    let fetch = format!("cmd:sh -c 'echo run >> {}; echo {VALUE}'", count.display());
    let (one, other) = (format!("A={fetch}@api.test"), format!("B={fetch}@api.test:8443"));
    let flags = ["--secret", &one, "--secret", &other, "--audit", audit.to_str().unwrap()];
    // The value is placed before the dial, which fails: loopback is denied by default.
    let script = "for n in 1 2; do curl -sS -H 'Authorization: Bearer A' https://api.test/; done";
    let ended = outcome(&mut world.run_with_flags(&flags, &["sh", "-c", script]));
    let lines = fs::read_to_string(audit).unwrap();
    assert_eq!(lines.matches("\"locations\":[\"header:Authorization\"]").count(), 2, "{lines}{}", ended.err);
    assert_eq!(fs::read_to_string(count).unwrap(), "run\n");
}
