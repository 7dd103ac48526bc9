//! Write-only means write-only: a mark is put into every place that is written and never shown, and is then searched
//! for in everything that the console answers, logs and stores, and in all that the command line prints.

use std::ops::Deref;
use std::path::Path;

use centaur_e2e::Canary;
use centaur_e2e::proxy::perms;
use centaur_e2e::real::{Console, Database, KEY, Marked, SIGNING, id, inline, secrets};
use centaur_e2e::wait::within;
use serde_json::{Value, json};
use tokio::process::Command;

struct World(Marked);

impl Deref for World {
    type Target = Marked;

    fn deref(&self) -> &Marked {
        &self.0
    }
}

impl World {
    /// A read whose answer is searched; gives its status.
    async fn read(&self, path: &str, accept: &str) -> u16 {
        let bearer = format!("Bearer {KEY}");
        let fields = [("authorization", bearer.as_str()), ("accept", accept)];
        let answer = self.api.send("GET", path, &fields, "").await.expect("an answer");
        self.canary.refuse(&format!("GET {path} as {accept}"), &answer.text);
        self.canary.refuse(&format!("the fields of GET {path}"), format!("{:?}", answer.headers));
        answer.status
    }

    async fn read_everything(&self) {
        let mut paths = vec![format!("principals/{}", self.principal), "audit_events/verify".to_owned()];
        paths.extend(self.paths.iter().cloned());
        for collection in
            self.paths.iter().filter_map(|path| Some(path.split_once('/')?.0)).chain(["principals"])
        {
            paths.push(format!("{collection}?namespace=default&limit=200"));
        }
        for view in ["roles", "grants", "effective_config", "explain"] {
            paths.push(format!("principals/{}/{view}", self.principal));
        }
        for path in &self.paths {
            match path.split_once('/').expect("a collection").0 {
                "roles" => paths.extend([format!("{path}/grants"), format!("{path}/principals")]),
                "broker_credentials" => {
                    paths.extend(["attempts", "references"].map(|view| format!("{path}/{view}")));
                }
                kind if kind.ends_with("_secrets") => {
                    let name = kind.trim_end_matches("_secrets").replace('_', "-");
                    paths.extend([format!("{path}/grants"), format!("{kind}/lookup/default/s-{name}")]);
                }
                _ => {}
            }
        }
        paths.extend([
            "principals/lookup/default/p".to_owned(),
            "principals/lookup/default/p/effective_config".to_owned(),
            "broker_credentials/lookup/default/refresh".to_owned(),
            "oauth_apps/lookup/drive".to_owned(),
            "audit_events?limit=200".to_owned(),
        ]);
        for path in &paths {
            assert_eq!(self.read(&format!("/api/v1/{path}"), "application/json").await, 200, "{path}");
        }
        for path in ["/up", "/healthz", "/readyz"] {
            assert_eq!(self.read(path, "*/*").await, 200, "{path}");
        }
        assert_eq!(self.read("/api/v1/audit_events", "application/x-ndjson").await, 200);
        for (path, status) in [("/metrics", 200), ("/api/v1/openapi.json", 200), ("/api/v1/nope", 404)] {
            assert_eq!(self.read(path, "*/*").await, status, "{path}");
        }
        let events = self.api.get("audit_events?limit=200").await;
        for event in events.as_array().expect("events") {
            self.read(&format!("/api/v1/audit_events/{}", id(event)), "application/json").await;
        }
        let probe = json!({"method": "GET", "url": "https://a.test/x", "headers": ["Authorization"]});
        self.write("POST", &format!("principals/{}/dry_run", self.principal), probe).await;
    }

    /// Documents that are refused, each with a mark in it.
    async fn write_badly(&self) {
        let mark = self.canary.value("refused");
        let refused = async |method: &str, path: &str, body: String| {
            let bearer = format!("Bearer {KEY}");
            let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let answer =
                self.api.send(method, &format!("/api/v1/{path}"), &fields, body).await.expect("an answer");
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path}: {} {}",
                answer.status,
                answer.text
            );
            self.canary.refuse(&format!("the refusal of {method} {path}"), &answer.text);
        };
        let good = secrets(&self.canary);
        for (kind, document, _) in &good {
            let path = format!("{kind}_secrets");
            let whole = json!({ "data": document }).to_string();
            refused("POST", &path, whole[..whole.len() - 1].to_owned()).await;
            refused("POST", &path, format!("{whole}{whole}")).await;
            refused("POST", &path, json!(document).to_string()).await;
            refused("POST", &path, json!({"data": [document]}).to_string()).await;
            refused("POST", &path, json!({"data": mark}).to_string()).await;
            refused("POST", &path, format!("{whole}{}", " ".repeat(1 << 20))).await;
            for rules in [json!([{"host": "a.test", "cidr": "10.0.0.0/8"}]), json!("x"), json!([{}])] {
                let mut bad = document.clone();
                bad["rules"] = rules;
                bad["labels"] = json!("x");
                refused("POST", &path, json!({ "data": bad }).to_string()).await;
            }
            for member in document.as_object().expect("an object").keys() {
                for wrong in [
                    json!(mark),
                    json!([mark]),
                    json!({"source_type": "nope", "config": {}, "secret": mark}),
                    json!({"source_type": "env", "config": {"var": "V"}, "secret": mark}),
                    json!({"source_type": "control_plane", "config": {"colour": "red"}, "secret": mark}),
                    json!({"source_type": "control_plane", "config": {"ttl": "x"}, "secret": mark}),
                    json!({"source_type": "control_plane", "config": [], "secret": [mark]}),
                    json!({"source_type": "control_plane", "config": {}, "secret": {"a": mark}}),
                ] {
                    if *member == "rules" || document[member].is_object() {
                        let mut bad = document.clone();
                        bad[member] = wrong;
                        refused("POST", &path, json!({ "data": bad }).to_string()).await;
                    }
                }
            }
        }
        for dsn in [
            format!("postgres://u:{mark}@db.test/other"),
            format!("host=db.test password={mark} dbname=other"),
            format!("host=db.test password={mark}"),
        ] {
            let bad = json!({"foreign_id": "bad", "database": "app", "dsn": inline(&dsn)});
            refused("POST", "pg_dsn_secrets", json!({ "data": bad }).to_string()).await;
        }
        for bad in [
            json!({"foreign_id": "x", "token_endpoint": "http://10.0.0.1/", "client_id": "c", "refresh_token": mark}),
            json!({"foreign_id": "x", "grant": "nope", "client_secret": mark, "password": mark}),
            json!({"foreign_id": "x", "refresh_token": [mark], "client_secret": {"a": mark}, "api_key": 1}),
            json!({"foreign_id": "x", "token_endpoint_headers": {"X": [mark]}, "username": [mark]}),
            json!({"foreign_id": "x", "token_endpoint_headers": mark, "refresh_token": mark}),
            json!({"foreign_id": "refresh", "token_endpoint": "https://idp.test/", "client_id": "c", "refresh_token": mark}),
        ] {
            refused("POST", "broker_credentials", json!({ "data": bad }).to_string()).await;
        }
        for bad in
            [json!({"slug": "x", "client_secret": mark}), json!({"slug": "x", "client_secret": [mark]})]
        {
            refused("POST", "oauth_apps", json!({ "data": bad }).to_string()).await;
        }
        let strangers =
            [format!("Bearer iak_{mark}"), format!("Bearer iprx_{mark}"), format!("Basic {mark}")];
        for authorization in &strangers {
            let fields = [("authorization", authorization.as_str())];
            for (method, path) in [("GET", "/api/v1/proxies"), ("POST", "/api/v1/proxy/sync")] {
                let answer = self.api.send(method, path, &fields, "").await.expect("an answer");
                answer.expect(401);
                self.canary.refuse(&format!("the refusal of a stranger by {path}"), &answer.text);
            }
        }
    }

    /// All that the command line shows.
    async fn list_and_show(&self, console: &str, home: &Path) {
        let principal = self.principal.as_str();
        let mut commands: Vec<Vec<&str>> = [
            "principals list",
            "roles list",
            "roles show tools",
            "roles members tools",
            "secrets list",
            "secrets show static/s-static",
            "broker list",
            "broker show refresh",
            "broker show password",
            "audit",
            "audit check",
            "audit --local",
            "export",
            "doctor",
        ]
        .iter()
        .map(|line| line.split(' ').collect())
        .collect();
        commands.push(vec!["principals", "show", principal]);
        commands.push(vec!["explain", principal]);
        commands.push(vec!["explain", principal, "--host", "a.test"]);
        commands.push(vec!["principals", "revoke", principal, "--role", "tools", "--dry-run"]);
        for path in self.paths.iter().filter(|path| path.contains("_secrets/")) {
            let secret = path.split_once('/').expect("a collection").1;
            commands.extend([vec!["secrets", "show", secret], vec!["secrets", "grants", secret]]);
        }
        for command in commands {
            for how in [&["--output", "json"][..], &["--output", "wide", "--verbose"]] {
                let run = Command::new(perms())
                    .args(&command)
                    .args(how)
                    .env_clear()
                    .env("HOME", home)
                    .env("IRON_CONTROL_URL", console)
                    .env("IRON_CONTROL_API_KEY", KEY)
                    .output();
                let output = within(&format!("{command:?}"), run).await.expect("it runs");
                let place = format!("what {command:?} {how:?} prints");
                assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{place}: nothing");
                let is_check = matches!(command[..], ["audit", "check"] | ["doctor"]);
                let text = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() || is_check, "{place}: {} {text}", output.status);
                self.canary.refuse(&place, &output.stdout);
                self.canary.refuse(&place, &output.stderr);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_and_never_shown_is_in_the_sync_of_those_it_is_granted_and_nowhere_else() {
    let database = Database::sqlite();
    let settings = [("CENTAUR_CONSOLE_ACCESS_LOG", "on"), ("CENTAUR_JWT_SIGNING_SECRET", SIGNING)];
    let console = Console::start_at(&database.address(), &settings).await;
    let mut world = World(Marked::make(console.api()).await);

    let [own, other] = &world.tokens;
    let synced = world.api.sync(own, None, &[]).await.expect("an answer");
    assert_eq!(world.canary.count(&synced.expect(200).text), world.granted, "{}", synced.text);
    let generated = synced.json()["secrets"].as_array().expect("secrets").iter().find_map(|entry| {
        entry["source"]["value"].as_str().filter(|value| value.starts_with("eyJ")).map(str::to_owned)
    });
    let without = world.api.sync(other, None, &[]).await.expect("an answer");
    world.canary.refuse("the sync of a principal without grants", &without.expect(200).text);
    world.0.canary.add("the generated token", &generated.expect("the generated entry"));

    world.read_everything().await;
    world.write_badly().await;
    world.read_everything().await;
    let home = tempfile::tempdir().expect("a directory");
    world.list_and_show(&console.url(), home.path()).await;
    // What it was granted is in the difference from then to now, by its name.
    let view =
        world.api.call("GET", &format!("principals/{}/effective_config", world.principal), Value::Null).await;
    let revision =
        view.headers.get("x-config-revision").and_then(|value| value.to_str().ok()).expect("a revision");
    let role = id(&world.api.get("roles/lookup/default/tools").await);
    let path = format!("principals/{}/roles/{role}", world.principal);
    world.api.call("DELETE", &path, Value::Null).await.expect(204);
    let path = format!("/api/v1/principals/{}/effective_config/diff?from={revision}", world.principal);
    assert_eq!(world.read(&path, "application/json").await, 200);

    world.canary.refuse("the log", console.log());
    is_sealed(&database, &world.canary);
    let (status, log) = console.stop().await;
    assert!(status.success(), "{log}");
    world.canary.refuse("the log", log);
    is_sealed(&database, &world.canary);
}

/// Nothing that is withheld can be read in the database's files.
#[track_caller]
fn is_sealed(database: &Database, canary: &Canary) {
    let Database::Sqlite(dir) = database else { panic!("a file") };
    let files: Vec<_> = std::fs::read_dir(dir.path()).expect("the directory").flatten().collect();
    assert!(!files.is_empty());
    for file in files {
        let bytes = std::fs::read(file.path()).expect("a file");
        if let Some(what) = canary.found(&bytes) {
            panic!("{what}, stands in {}", file.path().display());
        }
    }
}
