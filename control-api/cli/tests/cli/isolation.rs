//! Inside there is loopback and the proxy, for root and for an ordinary user alike.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::support::{as_ordinary_user, centaur, outcome, run};

/// A cleartext service on the host's loopback that answers everybody.
fn host_service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        }
    });
    port
}

#[test]
fn a_service_on_the_hosts_loopback_is_out_of_reach() {
    let url = format!("http://127.0.0.1:{}/", host_service());
    let curl = ["curl", "-sS", "-m", "60", "--noproxy", "*", &url];
    let inside = outcome(&mut run(&[], &curl));
    assert_eq!(inside.code, Some(7), "{}{}", inside.out, inside.err);
    let twin = outcome(&mut run(&["--cooperative"], &curl));
    assert_eq!(twin.out, "hi", "{}", twin.err);
}

#[test]
fn a_unix_socket_of_the_host_is_out_of_reach() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        }
    });
    let curl =
        ["curl", "-sS", "-m", "60", "--noproxy", "*", "--unix-socket", path.to_str().unwrap(), "http://x/"];
    let inside = outcome(run(&[], &curl).env("SSH_AUTH_SOCK", &path));
    assert_eq!(inside.code, Some(7), "{}{}", inside.out, inside.err);
    let twin = outcome(&mut run(&["--cooperative"], &curl));
    assert_eq!(twin.out, "hi", "{}", twin.err);
}

#[test]
fn only_processes_of_the_inside_are_visible() {
    let script = format!("test -e /proc/{}/status", std::process::id());
    assert_eq!(outcome(&mut run(&[], &["sh", "-c", &script])).code, Some(1));
    assert_eq!(outcome(&mut run(&["--cooperative"], &["sh", "-c", &script])).code, Some(0));
}

#[test]
fn every_name_is_answered_with_loopback() {
    // `ahostsv4` asks with AI_ADDRCONFIG, `ahosts` for both families.
    for database in ["hosts", "ahosts", "ahostsv4"] {
        let ended = outcome(&mut run(&[], &["getent", database, "data-in-a-label.example.com"]));
        assert!(ended.out.starts_with("127.0.0.1 "), "{database} {}{}", ended.out, ended.err);
    }
}

#[test]
fn no_capability_is_left_and_none_can_be_gained() {
    let ended = outcome(&mut run(&[], &["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"]));
    for line in ended.out.lines().filter(|line| line.starts_with("Cap")) {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    assert!(ended.out.contains("NoNewPrivs:\t1") && ended.out.contains("Seccomp:\t2"), "{}", ended.out);
}

#[test]
fn nothing_gets_out_and_the_allowed_request_does() {
    let ended = outcome(centaur().args(["doctor", "escape"]));
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.out.lines().any(|line| line.starts_with("ok") && line.contains("allowed twin")));
    assert!(!ended.out.contains("ESCAPED"), "{}", ended.out);
}

#[test]
fn the_escape_check_notices_that_there_is_no_isolation() {
    // The hidden command of the check, on the host itself: ports 1, a parent id, and sockets that are not there.
    let words = ["__escape", "1", "1", "1", "1", "no-such-name", "/nonexistent/socket"];
    let ended = outcome(centaur().args(words));
    assert_eq!(ended.code, Some(1));
    let escaped = |way: &str| ended.out.lines().any(|line| line.starts_with("ESCAPED") && line.contains(way));
    assert!(escaped("the parent's environment") && escaped("capabilities"), "{}", ended.out);
    assert!(ended.out.lines().any(|line| line.starts_with("FAILED") && line.contains("allowed twin")));
}

#[test]
fn the_same_holds_for_an_ordinary_user() {
    let (_directory, mut command) =
        as_ordinary_user().unwrap_or_else(|| (tempfile::tempdir().unwrap(), centaur()));
    let ended = outcome(command.args(["doctor", "escape"]));
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
}

#[test]
fn where_the_kernel_forbids_it_the_step_is_named_and_nothing_runs() {
    // A user namespace that may have no further ones inside is what a hardened machine looks like.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" run $1 -- echo ran";
    let hardened = |flag: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_centaur"), flag]);
        outcome(&mut command)
    };
    let ended = hardened("--explain");
    assert_eq!((ended.code, ended.out.as_str()), (Some(125), ""), "{}", ended.err);
    assert!(ended.err.contains("cannot enter a user namespace") && ended.err.contains("--cooperative"));
    assert_eq!(hardened("--cooperative").out, "ran\n");
}
