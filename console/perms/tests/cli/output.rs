//! What stands where: data on standard output, talk on standard error; the same shape every time.

use std::process::Stdio;

use centaur_client::api::Expect;
use serde_json::json;

use crate::support::{Outcome, World, bare};

#[tokio::test]
async fn json_is_one_object_of_one_shape_also_for_failures() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    for (words, code, command) in [
        (&["principals", "list"][..], 0, "principals.list"),
        (&["principals", "grant", "slack-user-u5", "--secret", "key"], 0, "principals.grant"),
        (&["principals", "show", "slack-user-u5"], 0, "principals.show"),
        (&["principals", "show", "nope"], 3, "principals.show"),
        (&["principals", "resolve", "slack:C0AB12:1"], 0, "principals.resolve"),
        (&["roles", "grant", "support", "--secret", "key"], 0, "roles.grant"),
        (&["roles", "show", "support"], 0, "roles.show"),
        (&["roles", "members", "support"], 0, "roles.members"),
        (&["roles", "delete", "support"], 2, "roles.delete"),
        (&["secrets", "list"], 0, "secrets.list"),
        (&["secrets", "show", "key"], 0, "secrets.show"),
        (&["secrets", "grants", "key"], 0, "secrets.grants"),
        (&["broker", "list"], 0, "broker.list"),
        (&["explain", "slack-user-u5", "--host", "a.test"], 0, "explain"),
        (&["export"], 0, "export"),
        (&["diff", "gone.toml"], 2, "diff"),
        (&["apply", "gone.toml"], 2, "apply"),
        (&["tools", "list"], 2, "tools.list"),
        (&["tools", "show", "github"], 2, "tools.show"),
        (&["tools", "validate"], 2, "tools.validate"),
        (&["tools", "register", "github"], 2, "tools.register"),
        (&["tools", "sync"], 2, "tools.sync"),
        (&["audit", "check"], 0, "audit.check"),
        (&["audit", "--local"], 0, "audit"),
        (&["doctor"], 0, "doctor"),
        (&["roles", "list", "--label", "x"], 2, "roles.list"),
        (&["--op-ttl", "soon", "roles", "list"], 2, "roles.list"),
        (&["nonsense"], 2, ""),
    ] {
        let words = [words, &["-o", "json"]].concat();
        let shown = world.run(&words).await.json(code);
        assert_eq!(shown["command"], command, "{words:?}");
        let keys: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys[..5], ["schema", "command", "namespace", "data", "warnings"], "{words:?}");
        assert_eq!(keys.get(5).is_some(), code != 0, "{words:?}");
        if let Some(error) = shown.get("error") {
            assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        }
    }
}

#[tokio::test]
async fn a_list_has_items_and_their_number() {
    let world = World::new().await;
    world.done(&["roles", "create", "support", "--name", "Support desk"]).await;
    let want = json!({"items": [{"id": "role_1Uc5uCJR", "namespace": "default", "foreign_id": "support",
        "name": "Support desk", "labels": {"managed-by": "centaur"}}], "total": 1});
    assert_eq!(world.data(&["roles", "list", "--managed"]).await, want);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "create", "there"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "there", "--secret", "key"]).await;
    let create =
        ["broker", "create", "--foreign-id", "b", "--token-endpoint", "https://t.test/", "--client-id", "c"];
    for words in [
        &["principals", "grant", "slack-user-u6", "--role", "there"][..],
        &["principals", "revoke", "slack-user-u5", "--role", "there", "--secret", "key"],
        &["principals", "create", "slack-user-u7"],
        &["principals", "delete", "slack-user-u5"],
        &["roles", "create", "new"],
        &["roles", "create", "there", "--name", "x", "--update"],
        &["roles", "grant", "new", "--secret", "key"],
        &["roles", "delete", "there"],
        &["secrets", "delete", "key"],
        &create,
    ] {
        world.relay.reset();
        let words = [words, &["--dry-run", "--exit-code", "--quiet"]].concat();
        let outcome = world.run(&words).await;
        assert_eq!(outcome.status.code(), Some(8), "{words:?}: {}{}", outcome.out, outcome.err);
        assert!(outcome.out.ends_with("nothing was written (dry run)\n"), "{}", outcome.out);
        assert!(world.relay.lines().iter().all(|line| line.starts_with("GET ")), "{words:?}");
    }
    let words = ["roles", "grant", "there", "--secret", "key", "--dry-run"];
    world.run(&words).await.is(
        0,
        "role   there  role_1Uc5uCJR  in place\ngrant  key    -              to grant\nnothing was written (dry run)\n",
        "",
    );
    let data = world.data(&words).await;
    assert_eq!((&data["dry_run"], &data["complete"]), (&json!(true), &json!(false)));
    let want = json!({"action": "grant", "kind": "grant", "id": null, "foreign_id": "key", "applied": false,
        "reason": "asked for with --secret", "secret": "ssr_kxIQLCuJ", "role": "there"});
    assert_eq!(data["changes"][1], want);
    world.done(&["roles", "grant", "there", "--secret", "key"]).await;
    assert_eq!(world.run(&[&words[..], &["--exit-code"]].concat()).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_name_cannot_forge_output() {
    let world = World::new().await;
    let name = json!({"name": "Ada \u{202e}\u{2028}x"});
    world.api.put_principal("slack-user-u5", &name, Expect::Anything).await.unwrap();
    let outcome = world.run(&["principals", "list"]).await;
    outcome.is(0, "slack-user-u5  prn_5CO4fITZ  Ada \\u{202e}\\u{2028}x\n1 principal\n", "");
    let outcome = world.run(&["principals", "list", "-o", "json"]).await;
    assert!(outcome.out.contains("Ada \\u202e\\u2028x"), "{}", outcome.out);
    // Words of the command line come back in one line too.
    let outcome = world.run(&["roles", "show", "a\nerror: forged"]).await;
    outcome.fails(3, "role a\\nerror: forged does not exist in namespace default");
}

#[tokio::test]
async fn options_are_the_same_before_and_after_and_the_key_is_shown_nowhere() {
    let world = World::new().await;
    world.done(&["--namespace", "lab", "roles", "create", "support"]).await;
    for words in [&["roles", "list", "--namespace", "lab"][..], &["roles", "--namespace=lab", "list"]] {
        world.run(words).await.is(0, "support  role_1Uc5uCJR  support\n1 role\n", "");
    }
    // `Outcome::of` looks for the key in everything.
    for words in
        [&["--help"][..], &["roles", "list", "--help"], &["roles", "list", "--verbose"], &["principals"]]
    {
        world.run(words).await;
    }
    let outcome = world.run(&["roles", "list", "--verbose", "--namespace", "a b&c"]).await;
    let line = "GET /api/v1/roles?namespace=a+b%26c&page=1&limit=100 200\n";
    outcome.is(0, "no roles in namespace a b&c\n", line);
    let file = world.dir.path().join("key");
    std::fs::write(&file, format!("{}\n", crate::console::KEY)).unwrap();
    let mut command = bare(world.dir.path());
    command.env("IRON_CONTROL_URL", format!("http://{}", world.relay.address));
    command.args(["roles", "list", "--iron-control-api-key-file"]).arg(&file);
    Outcome::of(command.output().await.unwrap()).is(0, "no roles in namespace default\n", "");
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new().await;
    let mut child =
        world.command(&["completion", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let outcome = Outcome::of(child.wait_with_output().await.unwrap());
    outcome.is(0, "", "");
}
