//! `audit …`, `doctor` and completion.

use serde_json::json;

use crate::relay::answer;
use crate::support::{Outcome, World, bare};

#[tokio::test]
async fn what_was_written_from_here_is_noted_with_a_fingerprint() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    world.done(&["roles", "list"]).await;
    let items = world.data(&["audit", "--local"]).await["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1);
    let item = &items[0];
    assert_eq!(
        (&item["method"], &item["path"], &item["namespace"], &item["outcome"], &item["ids"]),
        (
            &json!("PUT"),
            &json!("/api/v1/roles/support"),
            &json!("default"),
            &json!("201"),
            &json!(["support", "role_1Uc5uCJR"])
        )
    );
    assert_eq!(item["key"].as_str().unwrap().len(), 8);
    assert_eq!(world.data(&["audit", "--local", "--since", "2999-01-01T00:00:00Z"]).await["total"], 0);
    let mut command = world.command(&["roles", "create", "other"]);
    assert!(command.env("CENTAUR_PERMS_AUDIT", "off").status().await.unwrap().success());
    assert_eq!(world.data(&["audit", "--local"]).await["total"], 1);
}

#[tokio::test]
async fn a_control_plane_without_a_log_is_told() {
    let world = World::new().await;
    world.relay.fail("GET /api/v1/audit_events", 1, answer(404, r#"{"error":{"message":"not found"}}"#));
    let text =
        "this control plane does not offer an audit log; `audit --local` shows what this program wrote";
    world.run(&["audit"]).await.fails(1, text);
}

#[tokio::test]
async fn what_should_not_be_is_found_and_a_clean_namespace_has_no_findings() {
    let world = World::new().await;
    world.run(&["audit", "check"]).await.is(0, "0 findings\n", "");
    world.secret("key", "*").await;
    world.secret("key2", "a.test").await;
    world.done(&["roles", "grant", "support", "--secret", "key"]).await;
    world.done(&["roles", "create", "empty"]).await;
    world.done(&["principals", "grant", "ci-bot", "--create", "--role", "support", "--secret", "key"]).await;
    let data = world.data(&["audit", "check"]).await;
    let codes: Vec<_> =
        data["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        [
            "role_unused",
            "principal_unbound",
            "not_canonical",
            "granted_twice",
            "secret_unlabelled",
            "catch_all_host",
            "secret_unlabelled",
            "placeholder_overlap",
        ]
    );
    assert_eq!(world.run(&["audit", "check", "--exit-code"]).await.status.code(), Some(8));
    assert!(world.relay.lines().iter().filter(|line| !line.starts_with("GET ")).count() < 9);
}

#[tokio::test]
async fn doctor_names_each_thing_that_is_wrong() {
    let world = World::new().await;
    world.done(&["roles", "create", "infra"]).await;
    let outcome = world.run(&["doctor", "--tools-dir", "/"]).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.out);
    for line in [
        "settings        ok",
        "reachable       ok",
        "clock           ok",
        "key             ok       accepted",
        "namespace       ok       1 role",
    ] {
        assert!(outcome.out.contains(line), "{line}: {}", outcome.out);
    }
    let data = world
        .run(&["doctor", "--namespace", "lab", "--source-policy", "onepassword", "-o", "json"])
        .await
        .json(1);
    let bad: Vec<_> = data["data"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["state"] == "failed")
        .collect();
    assert_eq!(bad[0]["detail"], "there is no role in namespace lab");
    assert_eq!(bad[1]["detail"], "policy onepassword needs a vault; use --op-vault or OP_VAULT");
    assert_eq!(data["error"]["code"], "checks_failed");
    let mut command = world.command(&["doctor"]);
    let outcome = Outcome::of(command.env("IRON_CONTROL_API_KEY", "iak_wrong").output().await.unwrap());
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.out.contains("did not accept the API key"), "{}", outcome.out);
    let outcome =
        Outcome::of(bare(world.dir.path()).args(["doctor", "--retries", "0"]).output().await.unwrap());
    assert!(
        outcome.out.contains("--iron-control-url is not set; use the option or IRON_CONTROL_URL"),
        "{}",
        outcome.out
    );
}

#[tokio::test]
async fn completion_needs_no_control_plane_and_its_scripts_are_sound() {
    let world = World::new().await;
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let mut command = bare(world.dir.path());
        let outcome = Outcome::of(
            command.args(["completion", shell]).env("CENTAUR_PERMS_OUTPUT", "json").output().await.unwrap(),
        );
        assert!(outcome.status.success() && outcome.out.contains("principals"), "{shell}");
        if shell == "bash" {
            let file = world.dir.path().join("script");
            std::fs::write(&file, &outcome.out).unwrap();
            let checked = tokio::process::Command::new("bash").arg("-n").arg(&file).status().await;
            assert!(checked.unwrap().success());
        }
    }
}

#[tokio::test]
async fn names_are_completed_from_the_control_plane_and_failures_are_silent() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    for role in ["support", "sales", "infra"] {
        world.done(&["roles", "create", role]).await;
    }
    world.run(&["__complete", "roles", "s"]).await.is(0, "sales\nsupport\n", "");
    world.run(&["__complete", "secrets"]).await.is(0, "key\n", "");
    world.run(&["__complete", "nonsense"]).await.is(0, "", "");
    world.relay.fail("GET", 9, answer(500, ""));
    world.run(&["__complete", "roles", "s"]).await.is(0, "", "");
    let outcome = Outcome::of(bare(world.dir.path()).args(["__complete", "roles"]).output().await.unwrap());
    outcome.is(0, "", "");
}

#[tokio::test]
async fn the_log_of_the_control_plane_is_read_page_by_page_and_by_filter() {
    let world = World::new().await;
    for number in 0..205 {
        let data = json!({"namespace": "default", "name": "x"});
        world
            .api
            .put_role(&format!("role-{number}"), &data, centaur_client::api::Expect::Anything)
            .await
            .unwrap();
    }
    world.done(&["principals", "create", "slack-user-u5"]).await;
    world.relay.reset();
    let outcome = world.run(&["audit"]).await;
    let first = outcome.out.lines().next().unwrap_or_default();
    assert!(
        first.contains("api_key ak_") && first.contains("create  principal prn_5CO4fITZ  default"),
        "{first}"
    );
    let total: usize = outcome.out.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(total > 205 && total == outcome.out.lines().count() - 1, "{total}");
    assert_eq!(world.relay.lines().len(), 2);
    let data = world.data(&["audit", "--principal", "slack-user-u5"]).await;
    assert_eq!((&data["total"], &data["items"][0]["object"]["id"]), (&json!(1), &json!("prn_5CO4fITZ")));
    assert_eq!(world.data(&["audit", "--since", "2999-01-01T00:00:00Z"]).await["total"], 0);
    let actor =
        world.data(&["audit", "--principal", "slack-user-u5"]).await["items"][0]["actor"]["id"].clone();
    assert!(
        world.data(&["audit", "--actor", actor.as_str().unwrap()]).await["total"].as_u64().unwrap() > 205
    );
    assert_eq!(
        world.data(&["audit", "--actor", "system"]).await["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["actor"]["type"] != "system")
            .count(),
        0
    );
}
