//! `export`, `diff`, `apply`

use std::path::PathBuf;

use centaur_base::oid::SecretKind;
use centaur_client::api::Expect;
use serde_json::json;

use crate::relay::answer;
use crate::support::World;

/// Two roles and two principals with a bit of everything.
async fn furnished() -> World {
    let world = World::new().await;
    furnish(&world).await;
    world
}

async fn furnish(world: &World) {
    for key in ["a", "b", "c"] {
        world.secret(key, "a.test").await;
    }
    tool_secret(world, "tool-pylon-key", "pylon").await;
    tool_secret(world, "tool-pylon-other", "pylon").await;
    tool_secret(world, "tool-linear-key", "linear").await;
    tool_secret(world, "tool-linear-other", "linear").await;
    world.done(&["roles", "create", "support", "--name", "Support desk"]).await;
    let grant = ["roles", "grant", "support"];
    let secrets = ["--secret", "b", "--secret", "tool-linear-key", "--secret", "tool-pylon-key"];
    world.done(&[&grant[..], &secrets, &["--secret", "tool-pylon-other"]].concat()).await;
    let end = ["--secret", "a", "--expires", "2999-01-01T00:00:00Z", "--priority", "-5"];
    world.done(&[&grant[..], &end].concat()).await;
    world.done(&["roles", "create", "empty"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "support", "--secret", "c"]).await;
    world.done(&["principals", "create", "ci-bot"]).await;
}

async fn tool_secret(world: &World, foreign_id: &str, tool: &str) {
    let data = json!({
        "namespace": "default",
        "name": foreign_id,
        "labels": {"centaur-tool": tool},
        "inject_config": {"header": "Authorization"},
        "source": {"source_type": "env", "config": {"var": "FAKE"}},
        "rules": [{"host": "a.test"}],
    });
    let made = world.api.put_secret(SecretKind::Static, foreign_id, &data, Expect::Anything).await;
    made.expect("a secret");
}

const FILE: &str = r#"version = 1
namespace = "default"

[[role]]
id = "empty"
tools = []
secrets = []

[[role]]
id = "support"
name = "Support desk"
tools = ["pylon"]
secrets = [
  { secret = "static/a", priority = -5, expires_at = "2999-01-01T00:00:00Z" },
  "static/b",
  "static/tool-linear-key",
]

[[principal]]
id = "ci-bot"
roles = []
secrets = []

[[principal]]
id = "slack-user-u5"
roles = ["support"]
secrets = ["static/c"]
"#;

impl World {
    fn file(&self, text: &str) -> String {
        let path: PathBuf = self.dir.path().join("perms-state.toml");
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }

    async fn export(&self) -> String {
        let outcome = self.run(&["export"]).await;
        assert_eq!((outcome.status.code(), outcome.err.as_str()), (Some(0), ""));
        outcome.out
    }
}

#[tokio::test]
async fn what_is_exported_is_in_place_and_makes_the_same_where_there_is_nothing() {
    let world = furnished().await;
    assert_eq!(world.export().await, FILE);
    let data = world.data(&["export"]).await;
    assert_eq!(data["role"][1]["secrets"][0]["priority"], -5);
    let file = world.file(FILE);
    let (outcome, calls) = world.calls(&["diff", &file]).await;
    outcome.is(0, "everything is in place\n", "");
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    let (outcome, calls) = world.calls(&["apply", &file]).await;
    outcome.is(0, "everything is in place\n", "");
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");

    // Everything but the secrets goes, and the file brings it back.
    for words in [
        ["--yes", "roles", "delete", "support"],
        ["--yes", "roles", "delete", "empty"],
        ["--yes", "principals", "delete", "slack-user-u5"],
        ["--yes", "principals", "delete", "ci-bot"],
    ] {
        world.done(&words).await;
    }
    assert_eq!(world.run(&["diff", &file]).await.status.code(), Some(8));
    let outcome = world.run(&["apply", &file]).await;
    let note = "warning: ci-bot is not a known principal form; it is made, for the file names it\n";
    assert_eq!((outcome.status.code(), outcome.err.as_str()), (Some(0), note), "{}", outcome.out);
    assert_eq!(world.export().await, FILE);
}

#[tokio::test]
async fn what_the_file_does_not_name_is_taken_from_whom_it_names_and_from_nobody_else() {
    let world = furnished().await;
    world.done(&["principals", "grant", "slack-user-u6", "--role", "support", "--secret", "c"]).await;
    let file = world.file(
        "version = 1\n[[role]]\nid = \"empty\"\nsecrets = [\"b\"]\n\
         [[principal]]\nid = \"slack-user-u5\"\nroles = [\"empty\"]\nsecrets = [\"static/a\"]\n",
    );
    let lines = "grant      b              -               to grant to role empty\n\
                 principal  slack-user-u5  prn_5CO4fITZ    to update labels\n";
    let outcome = world.run(&["diff", &file]).await;
    assert_eq!(outcome.status.code(), Some(8), "{}", outcome.err);
    assert!(outcome.out.starts_with(lines), "{}", outcome.out);
    // Without a terminal, taking away needs consent; adding does not.
    let before = world.export().await;
    world.run(&["apply", &file]).await.fails(2, "this removes 2 item(s); add --yes");
    assert_eq!(world.export().await, before);
    let outcome = world.run(&["apply", &file, "--additive"]).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    let data = world.data(&["principals", "show", "slack-user-u5"]).await;
    assert_eq!(data["roles"].as_array().unwrap().len(), 2);
    assert_eq!(data["direct_grants"].as_array().unwrap().len(), 2);
    let shown = world.data(&["apply", &file, "--yes"]).await;
    let changes: Vec<_> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["action"].as_str().unwrap(), change["foreign_id"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("update", "slack-user-u5"), ("unassign", "support"), ("revoke", "c")]);
    assert_eq!(shown["complete"], true);
    let row = world.api.principal_named("default", "slack-user-u5").await.unwrap().unwrap();
    assert_eq!(row.labels["centaur.revoked-roles"], "support");
    // Who is not in the file keeps everything.
    let data = world.data(&["principals", "show", "slack-user-u6"]).await;
    assert_eq!(
        (data["roles"].as_array().unwrap().len(), data["direct_grants"].as_array().unwrap().len()),
        (1, 1)
    );
    // Naming the role again clears the note.
    let file =
        world.file("version = 1\n[[principal]]\nid = \"slack-user-u5\"\nroles = [\"support\", \"empty\"]\n");
    world.done(&["apply", &file, "--additive"]).await;
    let row = world.api.principal_named("default", "slack-user-u5").await.unwrap().unwrap();
    assert_eq!(row.labels.get("centaur.revoked-roles"), None);
}

#[tokio::test]
async fn priorities_ends_and_names_become_those_of_the_file() {
    let world = furnished().await;
    let text = FILE
        .replace(
            "priority = -5, expires_at = \"2999-01-01T00:00:00Z\"",
            "expires_at = \"2998-01-01T00:00:00Z\"",
        )
        .replace("\"static/b\"", "{ secret = \"static/b\", priority = 3 }")
        .replace("Support desk", "Help desk");
    let file = world.file(&text);
    let shown = world.data(&["apply", &file]).await;
    let changes: Vec<_> = shown["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["foreign_id"].as_str().unwrap(), change["after"].clone()))
        .collect();
    let want = [
        ("support", json!({"name": "Help desk"})),
        ("a", json!({"expires_at": "2998-01-01T00:00:00Z", "priority": 0})),
        ("b", json!({"priority": 3})),
    ];
    assert_eq!(changes, want);
    assert_eq!(world.export().await, text);
}

#[tokio::test]
async fn a_grant_that_has_ended_is_none_and_is_renewed_when_it_is_named() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "key", "--expires", "1s"]).await;
    let row = world.api.principal_named("default", "slack-user-u5").await.unwrap().unwrap();
    // The console and the program go by the same clock: wait until it says that the grant has ended.
    while world.export().await.contains("static/key") {
        tokio::task::yield_now().await;
    }
    let file = world.file(&world.export().await);
    world.run(&["diff", &file]).await.is(0, "everything is in place\n", "");
    let file = world.file("version = 1\n[[principal]]\nid = \"slack-user-u5\"\nsecrets = [\"static/key\"]\n");
    world.done(&["apply", &file]).await;
    let grants = world.api.grants_of_principal(row.id).await.unwrap();
    assert_eq!((grants.len(), grants[0].expires_at.as_deref()), (1, None));
}

#[tokio::test]
async fn everything_is_read_before_anything_is_written() {
    let world = furnished().await;
    let refused = [
        (
            "[[role]]\nid = \"new\"\n[[principal]]\nid = \"slack-user-u9\"\nroles = [\"gone\"]\n",
            3,
            "role gone does not exist in namespace default",
        ),
        (
            "[[role]]\nid = \"new\"\nsecrets = [\"static/gone\"]\n",
            3,
            "secret static/gone does not exist in namespace default",
        ),
        (
            "[[role]]\nid = \"new\"\ntools = [\"gone\"]\n",
            2,
            "no tool directory given; use --tools-dir or TOOL_DIRS",
        ),
        ("[[role]]\nid = \"role_aaaaaaaa\"\n", 3, "role role_aaaaaaaa does not exist in namespace default"),
        ("[[role]]\nid = \"new\"\nsecrets = [\"a\", \"static/a\"]\n", 2, "role new names the secret a twice"),
        (
            "[[principal]]\nid = \"slack-user-U9\"\n[[principal]]\nid = \"slack-user-u9\"\n",
            2,
            "two principals of the file are slack-user-u9",
        ),
    ];
    for (text, code, error) in refused {
        let file = world.file(&format!("version = 1\n{text}"));
        world.relay.reset();
        world.run(&["apply", &file, "--yes"]).await.fails(code, error);
        assert!(world.relay.lines().iter().all(|line| line.starts_with("GET ")), "{error}");
    }
    let file = world.file("version = 1\nnamespace = \"lab\"\n[[role]]\nid = \"new\"\n");
    let outcome = world.run(&["apply", &file]).await;
    assert_eq!(outcome.status.code(), Some(2));
    assert!(outcome.err.contains("use --namespace lab"), "{}", outcome.err);
    world.done(&["--namespace", "lab", "apply", &file]).await;
    assert!(world.api.role_named("lab", "new").await.unwrap().is_some());
}

#[tokio::test]
async fn a_part_of_it_is_exported_by_name_and_by_label() {
    let world = furnished().await;
    let outcome = world.run(&["export", "--role", "empty"]).await;
    let want = "version = 1\nnamespace = \"default\"\n\n[[role]]\nid = \"empty\"\ntools = []\nsecrets = []\n";
    outcome.is(0, want, "");
    let outcome = world.run(&["export", "--principal", "ci-bot"]).await;
    let want =
        "version = 1\nnamespace = \"default\"\n\n[[principal]]\nid = \"ci-bot\"\nroles = []\nsecrets = []\n";
    outcome.is(0, want, "");
    world.run(&["export", "--role", "gone"]).await.fails(3, "role gone does not exist in namespace default");
    let data = json!({"namespace": "default", "name": "By hand", "labels": {}});
    world.api.put_role("by-hand", &data, Expect::Anything).await.unwrap();
    assert!(world.export().await.contains("by-hand"));
    assert!(!world.run(&["export", "--managed"]).await.out.contains("by-hand"));
}

#[tokio::test]
async fn what_changed_meanwhile_is_told_and_what_failed_is_finished_by_the_same_command() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "create", "support"]).await;
    let file = world.file(
        "version = 1\n[[role]]\nid = \"support\"\nname = \"Mine\"\nsecrets = [\"key\"]\n\
         [[principal]]\nid = \"slack-user-u5\"\nroles = [\"support\"]\n",
    );
    world.relay.fail("PUT", 1, answer(412, r#"{"error":{"message":"stale"}}"#));
    let text = "role support changed since it was read; run again or add --force";
    world.run(&["apply", &file]).await.fails(5, text);
    let put = world.relay.seen().into_iter().rfind(|seen| seen.line.starts_with("PUT")).unwrap();
    assert!(put.if_match.is_some());
    world.relay.fail("POST", 1, answer(422, r#"{"error":{"message":"no","details":{"base":["bad"]}}}"#));
    let shown = world.run(&["apply", &file, "-o", "json"]).await.json(6);
    assert_eq!((&shown["error"]["code"], &shown["error"]["cause"]), (&json!("partial"), &json!("rejected")));
    world.done(&["apply", &file]).await;
    world.run(&["diff", &file]).await.is(0, "everything is in place\n", "");
}
