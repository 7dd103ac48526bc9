use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn resolve(words: &[&str]) -> Result<RunSettings, Vec<String>> {
    let words = ["centaur", "run"].iter().chain(words);
    let Command::Run(args) = Cli::try_parse_from(words).unwrap().command else { panic!("no run") };
    RunSettings::resolve(args, &|name| match name {
        "T" => Some("fake-token-0001".into()),
        "EMPTY" => Some("".into()),
        _ => None,
    })
}

#[test]
fn a_whole_command_line_is_read() {
    let settings = resolve(&["--secret", "T@a.test", "--allow", "b.test", "--", "git", "clone"]).unwrap();
    assert_eq!((settings.program.to_str(), settings.args.len()), (Some("git"), 1));
    assert!(settings.enforced && settings.audit == Audit::Off);
    let Policy::Flags { secrets, allows } = settings.policy else { panic!() };
    assert_eq!(secrets[0].placeholder, "T");
    assert_eq!(secrets[0].value.as_ref().unwrap().expose(), "fake-token-0001");
    assert_eq!(allows[0].host, "b.test");
}

#[test]
fn all_problems_are_reported_at_once_and_name_their_flag() {
    let Err(problems) = resolve(&[
        "--secret",
        "NOPE@a.test",
        "--secret",
        "T@",
        "--allow",
        "a b",
        "--config",
        "/nonexistent/x",
    ]) else {
        panic!("accepted")
    };
    let text = problems.join("\n");
    for expected in [
        "--secret NOPE: NOPE is not set",
        "--secret T: host",
        "--allow \"a b\"",
        "--config /nonexistent/x:",
        "--config and --secret",
        "no program",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn an_empty_value_is_refused() {
    assert!(resolve(&["--secret", "EMPTY@a.test", "--", "x"]).is_err());
}

#[test]
fn a_value_among_the_arguments_is_refused_and_its_placeholder_is_not() {
    let Err(problems) = resolve(&["--secret", "T@a.test", "--", "x", "-HX: fake-token-0001"]) else {
        panic!("accepted")
    };
    assert!(problems[0].contains("argument 1") && !problems[0].contains("fake-token"), "{problems:?}");
    assert!(resolve(&["--secret", "T@a.test", "--", "x", "-HX: T"]).is_ok());
}

#[test]
fn a_placeholder_can_be_given_for_a_known_secret_only() {
    let settings =
        resolve(&["--secret", "T@a.test", "--placeholder", "T=ghp_000000000000", "--", "x"]).unwrap();
    let Policy::Flags { secrets, .. } = settings.policy else { panic!() };
    assert_eq!(secrets[0].placeholder, "ghp_000000000000");
    for bad in ["U=ghp_0000", "T=x", "T", "T=a b c d"] {
        assert!(resolve(&["--secret", "T@a.test", "--placeholder", bad, "--", "x"]).is_err(), "{bad}");
    }
}

#[test]
fn files_and_commands_lose_their_last_newline() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    fs::write(&path, "fake-from-file\n").unwrap();
    let none = |_: &str| None;
    assert_eq!(read_value(&Source::File(path), &none).unwrap().expose(), "fake-from-file");
    let command = Source::Command(["printf", "fake-from-cmd\\n"].map(str::to_owned).to_vec());
    assert_eq!(read_value(&command, &none).unwrap().expose(), "fake-from-cmd");
    let failing = Source::Command(vec!["false".to_owned()]);
    assert!(read_value(&failing, &none).unwrap_err().contains("false failed"));
}

#[test]
fn print_config_needs_neither_values_nor_a_program() {
    assert!(resolve(&["--print-config", "--secret", "NOPE@a.test"]).is_ok());
}
