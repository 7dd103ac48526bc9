//! The program itself: what it says when it cannot start, and that it ends when it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
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
fn a_database_that_cannot_be_opened_is_named_with_the_reason_and_without_its_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("console.db");
    std::fs::write(&file, "no database, but long enough to be looked at as one".repeat(20)).expect("a file");
    for (database, reason) in [
        (format!("sqlite:{}", file.display()), "file is not a database"),
        (format!("sqlite:{}/nowhere/console.db", dir.path().display()), "No such file or directory"),
        (
            "postgres://fake-user:fake-password@localhost/x?host=/nowhere".to_owned(),
            "the database is unavailable: ",
        ),
    ] {
        let output = program().arg("--dev").env("DATABASE_URL", &database).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("DATABASE_URL: ") && text.contains(reason), "{text}");
        assert!(!text.contains("fake-"), "{text}");
    }
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
fn one_line_is_logged_per_request_with_the_route_and_never_a_token() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = format!("iak_{}", "5".repeat(64));
    let mut child = program()
        .arg("--dev")
        .env("CENTAUR_CONSOLE_LISTEN", "127.0.0.1")
        .env("PORT", "0")
        .env("DATABASE_URL", format!("sqlite:{}", dir.path().join("console.db").display()))
        .env("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test")
        .env("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1")
        .env("CENTAUR_CONSOLE_INITIAL_API_KEY", &key)
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let mut line = || -> serde_json::Value {
        let line = lines.next().expect("a line").expect("text");
        assert!(!line.contains(&key) && !line.contains("fake-"), "{line}");
        serde_json::from_str(&line).expect("JSON")
    };
    let address = line()["address"].as_str().expect("an address").to_owned();
    let send = |head: &str| {
        let mut stream = std::net::TcpStream::connect(&address).expect("connected");
        let text = format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).expect("sent");
        std::io::read_to_string(stream).expect("an answer")
    };
    send(&format!(
        "GET /api/v1/principals/fake-name?token={key} HTTP/1.1\r\nx-request-id: r-1\r\nauthorization: Bearer {key}"
    ));
    let logged = line();
    for (field, want) in [
        ("level", "info".into()),
        ("msg", "request".into()),
        ("method", "GET".into()),
        ("path", "/api/v1/principals/{id}".into()),
        ("status", serde_json::Value::from(404)),
        ("request_id", "r-1".into()),
        ("caller", "ak_a8GHKFtL".into()),
    ] {
        assert_eq!(logged[field], want, "{logged}");
    }
    assert!(logged["duration_us"].is_u64(), "{logged}");
    send("GET /fake-path HTTP/1.1\r\nauthorization: Bearer fake-token");
    let logged = line();
    assert_eq!((&logged["path"], &logged["caller"]), (&"unmatched".into(), &serde_json::Value::Null));
    child.kill().expect("ended");
    child.wait().expect("it ends");
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
