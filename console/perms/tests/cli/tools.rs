//! `tools …`, and `--tool` of grants and revocations

use std::path::Path;

use centaur_base::oid::SecretKind;
use centaur_client::api::Expect;
use serde_json::{Value, json};

use crate::support::{Outcome, World, bare};

const GITHUB: &str = r#"
[tool.centaur]
secrets = [
  { name = "GITHUB_TOKEN", match_headers = ["Authorization"], hosts = ["github.com", "api.github.com"] },
]
"#;

const TIDES: &str = r#"
[tool.centaur]
hosts = ["tides.example.net"]
secrets = [{ name = "TIDES_KEY", match_query = true }]
optional_secrets = [{ name = "MOON_KEY", mode = "inject", inject_header = "X-Moon" }]
"#;

const BROKERED: &str = r#"
[tool.centaur]
hosts = ["api.mail.example"]

[[tool.centaur.secrets]]
name = "MAIL_TOKEN"
type = "brokered_token"
credential = "mail"
token_endpoint = "https://id.mail.example/token"
fields = { client_id = { secret_ref = "MAIL_CLIENT", json_key = "id" }, refresh_token = "MAIL_BLOB" }

[[tool.centaur.secrets]]
name = "MAIL_KEY"
match_headers = ["X-Key"]
"#;

impl World {
    /// A tool directory with a manifest, in the root `tools`.
    fn tool(&self, name: &str, manifest: &str) {
        let dir = self.dir.path().join("overlay/tools").join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("pyproject.toml"), manifest).expect("a manifest");
    }

    fn roots(&self) -> String {
        self.dir.path().join("overlay/tools").to_str().expect("UTF-8").to_owned()
    }

    async fn with_tools(&self, words: &[&str]) -> Outcome {
        self.with_env(words, &[]).await
    }

    async fn with_env(&self, words: &[&str], env: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(words);
        command.env("TOOL_DIRS", self.roots()).envs(env.iter().copied());
        Outcome::of(command.output().await.expect("the program"))
    }

    async fn traced(&self, words: &[&str]) -> (Outcome, Vec<String>) {
        self.relay.reset();
        let outcome = self.with_tools(words).await;
        let strip = |line: String| line.replace(" /api/v1/", " ");
        (outcome, self.relay.lines().into_iter().map(strip).collect())
    }

    async fn stored(&self, foreign_id: &str) -> Value {
        let row = self.api.secret_named(SecretKind::Static, "default", foreign_id).await.expect("an answer");
        row.map(|row| row.document.into()).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_tool_is_granted_with_exactly_the_calls_that_it_takes_and_then_with_reads_alone() {
    let world = World::new().await;
    world.tool("github", GITHUB);
    let words = ["principals", "grant", "slack-user-u123", "--tool", "github"];
    let (outcome, calls) = world.traced(&words).await;
    assert_eq!((outcome.status.code(), outcome.err.as_str()), (Some(0), ""), "{}", outcome.out);
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert!(lines[0].starts_with("principal  slack-user-u123") && lines[0].ends_with("created"), "{lines:?}");
    let last: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let (principal, role) = ("prn_5CO4fITZ", "role_1Uc5uCJR");
    let (of_tool, directory) = (format!("role tool-github {role}"), format!("{}/github", world.roots()));
    assert_eq!(last, ["tool", "github", &of_tool, "1 secret: 1 created", "assigned", &directory]);
    let want = [
        "GET principals/lookup/default/slack-user-u123".to_owned(),
        "GET roles/lookup/default/tool-github".to_owned(),
        "GET static_secrets/lookup/default/tool-github-github-token".to_owned(),
        "PUT principals/slack-user-u123".to_owned(),
        "PUT roles/tool-github".to_owned(),
        format!("GET roles/{role}/grants?page=1&limit=100"),
        "PUT static_secrets/tool-github-github-token".to_owned(),
        "POST grants".to_owned(),
        format!("POST principals/{principal}/roles"),
    ];
    assert_eq!(calls, want);
    let stored = world.stored("tool-github-github-token").await;
    assert_eq!(stored["source"], json!({"source_type": "env", "config": {"var": "GITHUB_TOKEN"}}));
    assert_eq!(stored["replace_config"]["match_headers"], json!(["Authorization"]));
    assert_eq!(stored["labels"]["centaur-tool"], "github");
    assert_eq!(stored["labels"]["centaur-tool-overlay"], "overlay");

    let (outcome, calls) = world.traced(&words).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert!(outcome.out.ends_with("everything is in place\n"), "{}", outcome.out);
    let want = [
        "GET principals/lookup/default/slack-user-u123".to_owned(),
        "GET roles/lookup/default/tool-github".to_owned(),
        "GET static_secrets/lookup/default/tool-github-github-token".to_owned(),
        format!("GET roles/{role}/grants?page=1&limit=100"),
        format!("GET principals/{principal}/roles"),
    ];
    assert_eq!(calls, want);
}

#[tokio::test]
async fn what_changed_is_written_alone_and_what_people_wrote_stays() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    world.with_tools(&["tools", "register", "tides"]).await.succeeds();
    let stored = world.stored("tool-tides-tides-key").await;
    assert_eq!(stored["replace_config"]["match_headers"], json!(["/^$/"]));
    let mut data = stored.clone();
    data["labels"]["team"] = "sea".into();
    data["description"] = "Ask the harbour master".into();
    for name in ["id", "created_at", "updated_at", "created_by", "revision", "broker_credential_id"] {
        data.as_object_mut().expect("an object").remove(name);
    }
    data["rules"] = json!([{"host": "tides.example.net"}]);
    let put = world.api.put_secret(SecretKind::Static, "tool-tides-tides-key", &data, Expect::Anything).await;
    put.expect("a secret");
    let (outcome, calls) = world.traced(&["tools", "register", "tides"]).await;
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}{}", outcome.out);
    world.tool("tides", &TIDES.replace("tides.example.net", "sea.example.net"));
    let (outcome, calls) = world.traced(&["tools", "register", "tides", "-o", "json", "--no-optional"]).await;
    let writes: Vec<&String> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
    assert_eq!(writes, ["PUT static_secrets/tool-tides-tides-key"]);
    let shown = outcome.json(0);
    let update =
        shown["data"]["changes"].as_array().expect("changes").iter().find(|c| c["action"] == "update");
    assert_eq!(update.expect("an update")["after"]["rules"], json!([{"host": "sea.example.net"}]));
    let stored = world.stored("tool-tides-tides-key").await;
    assert_eq!(
        (&stored["labels"]["team"], &stored["description"]),
        (&json!("sea"), &json!("Ask the harbour master"))
    );
    // The one that was not asked for stays as it was.
    assert_eq!(world.stored("tool-tides-moon-key").await["rules"][0]["host"], "tides.example.net");
}

#[tokio::test]
async fn sources_follow_the_policy_and_one_that_was_asked_for_is_kept_when_none_is() {
    let world = World::new().await;
    world.tool("github", GITHUB);
    let refused = [
        "--source-policy",
        "onepassword-connect",
        "principals",
        "grant",
        "slack-user-u1",
        "--tool",
        "github",
    ];
    world
        .with_tools(&refused)
        .await
        .fails(2, "policy onepassword-connect needs a vault; use --op-vault or OP_VAULT");
    assert_eq!(world.relay.lines(), [""; 0]);
    let words = [&refused[..], &["--op-vault", "Engineering"]].concat();
    world.with_tools(&words).await.succeeds();
    let id = "tool-github-github-token";
    let want = json!({"source_type": "1password_connect",
        "config": {"secret_ref": "op://Engineering/GITHUB_TOKEN/credential", "ttl": "10m"}});
    assert_eq!(world.stored(id).await["source"], want);
    let outcome = world.with_tools(&["tools", "register", "github"]).await;
    assert!(outcome.err.contains("keeps its source"), "{}", outcome.err);
    assert_eq!(world.stored(id).await["source"], want);
    world.with_tools(&["tools", "register", "github", "--source-policy", "env"]).await.succeeds();
    assert_eq!(world.stored(id).await["source"]["source_type"], "env");
    // A role that is only assigned needs no vault.
    let role =
        ["--source-policy", "onepassword", "principals", "grant", "slack-user-u2", "--role", "tool-github"];
    world.with_tools(&role).await.succeeds();
}

#[tokio::test]
async fn a_wrong_name_or_manifest_is_told_before_anything_is_asked() {
    let world = World::new().await;
    world.tool("github", GITHUB);
    world.tool("broken", "[tool.centaur]\nsecrets = [{ name = \"K\", hosts = [\"a.test\"] }, \"L\"]\n");
    world.tool("eng", "[tool.centaur]\ntype = \"persona\"\n");
    let grant =
        |tool: &'static str| ["principals", "grant", "slack-user-u1", "--tool", "github", "--tool", tool];
    let roots = world.roots();
    let text = format!("no tool named githob; searched {roots}; similar: github");
    world.with_tools(&grant("githob")).await.fails(3, &text);
    let text = format!("eng is a persona ({roots}/eng) and has no credentials to grant");
    world.with_tools(&grant("eng")).await.fails(2, &text);
    let outcome = world.with_tools(&grant("broken")).await;
    outcome.fails(7, &format!("{roots}/broken/pyproject.toml has 2 problems"));
    assert!(
        outcome.err.contains("secrets[0] K: ") && outcome.err.contains("[no_match_location]"),
        "{}",
        outcome.err
    );
    assert!(outcome.err.contains("[hosts_missing]"), "{}", outcome.err);
    world.run(&grant("eng")).await.fails(2, "no tool directory given; use --tools-dir or TOOL_DIRS");
    assert_eq!(world.relay.lines(), [""; 0]);

    let outcome = world.with_tools(&["tools", "validate"]).await;
    assert_eq!(outcome.status.code(), Some(7));
    assert!(outcome.out.ends_with("3 tools: 2 errors, 0 warnings\n"), "{}", outcome.out);
    assert_eq!(world.with_tools(&["tools", "validate", "github"]).await.status.code(), Some(0));
    let outcome = world.with_tools(&["tools", "register", "--all"]).await;
    assert_eq!(outcome.status.code(), Some(7), "{}", outcome.err);
    assert!(world.stored("tool-github-github-token").await.is_object());
}

#[tokio::test]
async fn warnings_fail_a_strict_check_and_files_are_read_without_a_console() {
    let world = World::new().await;
    world.tool("github", &GITHUB.replace("match_headers", "surprise = 1, match_headers"));
    let run = async |words: &[&str]| {
        let mut command = bare(Path::new(world.dir.path()));
        Outcome::of(
            command.args(words).args(["--tools-dir", &world.roots()]).output().await.expect("the program"),
        )
    };
    let outcome = run(&["tools", "validate"]).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.out);
    assert!(outcome.out.contains("[unknown_key]"), "{}", outcome.out);
    assert_eq!(run(&["tools", "validate", "--strict"]).await.status.code(), Some(7));
    let shown = run(&["tools", "validate", "-o", "json"]).await.json(0);
    let problem = &shown["data"]["tools"][0]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["severity"], &problem["line"]),
        (&json!("unknown_key"), &json!("warning"), &json!(4))
    );
    let shown = run(&["tools", "list", "-o", "json"]).await.json(0);
    assert_eq!(shown["data"]["items"][0]["ids"][0]["id"], "tool-github-github-token");
    let shown = run(&["tools", "show", "github", "-o", "json"]).await.json(0);
    assert_eq!(shown["data"]["secrets"][0]["record"]["source"]["config"]["var"], "GITHUB_TOKEN");
    let outcome = run(&["tools", "show", "github"]).await;
    assert!(outcome.out.contains("static/tool-github-github-token  env:GITHUB_TOKEN"), "{}", outcome.out);
    let outcome = run(&["__complete", "tools", "gi"]).await;
    outcome.is(0, "github\n", "");
}

#[tokio::test]
async fn a_tool_goes_into_another_role_whole_or_in_part() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    let part = ["roles", "grant", "sea", "--tool", "tides", "--secret-name", "MOON_KEY"];
    let outcome = world.with_tools(&part).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert!(world.stored("tool-tides-tides-key").await.is_null());
    let own = world.api.role_named("default", "tool-tides").await.unwrap().unwrap();
    assert_eq!(world.api.grants_of_role(own.id).await.unwrap().len(), 0);
    let text = "tides declares no secret SUN_KEY; it declares TIDES_KEY, MOON_KEY";
    world
        .with_tools(&["roles", "grant", "sea", "--tool", "tides", "--secret-name", "SUN_KEY"])
        .await
        .fails(2, text);
    let text = "--secret-name goes with exactly one --tool";
    world.with_tools(&["roles", "grant", "sea", "--secret", "x", "--secret-name", "A"]).await.fails(2, text);
    world.with_tools(&["roles", "grant", "sea", "--tool", "tides", "--also-tool-role"]).await.succeeds();
    assert_eq!(world.api.grants_of_role(own.id).await.unwrap().len(), 2);
    let sea = world.api.role_named("default", "sea").await.unwrap().unwrap();
    assert_eq!(world.api.grants_of_role(sea.id).await.unwrap().len(), 2);
    // Its own role gets each secret once.
    world.with_tools(&["roles", "grant", "tool-tides", "--tool", "tides"]).await.succeeds();
    assert_eq!(world.api.grants_of_role(own.id).await.unwrap().len(), 2);
    // No manifest is needed to take it out again.
    let outcome = world.run(&["roles", "revoke", "sea", "--tool", "tides"]).await;
    assert_eq!((outcome.status.code(), outcome.out.lines().count()), (Some(0), 2), "{}", outcome.out);
    assert_eq!(world.api.grants_of_role(sea.id).await.unwrap().len(), 0);
    let outcome = world.run(&["roles", "revoke", "sea", "--tool", "tides"]).await;
    assert_eq!((outcome.status.code(), outcome.err.as_str()), (Some(0), "sea has no secret of tool tides\n"));

    world.with_tools(&["principals", "grant", "slack-user-u1", "--tool", "tides"]).await.succeeds();
    world.done(&["principals", "revoke", "slack-user-u1", "--tool", "tides"]).await;
    let row = world.api.principal_named("default", "slack-user-u1").await.unwrap().unwrap();
    assert_eq!(row.labels["centaur.revoked-roles"], "tool-tides");
    world.with_tools(&["principals", "grant", "slack-user-u1", "--tool", "tides"]).await.succeeds();
    let row = world.api.principal_named("default", "slack-user-u1").await.unwrap().unwrap();
    assert_eq!(row.labels.get("centaur.revoked-roles"), None);
}

#[tokio::test]
async fn a_secret_whose_broker_credential_is_missing_is_left_out_or_seeded() {
    let world = World::new().await;
    world.tool("mail", BROKERED);
    let outcome = world.with_tools(&["tools", "register", "mail"]).await;
    assert_eq!(outcome.status.code(), Some(6), "{}", outcome.out);
    let command = "centaur-perms broker create --foreign-id mail --token-endpoint https://id.mail.example/token \
                   --client-id CLIENT_ID --refresh-token @FILE";
    assert!(outcome.err.contains(command), "{}", outcome.err);
    assert!(world.stored("tool-mail-mail-key").await.is_object());
    assert!(world.stored("tool-mail-mail-token").await.is_null());
    let seed = ["tools", "register", "mail", "--seed-brokers"];
    let outcome = world.with_tools(&seed).await;
    assert_eq!(outcome.status.code(), Some(6));
    assert!(outcome.err.contains("MAIL_CLIENT is not set"), "{}", outcome.err);
    let env = [
        ("MAIL_CLIENT", "{\"id\": \"fake-client\"}"),
        ("MAIL_BLOB", "{\"refresh_token\": \"fake-refresh-value\"}"),
    ];
    let outcome = world.with_env(&[&seed[..], &["-o", "json"]].concat(), &env).await;
    let shown = outcome.json(0);
    assert_eq!(shown["data"]["complete"], true);
    assert!(!outcome.out.contains("fake-refresh-value") && !outcome.err.contains("fake-refresh-value"));
    let made = world.api.credential_named("default", "mail").await.unwrap().unwrap();
    assert_eq!(made.document["client_id"], "fake-client");
    assert_eq!(world.stored("tool-mail-mail-token").await["source"]["source_type"], "token_broker");
}

#[tokio::test]
async fn pruning_deletes_what_is_not_declared_any_more_and_nothing_else() {
    let world = World::new().await;
    world.tool(
        "tides",
        &TIDES.replace(
            "secrets = [{ name = \"TIDES_KEY\"",
            "secrets = [{ name = \"SUN_KEY\", match_query = true }, { name = \"TIDES_KEY\"",
        ),
    );
    world.tool("github", GITHUB);
    world.secret("by-hand", "a.test").await;
    world.with_tools(&["tools", "sync"]).await.succeeds();
    world.done(&["principals", "grant", "slack-user-u1", "--secret", "tool-tides-sun-key"]).await;
    world.tool("tides", TIDES);
    world.with_tools(&["tools", "sync"]).await.succeeds();
    assert!(world.stored("tool-tides-sun-key").await.is_object());
    // An invalid manifest is not in scope.
    world.tool("tides", "[tool.centaur]\nsecrets = [1]\n");
    assert_eq!(world.with_tools(&["tools", "sync", "--prune"]).await.status.code(), Some(7));
    assert!(world.stored("tool-tides-sun-key").await.is_object());
    world.tool("tides", TIDES);
    let outcome = world.with_tools(&["tools", "sync", "--prune"]).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert!(
        outcome.err.contains("slack-user-u1 loses its direct grant of tool-tides-sun-key"),
        "{}",
        outcome.err
    );
    assert!(world.stored("tool-tides-sun-key").await.is_null());
    assert!(world.stored("tool-tides-tides-key").await.is_object());
    assert!(world.stored("by-hand").await.is_object());
    // A tool that is gone: named only, then asked about, then deleted.
    std::fs::remove_dir_all(Path::new(&world.roots()).join("github")).unwrap();
    let outcome = world.with_tools(&["tools", "sync", "--prune"]).await;
    assert!(outcome.err.contains("github is in no tool directory"), "{}", outcome.err);
    let missing = ["tools", "sync", "--prune", "--prune-missing-tools"];
    world.with_tools(&missing).await.fails(2, "this removes 1 item(s); add --yes");
    world.with_tools(&[&missing[..], &["--yes"]].concat()).await.succeeds();
    assert!(world.stored("tool-github-github-token").await.is_null());
}

#[tokio::test]
async fn an_id_of_another_tool_is_taken_only_when_that_is_meant() {
    let world = World::new().await;
    let dsn =
        "[tool.centaur]\nsecrets = [{ name = \"SALES_DSN\", type = \"pg_dsn\", database = \"sales\" }]\n";
    world.tool("one", dsn);
    world.tool("two", dsn);
    world.with_tools(&["tools", "register", "one"]).await.succeeds();
    let text = "sales belongs to tool one; add --adopt to take it over";
    world.with_tools(&["tools", "register", "two"]).await.fails(5, text);
    world.with_tools(&["tools", "register", "two", "--adopt"]).await.succeeds();
    let text = "sales belongs to tool two; add --adopt to take it over";
    world.with_tools(&["tools", "register", "one"]).await.fails(5, text);
    world.tool("my_tool", GITHUB);
    world.tool("my-tool", GITHUB);
    world
        .with_tools(&["tools", "register", "my_tool"])
        .await
        .fails(5, "my-tool and my_tool would share role tool-my-tool");
    world.with_tools(&["tools", "register", "my-tool"]).await.succeeds();
}

#[tokio::test]
async fn tools_go_into_the_role_of_all_tools_and_their_state_is_shown() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    world.tool("github", GITHUB);
    let shown = world.with_tools(&["tools", "list", "--status", "-o", "json"]).await.json(0);
    assert_eq!(shown["data"]["items"][0]["status"]["registered"], "no");
    assert_eq!(shown["data"]["items"][0]["status"]["resolvable"], "unknown");
    world.with_tools(&["tools", "register", "--all", "--tools-role"]).await.succeeds();
    let role = world.api.role_named("default", "tools").await.unwrap().unwrap();
    assert_eq!(
        (role.name.as_deref(), world.api.grants_of_role(role.id).await.unwrap().len()),
        (Some("Tools"), 3)
    );
    world.tool("github", &GITHUB.replace("Authorization", "X-Token"));
    let shown = world.with_tools(&["tools", "list", "--status", "-o", "json"]).await.json(0);
    let status = |at: usize| shown["data"]["items"][at]["status"].clone();
    let unknown = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("env:{name}")).collect();
        json!({"registered": "yes", "drift": [], "broker": [], "resolvable": "unknown", "missing": [],
            "unknown": names})
    };
    let mut changed = unknown(&["GITHUB_TOKEN"]);
    changed["drift"] = json!(["tool-github-github-token"]);
    assert_eq!(status(0), changed);
    assert_eq!(status(1), unknown(&["TIDES_KEY", "MOON_KEY"]));
    let outcome = world.with_tools(&["doctor"]).await;
    assert!(outcome.out.contains("manifests"), "{}", outcome.out);
}

#[tokio::test]
async fn whether_a_tool_has_values_is_told_as_far_as_the_control_plane_knows() {
    let world = World::new().await;
    world.tool("mail", BROKERED);
    world.tool("plain", "[tool.centaur]\n");
    let list = ["tools", "list", "--status", "-o", "json"];
    let shown = world.with_tools(&list).await.json(0);
    let status = &shown["data"]["items"][0]["status"];
    assert_eq!((&status["registered"], &status["resolvable"]), (&json!("no"), &json!("no")));
    assert_eq!(status["missing"], json!(["token_broker:mail missing"]));
    assert_eq!(status["unknown"], json!(["env:MAIL_KEY"]));
    assert_eq!(shown["data"]["items"][1]["status"]["resolvable"], "");
    let outcome = world.with_tools(&["tools", "list", "--status"]).await;
    assert!(outcome.out.contains("no: token_broker:mail missing"), "{}", outcome.out);
    // A value that the control plane keeps is there.
    world.tool("mail", GITHUB);
    world.with_tools(&["tools", "register", "mail"]).await.succeeds();
    let id = "tool-mail-github-token";
    let mut data = world.stored(id).await;
    data["source"] = json!({"source_type": "control_plane", "config": {}, "secret": "fake-value-1"});
    let data = json!({"source": data["source"], "replace_config": data["replace_config"],
        "rules": [{"host": "github.com"}], "labels": data["labels"]});
    world.api.put_secret(SecretKind::Static, id, &data, Expect::Anything).await.expect("a secret");
    let shown = world.with_tools(&list).await.json(0);
    assert_eq!(shown["data"]["items"][0]["status"]["resolvable"], "yes");
}

#[tokio::test]
async fn a_list_of_tools_takes_the_filters_of_all_lists() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    world.tool("GitHub", GITHUB);
    world.tool("broken", "[tool.centaur]\nsecrets = [1]\n");
    world.tool("eng", "[tool.centaur]\ntype = \"persona\"\n");
    let root = world.roots();
    let names = async |code: i32, words: &[&str]| {
        let words = [&["tools", "list", "--tools-dir", &root, "-o", "json"], words].concat();
        let shown = Outcome::of(bare(world.dir.path()).args(&words).output().await.unwrap()).json(code);
        let items = shown["data"]["items"].as_array().expect("items");
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(7, &[]).await, ["GitHub", "broken", "eng", "tides"]);
    assert_eq!(names(0, &["--managed"]).await, ["GitHub", "tides"]);
    assert_eq!(names(0, &["--managed", "--sort", "foreign-id", "--limit", "1"]).await, ["GitHub"]);
    assert_eq!(names(0, &["--label", "centaur-tool=tides", "--managed"]).await, ["tides"]);
    assert_eq!(names(0, &["--label", "centaur-tool-overlay=overlay", "--filter", "GIT"]).await, ["GitHub"]);
    assert_eq!(names(0, &["--label", "centaur-tool=tides", "--label", "team=sea"]).await, [""; 0]);
    assert_eq!(names(7, &["--sort", "name"]).await, ["GitHub", "broken", "eng", "tides"]);
    let wrong = world.with_tools(&["tools", "list", "--label", "team"]).await;
    wrong.fails(2, "--label wants KEY=VALUE, not team");
}

#[tokio::test]
async fn a_file_of_roles_registers_the_tools_that_it_names() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    let path = world.dir.path().join("file.toml");
    let text = "version = 1\nnamespace = \"default\"\n\n[[role]]\nid = \"sea\"\ntools = [\"tides\"]\nsecrets = []\n\n\
                [[role]]\nid = \"tool-tides\"\nname = \"Tool tides\"\ntools = [\"tides\"]\nsecrets = []\n\n\
                [[principal]]\nid = \"slack-user-u1\"\nroles = [\"sea\"]\nsecrets = [\"static/tool-tides-moon-key\"]\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    assert_eq!(world.with_tools(&["diff", file]).await.status.code(), Some(8));
    let outcome = world.with_tools(&["apply", file]).await;
    assert_eq!(outcome.status.code(), Some(0), "{}{}", outcome.out, outcome.err);
    assert_eq!(world.run(&["export"]).await.out, text);
    world.with_tools(&["diff", file]).await.succeeds();
    // The same without the manifests: what is registered is what counts.
    world.run(&["diff", file]).await.succeeds();
}

#[tokio::test]
async fn a_tool_of_which_a_part_is_held_is_exported_in_parts() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    let part = ["roles", "grant", "sea", "--tool", "tides", "--secret-name", "MOON_KEY"];
    world.with_tools(&part).await.succeeds();
    let export = ["export", "--role", "sea"];
    let outcome = world.with_tools(&export).await;
    assert!(
        outcome.out.contains("tools = []\nsecrets = [\"static/tool-tides-moon-key\"]\n"),
        "{}",
        outcome.out
    );
    // Without its manifest, what is registered is all that is known of it.
    let outcome = world.run(&export).await;
    assert!(outcome.out.contains("tools = [\"tides\"]\nsecrets = []\n"), "{}", outcome.out);
    world.with_tools(&["roles", "grant", "sea", "--tool", "tides"]).await.succeeds();
    let outcome = world.with_tools(&export).await;
    assert!(outcome.out.contains("tools = [\"tides\"]\nsecrets = []\n"), "{}", outcome.out);
}

#[tokio::test]
async fn a_dry_run_of_tools_writes_nothing_and_says_what_it_would() {
    let world = World::new().await;
    world.tool("tides", TIDES);
    for words in [
        &["principals", "grant", "slack-user-u9", "--tool", "tides"][..],
        &["roles", "grant", "sea", "--tool", "tides"],
        &["tools", "register", "--all", "--into", "sea"],
        &["tools", "sync", "--prune"],
    ] {
        let (outcome, calls) = world.traced(&[words, &["--dry-run", "--exit-code"]].concat()).await;
        assert_eq!(outcome.status.code(), Some(8), "{words:?} {}", outcome.err);
        assert!(calls.iter().all(|call| call.starts_with("GET ")), "{words:?} {calls:?}");
        assert!(outcome.out.ends_with("nothing was written (dry run)\n"), "{}", outcome.out);
    }
}

impl Outcome {
    /// It succeeded; what it said does not matter.
    #[track_caller]
    fn succeeds(&self) {
        assert_eq!(self.status.code(), Some(0), "{}{}", self.out, self.err);
    }
}
