//! The keys that seal, and the first key of the API.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::console::{Console, program, secret};
use crate::on_both;

const ONE: &str = "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const TWO: &str = "two:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";

async fn values_are_sealed_anew_while_the_console_serves() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let role = console.make("/api/v1/roles", json!({"foreign_id":"r"})).await;
    console.post(&format!("/api/v1/principals/{principal}/roles"), json!({"role_id":role})).await.expect(201);
    let document = |number: usize, round: usize| {
        secret(&format!("s{number}"), "a.test", &format!("fake-value-{number}-{round}"))
    };
    for number in 0..40 {
        let secret = console.make("/api/v1/static_secrets", document(number, 0)).await;
        console.make("/api/v1/grants", json!({"role_id":role,"static_secret_id":secret})).await;
    }
    let proxy = json!({"name":"edge","principal_id":principal});
    let proxy = console.post("/api/v1/proxies", proxy).await.data(201);
    let token = proxy["token"].as_str().expect("a token");

    let both = format!("{TWO},{ONE}");
    let console = Console::at(console.stop().await, &[("CENTAUR_CONSOLE_ENCRYPTION_KEYS", &both)]).await;
    let mut child = Command::new(program())
        .args(["rewrap", "--batch", "3"])
        .env_clear()
        .env("DATABASE_URL", console.database())
        .env("CENTAUR_CONSOLE_ENCRYPTION_KEYS", &both)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut written = 0;
    let status = loop {
        let path = format!("/api/v1/static_secrets/s{}", written % 40);
        tokio::select! {
            status = child.wait() => break status.expect("it ends"),
            reply = console.put(&path, document(written % 40, 1)) => {
                reply.expect(200);
                console.sync(token, None, &[]).await.expect(200);
                written += 1;
            }
        }
    };
    let output = child.wait_with_output().await.expect("its output");
    assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    // A secret that is written meanwhile may be met twice.
    assert!(text.contains(" values are under the key \"two\"; "), "{text}");
    let sealed = console.app.store().seal_status().await.expect("an answer");
    assert_eq!((sealed.current, sealed.outdated), (40, 0));

    // Without the older key everything opens; with it alone, nothing starts.
    let home = console.stop().await;
    let console = Console::at(home, &[("CENTAUR_CONSOLE_ENCRYPTION_KEYS", TWO)]).await;
    let synced = console.sync(token, None, &[]).await;
    let synced = synced.expect(200);
    let values: Vec<_> = synced["secrets"].as_array().expect("a list").iter().collect();
    assert_eq!(values.len(), 40);
    for (number, entry) in values.iter().enumerate() {
        let value = entry["source"]["value"].as_str().expect("a value");
        let is = |round: usize| value == format!("fake-value-{number}-{round}");
        // The write that was under way at the end may have happened or not.
        assert!(is(1) || (number >= written && is(0)), "{number} of {written}: {value}");
    }
}

/// The settings of a first start that makes up a key.
async fn first_start(left: Option<(&str, u32)>) -> (Console, tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("key");
    if let Some((text, mode)) = left {
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let file = path.to_str().expect("a path");
    let settings = [("CENTAUR_CONSOLE_INITIAL_API_KEY", ""), ("CENTAUR_CONSOLE_INITIAL_API_KEY_FILE", file)];
    let console = Console::with(&settings).await;
    let key = std::fs::read_to_string(&path).expect("a key").trim_end().to_owned();
    (console, dir, key)
}

async fn a_start_that_broke_off_after_it_wrote_the_key_does_not_block_the_next() {
    let whole = format!("iak_{}\n", "5".repeat(64));
    for (left, kept) in
        [(None, false), (Some((whole.as_str(), 0o600)), true), (Some(("iak_55", 0o600)), false)]
    {
        let (console, _dir, key) = first_start(left).await;
        assert_eq!(key == whole.trim_end(), kept);
        let bearer = format!("Bearer {key}");
        let reply = console.send("GET", "/api/v1/proxies", &[("authorization", &bearer)], "").await;
        assert_eq!(reply.status, 200, "the key in the file is the one that was registered");
    }
}

on_both!(
    values_are_sealed_anew_while_the_console_serves,
    a_start_that_broke_off_after_it_wrote_the_key_does_not_block_the_next,
);
