//! The other commands.

use std::fs;
use std::process::Stdio;

use crate::support::{centaur, outcome, run};

#[test]
fn the_demonstration_goes_as_told_and_never_shows_the_key() {
    let ended = outcome(centaur().arg("demo"));
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert_eq!(ended.out.matches("[as told]").count(), 4, "{}", ended.out);
    assert!(ended.out.contains("x-iron-reason: no-rule") && ended.out.contains("centaur run --secret"));
    for told in ["200 welcome, the key is right", "the grant is revoked", "The next request was refused "] {
        assert!(ended.out.contains(told), "{}", ended.out);
    }
    for word in ended.out.split_whitespace().filter(|word| word.starts_with("sk-demo-")) {
        assert!(word.contains("****"), "{word}");
    }
    assert!(ended.out.lines().all(|line| line.chars().count() <= 100), "{}", ended.out);
}

#[test]
fn the_printed_configuration_is_one_the_proxy_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let flags = [
        "run",
        "--print-config",
        "--secret",
        "A@a.test/basic",
        "--secret",
        "B@*.b.test:8443,http://c.test/query+body",
        "--secret",
        "C=cmd:printf x@d.test/query:key",
        "--secret",
        "D=file:/nonexistent@e.test",
        "--allow",
        "f.test",
    ];
    let printed = outcome(centaur().args(flags));
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let path = directory.path().join("c.yaml");
    fs::write(&path, &printed.out).unwrap();
    let checked = outcome(centaur().args(["proxy", "check"]).arg(&path));
    assert_eq!(checked.code, Some(0), "{}{}\n{}", checked.out, checked.err, printed.out);
    fs::write(&path, printed.out.replace("transforms:", "transform:")).unwrap();
    assert_ne!(outcome(centaur().args(["proxy", "check"]).arg(&path)).code, Some(0));
}

#[test]
fn help_is_no_failure_and_a_wrong_word_is() {
    for words in [&["--help"][..], &["run", "--help"], &["doctor", "--help"], &["help"]] {
        let ended = outcome(centaur().args(words));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(!ended.out.contains("__"), "{words:?} shows a hidden command");
    }
    assert_eq!(outcome(centaur().arg("rum")).code, Some(1));
    assert_eq!(outcome(&mut centaur()).code, Some(1));
}

#[test]
fn the_broker_reads_its_file_and_has_its_own_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.yaml");
    let broker = |word: &str| outcome(centaur().args(["broker", word, "--config"]).arg(&path));
    fs::write(&path, "listen: ':0'\n").unwrap();
    assert_eq!(broker("--check").code, Some(0));
    fs::write(&path, "listn: ':0'\n").unwrap();
    let refused = broker("--check");
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.starts_with("centaur broker: ") && refused.err.contains("listen"), "{}", refused.err);
    assert_eq!(broker("--chekc").code, Some(2));
}

#[test]
fn the_version_is_the_proxys() {
    let ours = outcome(centaur().arg("version"));
    let proxys = outcome(centaur().args(["proxy", "version"]));
    assert_eq!((ours.code, ours.out), (Some(0), proxys.out));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = centaur()
        .args(["run", "--print-config"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn a_failure_names_its_flag_and_ends_with_125() {
    for (flags, named) in [
        (&["--audit", "/nonexistent/a.jsonl"][..], "--audit /nonexistent/a.jsonl: "),
        (&["--config", "/nonexistent/c.yaml"], "--config /nonexistent/c.yaml: "),
        (&["--allow", "a b"], "--allow \"a b\": "),
        (&["--secret", "NOPE@a.test"], "--secret NOPE: "),
        (&["--placeholder", "T=long-enough"], "--placeholder T: "),
        (&["--alow", "a.test"], "'--alow'"),
    ] {
        let ended = outcome(&mut run(flags, &["true"]));
        assert_eq!(ended.code, Some(125), "{flags:?} {}", ended.err);
        assert!(ended.err.contains(named), "{flags:?} {}", ended.err);
    }
    assert_eq!(outcome(&mut run(&["--allow", "a.test"], &["true"])).code, Some(0));
}
