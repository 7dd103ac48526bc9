//! Accounts of providers whose answer does not say who it is, and providers with a shape of their own.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{CREDENTIALS, World};
use crate::consent::browser::Page;
use crate::on_both;
use crate::stand_in::StandIn;

const GITHUB: &str = "/login/oauth/access_token";

impl World {
    async fn github() -> Self {
        Self::with("github", &[GITHUB], json!({})).await
    }

    fn github_user(&self, status: u16) {
        let user = json!({"id":583_231,"login":"ada","name":"Ada L","email":"ada@example.test"});
        self.idp.issuer.answer("/user", status, user);
    }

    async fn plain_consent(&self, answer: &Value) -> Page {
        let sent = self.browser.start(&self.console, "drive").await;
        let code = self.idp.code(&sent, answer);
        self.browser.back(&self.console, "drive", &sent, &code).await
    }

    async fn until(&self, want: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let wait = async {
            loop {
                let all = self.credentials().await;
                if want(&all) {
                    return all;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(90), wait).await.expect("it comes about")
    }
}

fn token(number: u32) -> Value {
    json!({"access_token":format!("fake-gho-{number}"),"scope":"repo,user","token_type":"bearer"})
}

async fn the_account_is_asked_for_while_the_person_waits() {
    let world = World::github().await;
    world.github_user(200);
    world.plain_consent(&token(1)).await.says(200, "ada@example.test");
    let credential = world.only_credential().await;
    for (key, want) in [
        ("name", json!("GitHub – ada")),
        ("foreign_id", json!("github-drive-583231")),
        ("provider_subject", json!("583231")),
        ("scopes", json!(["repo", "user"])),
        ("next_attempt_at", Value::Null),
        ("health", json!("static")),
        ("status", json!("live")),
    ] {
        assert_eq!(credential[key], want, "{key}");
    }
    // A token that does not end is delivered for as long as it is there.
    assert!(credential["expires_at"].as_str().is_some_and(|at| at > "2030"), "{credential}");
    assert_eq!(world.delivered(&credential).await[0]["source"]["value"], "fake-gho-1");
    let hosts: Vec<_> = world.wrapper(&credential).await["rules"].as_array().expect("rules").clone();
    assert_eq!(
        hosts.iter().map(|rule| rule["host"].clone()).collect::<Vec<_>>(),
        ["api.github.com", "github.com"]
    );
    let path = format!("{CREDENTIALS}/{}/refresh", credential["id"].as_str().expect("an id"));
    let refused = world.console.post(&path, json!({})).await;
    assert!((400..500).contains(&refused.status), "there is nothing to refresh it with: {}", refused.text);
    world.plain_consent(&json!({"scope":"repo"})).await.says(422, "(missing_access_token)");
    world.plain_consent(&json!({"error":"bad_verification_code"})).await.says(422, "(bad_verification_code)");
}

async fn an_account_that_nobody_named_is_named_later() {
    let world = World::github().await;
    world.github_user(503);
    world.plain_consent(&token(1)).await.says(200, "Pending GitHub account");
    let pending = world.only_credential().await;
    let subject = pending["provider_subject"].as_str().expect("a subject");
    assert!(subject.starts_with("pending-") && subject.len() == 40, "{subject}");
    assert_eq!(pending["name"], "GitHub – Pending GitHub account");
    assert_eq!(world.wrapper(&pending).await["name"], "GitHub – Pending GitHub account token");
    world.github_user(200);
    let named = world.until(|all| all[0]["provider_subject"] == "583231").await;
    assert_eq!((&named[0]["id"], &named[0]["name"]), (&pending["id"], &json!("GitHub – ada")));
    assert_eq!(named[0]["provider_email"], "ada@example.test");
    assert_eq!(world.wrapper(&named[0]).await["name"], "GitHub – ada token");
    assert_eq!(world.delivered(&named[0]).await[0]["source"]["value"], "fake-gho-1");
}

async fn an_account_that_has_a_credential_gets_no_second_one() {
    let world = World::github().await;
    world.github_user(200);
    world.plain_consent(&token(1)).await.says(200, "Connected");
    let first = world.only_credential().await;
    world.github_user(503);
    world.plain_consent(&token(2)).await.says(200, "Pending GitHub account");
    let all = world.credentials().await;
    let newer = all.iter().find(|one| one["id"] != first["id"]).expect("a second one, for now");
    // Somebody was granted the wrapper of the newer one, and keeps what it gives.
    let granted = newer["wrapping_static_secret_id"].as_str().expect("a wrapper").to_owned();
    assert_eq!(world.delivered(newer).await[0]["source"]["value"], "fake-gho-2");
    world.github_user(200);
    let merged = world.until(|all| all.len() == 1).await;
    assert_eq!(merged[0]["id"], first["id"]);
    assert_eq!(merged[0]["wrapping_static_secret_id"], first["wrapping_static_secret_id"]);
    let kept = world.console.get(&format!("/api/v1/static_secrets/{granted}")).await.data(200);
    assert_eq!(kept["source"]["config"], json!({"credential_id":first["id"]}));
    assert_eq!(kept["broker_credential_id"], Value::Null);
    let path = format!("{CREDENTIALS}/{}/references", first["id"].as_str().expect("an id"));
    let used = world.console.get(&path).await;
    assert_eq!(used.data(200).as_array().map(Vec::len), Some(2));
    let proxy = json!({"name":"later","principal_id":
        world.console.get("/api/v1/principals/lookup/default/p").await.data(200)["id"]});
    let token = world.console.post("/api/v1/proxies", proxy).await.data(201)["token"].take();
    let full = world.console.sync(token.as_str().expect("a token"), None, &[]).await.expect(200);
    assert_eq!(full["secrets"][0]["source"]["value"], "fake-gho-2", "the older one has the newer token");
}

async fn a_restart_goes_on_asking() {
    let idp = StandIn::start(&[GITHUB]).await;
    let base = idp.issuer.origin();
    let settings = [
        ("CENTAUR_CONSOLE_SECRET_KEY_BASE", super::BASE),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
        ("CENTAUR_CONSOLE_PROVIDER_GITHUB_BASE_URL", base.as_str()),
    ];
    let console = crate::console::Console::with(&settings).await;
    console.put(&format!("{}/drive", super::APPS), super::app("github")).await.expect(201);
    let world = World { console, idp, browser: crate::consent::browser::Browser::new() };
    world.github_user(503);
    world.plain_consent(&token(1)).await.says(200, "Pending GitHub account");
    let World { console, idp, browser } = world;
    let home = console.stop().await;
    let console = crate::console::Console::at(home, &settings).await;
    let world = World { console, idp, browser };
    world.github_user(200);
    let named = world.until(|all| all[0]["provider_subject"] == "583231").await;
    assert_eq!(named[0]["name"], "GitHub – ada");
}

async fn linear_attio_and_granola_answer_as_they_do() {
    let world = World::with("linear", &["/oauth/token"], json!({})).await;
    let viewer = json!({"data":{"viewer":{"id":"lin-1","name":"Ada","email":"ada@example.test"}}});
    world.idp.issuer.answer("/graphql", 200, viewer);
    let linear = json!({"access_token":"fake-at","refresh_token":"fake-rt","expires_in":86400,"scope":["read","write"]});
    world.plain_consent(&linear).await.says(200, "ada@example.test");
    let credential = world.only_credential().await;
    assert_eq!(
        (&credential["scopes"], &credential["name"]),
        (&json!(["read", "write"]), &json!("Linear – Ada"))
    );
    assert_eq!(credential["provider_subject"], "lin-1");
    assert!(world.idp.issuer.seen("/graphql")[0].body.contains("viewer"));
    let without = json!({"access_token":"fake-at","scope":"read"});
    world.plain_consent(&without).await.says(422, "(missing_refresh_token)");

    let world = World::with("attio", &["/oauth/token"], json!({})).await;
    let own = json!({"active":true,"workspace_id":"w-1","workspace_name":"Works"});
    world.idp.issuer.answer("/v2/self", 200, own);
    world.plain_consent(&json!({"access_token":"fake-at"})).await.says(200, "Works");
    let credential = world.only_credential().await;
    assert_eq!(
        (&credential["provider_subject"], &credential["name"]),
        (&json!("w-1"), &json!("Attio – Works"))
    );
    assert_eq!(credential["scopes"], json!(["scope-a", "scope-b"]), "as asked for, when nothing is said");

    let world = World::with("granola", &["/oauth2/token"], json!({})).await;
    let sent = world.browser.start(&world.console, "drive").await;
    assert_eq!(sent.params["scope"], "scope-a scope-b openid email profile offline_access");
    let claims = StandIn::claims("https://mcp-auth.granola.ai", &sent, "g-1", "ada@example.test");
    let code = world.idp.code(&sent, &world.idp.tokens(&claims, 1));
    world.browser.back(&world.console, "drive", &sent, &code).await.says(200, "ada@example.test");
    let credential = world.only_credential().await;
    assert_eq!(world.wrapper(&credential).await["rules"][0]["host"], "mcp.granola.ai");
}

on_both!(
    the_account_is_asked_for_while_the_person_waits,
    an_account_that_nobody_named_is_named_later,
    an_account_that_has_a_credential_gets_no_second_one,
    a_restart_goes_on_asking,
    linear_attio_and_granola_answer_as_they_do,
);
