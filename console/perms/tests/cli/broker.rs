//! `broker …`

use std::process::Stdio;

use centaur_base::oid::SecretKind;
use centaur_client::api::Expect;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Outcome, World};

const CREATE: [&str; 8] = [
    "broker",
    "create",
    "--foreign-id",
    "gmail",
    "--token-endpoint",
    "https://t.test/token",
    "--client-id",
    "client",
];

#[tokio::test]
async fn a_credential_is_made_from_files_and_standard_input_and_shows_none_of_it() {
    let world = World::new().await;
    let file = world.dir.path().join("secret");
    std::fs::write(&file, "fake-client-word\n").unwrap();
    let at = format!("@{}", file.display());
    let words =
        [&CREATE[..], &["--client-secret", &at, "--refresh-token", "-", "--scope", "a", "--scope", "b"]]
            .concat();
    let mut child = world
        .command(&words)
        .arg("--verbose")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"fake-refresh-word\n").await.unwrap();
    let outcome = Outcome::of(child.wait_with_output().await.unwrap());
    assert_eq!(outcome.out, "gmail  bcr_9M4ZKJbu  bootstrapping\n");
    assert_eq!(
        outcome.err,
        "GET /api/v1/broker_credentials/lookup/default/gmail 404\n\
         PUT /api/v1/broker_credentials/gmail 201\n\
         GET /api/v1/broker_credentials/lookup/default/gmail 200\n"
    );
    let sent: serde_json::Value = serde_json::from_str(&world.relay.seen()[1].body).unwrap();
    let want = json!({"data": {"namespace": "default", "foreign_id": "gmail", "token_endpoint": "https://t.test/token",
        "client_id": "client", "scopes": ["a", "b"], "client_secret": "fake-client-word",
        "refresh_token": "fake-refresh-word", "labels": {"managed-by": "centaur"}}});
    assert_eq!(sent, want);
    let log =
        std::fs::read_to_string(world.dir.path().join(".local/state/centaur/perms-audit.jsonl")).unwrap();
    assert!(log.contains("broker_credentials/gmail") && !log.contains("fake-"), "{log}");
    for words in [&["broker", "show", "gmail"][..], &["broker", "show", "bcr_9M4ZKJbu", "-o", "json"]] {
        let outcome = world.run(words).await;
        assert!(outcome.status.success() && !outcome.out.contains("fake-"), "{}", outcome.out);
    }
}

#[tokio::test]
async fn a_value_in_the_command_line_works_with_a_warning_and_is_not_repeated() {
    let world = World::new().await;
    let words = [&CREATE[..], &["--refresh-token", "fake-word", "--dry-run", "-o", "json"]].concat();
    let outcome = world.run(&words).await;
    let shown = outcome.json(0);
    assert_eq!(shown["warnings"][0]["code"], "secret_in_arguments");
    assert!(!outcome.out.contains("fake-word") && !outcome.err.contains("fake-word"));
    world.done(&[&CREATE[..], &["--refresh-token", "fake-word"]].concat()).await;
    // An update shows that something hidden changes.
    let words = [&CREATE[..], &["--refresh-token", "fake-other", "--name", "Mail", "-o", "json"]].concat();
    let outcome = world.run(&words).await;
    assert_eq!(
        outcome.json(0)["data"]["changes"][0]["after"],
        json!({"name": "Mail", "refresh_token": "[hidden]"})
    );
    assert!(!outcome.out.contains("fake-"));
}

#[tokio::test]
async fn what_cannot_be_read_or_is_out_of_range_is_refused_before_any_call() {
    let world = World::new().await;
    for (more, text) in [
        (&["--refresh-token", "@/nonexistent/x"][..], "--refresh-token: /nonexistent/x: entity not found"),
        (&["--refresh-token", "-", "--client-secret", "-"], "--client-secret: standard input: is empty"),
        (&["--early-refresh-fraction", "1"], "--early-refresh-fraction: 1 is not from 0 to below 1"),
        (
            &["--token-endpoint-header", "=fake-word"],
            "--token-endpoint-header wants KEY=VALUE, not a text without a key",
        ),
    ] {
        world.run(&[&CREATE[..], more].concat()).await.fails(2, text);
    }
    assert_eq!(world.relay.lines(), [""; 0]);
}

#[tokio::test]
async fn one_that_is_referenced_is_not_deleted_and_the_references_are_named() {
    let world = World::new().await;
    world.run(&["broker", "list"]).await.is(0, "no broker credentials in namespace default\n", "");
    world.done(&[&CREATE[..], &["--refresh-token", "fake-word"]].concat()).await;
    world.run(&["broker", "list"]).await.is(
        0,
        "gmail  bcr_9M4ZKJbu  bootstrapping  -\n1 broker credential\n",
        "",
    );
    let data = json!({"inject_config": {"header": "Authorization"}, "rules": [{"host": "a.test"}],
        "source": {"source_type": "token_broker", "config": {"credential_id": "gmail", "credential_namespace": "default"}}});
    let secret =
        world.api.put_secret(SecretKind::Static, "wrapper", &data, Expect::Anything).await.unwrap().row;
    let outcome = world.run(&["broker", "delete", "gmail", "--yes"]).await;
    outcome.is(
        5,
        "",
        "warning: static_secrets wrapper refers to gmail\n\
         error: DELETE /api/v1/broker_credentials/bcr_9M4ZKJbu was refused (409)\n  \
           is referenced by one or more token_broker secret sources; remove those references first\n",
    );
    world.api.delete_secret(secret.id, Expect::Anything).await.unwrap();
    world.run(&["broker", "delete", "gmail", "--yes"]).await.is(
        0,
        "broker_credential  gmail  bcr_9M4ZKJbu  deleted\n",
        "",
    );
    world
        .run(&["broker", "show", "gmail"])
        .await
        .fails(3, "broker credential gmail does not exist in namespace default");
}

#[tokio::test]
async fn waiting_ends_when_the_credential_is_dead() {
    let world = World::new().await;
    let record = json!({"data": {"id": "bcr_9M4ZKJbu", "namespace": "default", "foreign_id": "gmail", "name": null,
        "labels": {}, "status": "dead", "dead_reason": "invalid_grant", "revision": 2, "updated_at": null}});
    world.relay.fail("GET", 1, crate::relay::answer(404, ""));
    world.relay.fail("GET", 1, crate::relay::answer(200, &record.to_string()));
    let outcome =
        world.run(&[&CREATE[..], &["--refresh-token", "fake-word", "--wait", "--quiet"]].concat()).await;
    outcome.is(1, "gmail  bcr_9M4ZKJbu  dead\n", "error: broker credential gmail is dead: invalid_grant\n");
}
