//! The program itself: what it says when it cannot start, and that it ends when it is told to.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_centaur-console"));
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn settings_that_are_wrong_stop_the_start_and_are_named_all_at_once() {
    let output = program().env("PORT", "x").env("DATABASE_URL", "mysql://fake").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    for variable in ["PORT: ", "DATABASE_URL: ", "CENTAUR_CONSOLE_ENCRYPTION_KEYS: "] {
        assert!(text.contains(variable), "{text}");
    }
    assert!(!text.contains("mysql://fake"), "{text}");
}

#[test]
fn it_makes_up_a_key_for_its_owner_alone_and_ends_well_when_told_to() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().expect("a directory");
    let key = dir.path().join("key");
    let mut child = program()
        .arg("--dev")
        .env("CENTAUR_CONSOLE_LISTEN", "127.0.0.1")
        .env("PORT", "0")
        .env("DATABASE_URL", format!("sqlite:{}", dir.path().join("console.db").display()))
        .env("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test")
        .env("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1")
        .env("CENTAUR_CONSOLE_INITIAL_API_KEY_FILE", &key)
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("standard error"));
    lines.read_line(&mut line).expect("a line");
    assert!(line.contains("\"msg\":\"listening\""), "{line}");
    let token = std::fs::read_to_string(&key).expect("the key");
    assert!(token.starts_with("iak_") && token.trim_end().len() == 68);
    assert_eq!(std::fs::metadata(&key).expect("the file").permissions().mode() & 0o777, 0o600);

    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(told.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn without_a_place_for_a_made_up_key_no_user_is_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = program()
        .arg("--dev")
        .env("CENTAUR_CONSOLE_LISTEN", "127.0.0.1")
        .env("PORT", "0")
        .env("DATABASE_URL", format!("sqlite:{}", dir.path().join("console.db").display()))
        .env("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test")
        .env("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CENTAUR_CONSOLE_INITIAL_API_KEY"));
}
