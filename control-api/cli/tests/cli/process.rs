//! The program's exit code, signals, standard streams and environment are its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{VALUE, centaur, eventually, exists, outcome, run, runs_somewhere};

#[test]
fn the_exit_code_is_the_programs_own() {
    for flags in [&[][..], &["--cooperative"]] {
        assert_eq!(outcome(&mut run(flags, &["sh", "-c", "exit 7"])).code, Some(7), "{flags:?}");
        assert_eq!(outcome(&mut run(flags, &["true"])).code, Some(0), "{flags:?}");
    }
}

#[test]
fn a_program_ended_by_a_signal_is_seen_to_end_by_it() {
    for flags in [&[][..], &["--cooperative"]] {
        let ended = outcome(&mut run(flags, &["sh", "-c", "kill -TERM $$"]));
        assert_eq!(ended.status.signal(), Some(15), "{flags:?} {}", ended.err);
    }
}

#[test]
fn a_program_that_is_missing_or_cannot_run_is_told_apart_from_our_own_failure() {
    for flags in [&[][..], &["--cooperative"]] {
        assert_eq!(outcome(&mut run(flags, &["/nonexistent/program"])).code, Some(127), "{flags:?}");
        assert_eq!(outcome(&mut run(flags, &["/etc/passwd"])).code, Some(126), "{flags:?}");
    }
    assert_eq!(outcome(&mut run(&["--no-such-flag"], &["true"])).code, Some(125));
    assert_eq!(outcome(centaur().arg("run")).code, Some(125));
}

#[test]
fn standard_input_output_and_error_pass_through_unmixed() {
    let mut child = run(&[], &["sh", "-c", "cat; echo talk >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in\0 and out\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"in\0 and out\n"[..], &b"talk\n"[..]));
}

#[test]
fn a_signal_sent_to_centaur_reaches_the_program() {
    for flags in [&[][..], &["--cooperative"]] {
        let script = "trap 'exit 3' TERM; trap 'exit 4' INT; echo ready; while :; do sleep 0.05; done";
        for (signal, code) in [(Signal::TERM, 3), (Signal::INT, 4)] {
            let mut child = run(flags, &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code), "{flags:?}");
        }
    }
}

#[test]
fn what_the_program_leaves_running_ends_with_it() {
    let ended = outcome(&mut run(&[], &["sh", "-c", "sleep 98761.5 & echo started"]));
    assert_eq!(ended.out, "started\n");
    assert!(eventually(|| !runs_somewhere("98761.5")));
}

#[test]
fn killing_centaur_ends_the_program() {
    // A killed process cannot clean up; what it leaves (certificates, nothing secret) goes with this directory.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = run(&[], &["sh", "-c", "echo ready; sleep 98762.5"]);
    let mut child = command.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(eventually(|| runs_somewhere("98762.5")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(eventually(|| !runs_somewhere("98762.5")));
}

#[test]
fn the_program_gets_the_placeholder_and_the_value_is_in_no_variable() {
    for flags in [&["--secret", "T@api.test"][..], &["--secret", "T@api.test", "--cooperative"]] {
        let mut command = run(flags, &["env"]);
        command.env("T", VALUE).env("COPY", format!("x{VALUE}y")).env("OTHER", "kept");
        let ended = outcome(&mut command);
        let lines: Vec<&str> = ended.out.lines().collect();
        assert!(lines.contains(&"T=T") && lines.contains(&"OTHER=kept"), "{}", ended.out);
        assert!(!ended.out.contains(VALUE) && !ended.out.contains("COPY="), "{}", ended.out);
    }
}

#[test]
fn what_opens_the_token_broker_is_in_no_variable_either() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    let source = "{type: token_broker, credential_id: openai-codex, ttl: 1m}";
    let secret =
        format!("{{source: {source}, inject: {{header: Authorization}}, rules: [{{host: api.test}}]}}");
    fs::write(&path, format!("transforms: [{{name: secrets, config: {{secrets: [{secret}]}}}}]\n")).unwrap();
    let mut command = run(&["--config", path.to_str().unwrap()], &["env"]);
    command.env("IRON_BROKER_URL", "http://127.0.0.1:9").env("IRON_BROKER_TOKEN", VALUE);
    let ended = outcome(command.env("COPY", format!("x{VALUE}y")).env("OTHER", "kept"));
    assert!(ended.out.lines().any(|line| line == "OTHER=kept"), "{}{}", ended.out, ended.err);
    assert!(!ended.out.contains(VALUE) && !ended.out.contains("COPY="), "{}", ended.out);
}

#[test]
fn the_values_other_source_is_covered_inside_and_a_neighbour_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (secret, plain) = (directory.path().join("secret"), directory.path().join("plain"));
    fs::write(&secret, format!("{VALUE}\n")).unwrap();
    fs::write(&plain, "plain\n").unwrap();
    let flag = format!("T=file:{}@api.test", secret.display());
    let script = format!("cat {} {}; echo $T", secret.display(), plain.display());
    let ended = outcome(&mut run(&["--secret", &flag], &["sh", "-c", &script]));
    assert_eq!(ended.out, "plain\nT\n", "{}", ended.err);
}

#[test]
fn proxy_and_trust_variables_are_set_and_exceptions_are_kept() {
    let script =
        "echo $https_proxy; echo $NO_PROXY; head -1 $SSL_CERT_FILE; echo $SSL_CERT_FILE; echo $SSL_CERT_DIR";
    let mut command = run(&[], &["sh", "-c", script]);
    let ended = outcome(command.env("no_proxy", "internal.test").env("SSL_CERT_DIR", "/etc/ssl/certs"));
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("http://centaur:") && lines[0].ends_with("@127.0.0.1:3128"), "{}", lines[0]);
    assert_eq!(lines[1], "internal.test,localhost,127.0.0.1,::1");
    assert_eq!(lines[2], "-----BEGIN CERTIFICATE-----");
    assert_eq!(lines[4], "");
    assert!(!exists(lines[3]), "the bundle is still there");
}

#[test]
fn all_mistakes_are_reported_at_once_and_no_value_is_repeated() {
    let flag = format!("T={VALUE}@api.test");
    let ended =
        outcome(&mut run(&["--secret", &flag, "--secret", "U@api.test", "--allow", "a b"], &["true"]));
    assert_eq!(ended.code, Some(125));
    assert_eq!(ended.err.lines().filter(|line| line.starts_with("error: ")).count(), 3, "{}", ended.err);
    assert!(!ended.err.contains(VALUE), "{}", ended.err);
}

#[test]
fn a_configuration_with_mistakes_stops_the_run_with_all_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    fs::write(&path, "prox: {}\nlog: {level: loud}\n").unwrap();
    let ended = outcome(&mut run(&["--config", path.to_str().unwrap()], &["echo", "ran"]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(125), ""));
    assert!(ended.err.contains("prox") && ended.err.contains("loud"), "{}", ended.err);
}
