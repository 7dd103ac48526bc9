//! People in a real browser, at a real authorization server that revokes a grant when a refresh token comes twice:
//! consents, sign-ins, and that no secret of them is anywhere but where it belongs.

use std::fs;
use std::path::Path;

use centaur_e2e::World;
use centaur_e2e::browser::{Browser, Shown};
use centaur_e2e::edge::{edge, may_use, proxy_of, refused, sent};
use centaur_e2e::idp::{CLIENT, Idp, SECRET};
use centaur_e2e::leak::contains;
use centaur_e2e::real::{Api, Console, Database, id};
use centaur_e2e::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The first user's.
const PASSWORD: &str = "fake-password-1";

/// A console whose providers are one authorization server, and a browser.
struct Stage {
    idp: Idp,
    console: Console,
    browser: Browser,
    database: Database,
    spool: TempDir,
}

impl Stage {
    async fn set(more: &[(&str, &str)], slugs: &[&str], scopes: &[&str]) -> Self {
        let (idp, database) = (Idp::start().await, Database::sqlite());
        let spool = tempfile::tempdir().expect("a directory");
        let mut settings = vec![
            ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
            ("CENTAUR_CONSOLE_PROVIDER_GOOGLE_BASE_URL", idp.origin()),
            ("CENTAUR_CONSOLE_PROVIDER_SLACK_BASE_URL", idp.origin()),
            ("CENTAUR_CONSOLE_BROKER_SPOOL_DIR", spool.path().to_str().expect("UTF-8")),
        ];
        settings.extend(
            more.iter().map(|(name, value)| (*name, if *value == "IDP" { idp.origin() } else { value })),
        );
        let console = Console::start_at(&database.address(), &settings).await;
        let stage = Self { idp, console, browser: Browser::start(), database, spool };
        stage.idp.know(&stage.at(""), slugs, scopes).await;
        stage
    }

    /// With an app `drive` of Google.
    async fn google() -> Self {
        let stage =
            Self::set(&[], &["drive"], &["files", "https://www.googleapis.com/auth/userinfo.email"]).await;
        stage.app("google", &["files"]).await;
        stage
    }

    /// An address of the console, as the browser writes it: another host than the provider's, so that neither gets the
    /// other's cookies.
    fn at(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.console.address().port())
    }

    async fn app(&self, provider: &str, scopes: &[&str]) {
        let app = json!({"slug":"drive","provider":provider,"client_id":CLIENT,"client_secret":SECRET,
            "allowed_scopes":scopes});
        self.console.api().make("oauth_apps", app).await;
    }

    /// Signs in at the provider, up to its question whether to consent.
    async fn sign_in_at_provider(&mut self, tab: &str, login: &str) {
        self.browser.look(tab).await.says("Sign-in");
        self.browser.fill(tab, "login", login).await;
        self.browser.fill(tab, "password", "fake-provider-password").await;
        self.browser.click(tab, "Sign-in").await.says("Authorize");
    }

    /// A whole consent, in a tab of its own.
    async fn consent(&mut self, tab: &str, login: &str) -> Shown {
        let start = self.at("/oauth/drive/start");
        self.browser.open(tab, &start).await;
        self.sign_in_at_provider(tab, login).await;
        self.browser.click(tab, "Continue").await
    }

    async fn credential(&self) -> Value {
        let mut all = self.console.api().get("broker_credentials?namespace=default").await;
        assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
        all[0].take()
    }

    /// Ends everything, and searches all that is left of it for every token that was given out, the secret of the client,
    /// and the passwords.
    async fn search(self) {
        let mut secrets = self.idp.issued().await;
        secrets.extend([SECRET, PASSWORD, "fake-provider-password"].map(str::to_owned));
        let (pages, profile) = self.browser.end().await;
        let (status, log) = self.console.stop().await;
        assert!(status.success(), "{log}");
        let mut places: Vec<(String, Vec<u8>)> = vec![("the console's output".to_owned(), log.into_bytes())];
        places.extend(pages.into_iter().map(|page| ("a page".to_owned(), page.into_bytes())));
        places.extend(profile.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
        let Database::Sqlite(folder) = &self.database else { panic!("a file") };
        for folder in [folder.path(), self.spool.path()] {
            places.extend(files(folder));
        }
        assert!(places.len() > 5, "there is something to search");
        for (place, bytes) in &places {
            for (number, secret) in secrets.iter().enumerate() {
                assert!(
                    !contains(bytes, secret.as_bytes()),
                    "secret {number} of {} stands in {place}",
                    secrets.len()
                );
            }
        }
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| (entry.path().display().to_string(), fs::read(entry.path()).expect("a file")))
        .collect()
}

async fn until(api: &Api, credential: &str, what: &str, want: impl Fn(&Value) -> bool) {
    eventually(what, async || {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        want(&api.get(&format!("broker_credentials/{credential}")).await)
    })
    .await;
}

/// Has it refreshed, and waits until that was done.
async fn refresh(api: &Api, credential: &str) {
    let path = format!("broker_credentials/{credential}");
    let before = api.get(&path).await["last_refresh"].take();
    api.call("POST", &format!("{path}/refresh"), Value::Null).await.expect(202);
    until(api, credential, "a refresh", |now| now["last_refresh"] != before).await;
}

async fn proxied(stage: &Stage, credential: &str) -> World {
    let api = stage.console.api();
    let principal = may_use(&api, credential).await;
    edge(&stage.console, &proxy_of(&api, &principal, "edge").await).await
}

#[tokio::test]
async fn a_person_consents_and_from_then_on_a_proxy_uses_the_account() {
    let mut stage = Stage::google().await;
    let page = stage.consent("one", "ada").await;
    assert_eq!(page.status, Some(200));
    page.says("Connected").says("ada@example.test").says("An administrator still has to grant it");
    let credential = stage.credential().await;
    page.says(credential["id"].as_str().expect("an id"));
    assert_eq!((&credential["provider_subject"], &credential["health"]), (&json!("ada"), &json!("healthy")));

    let (api, credential) = (stage.console.api(), id(&credential));
    let w = proxied(&stage, &credential).await;
    for _ in 0..4 {
        let known = stage.idp.issued().await;
        sent(&w, "a token of the account", |token| known.iter().any(|known| known == token)).await;
        refresh(&api, &credential).await;
    }
    assert_eq!(stage.idp.calls().len(), 5, "the code, and four refreshes");
    stage.idp.refuse_reuse();
    w.finish_at_least(4).await;
    stage.search().await;
}

#[tokio::test]
async fn the_provider_notices_a_reuse_and_what_it_revokes_is_not_delivered() {
    let mut stage = Stage::google().await;
    stage.consent("one", "ada").await.says("Connected");
    let (api, credential) = (stage.console.api(), id(&stage.credential().await));
    let w = proxied(&stage, &credential).await;
    sent(&w, "the first token", |_| true).await;
    refresh(&api, &credential).await;
    // Somebody else has a copy of a token that was used, and sends it.
    stage.idp.spend_a_used_token().await;
    api.call("POST", &format!("broker_credentials/{credential}/refresh"), Value::Null).await.expect(202);
    until(&api, &credential, "the death", |now| now["dead_reason"] == "invalid_grant").await;
    refused(&w).await;
    let reuse = stage.idp.calls().iter().filter(|call| call.is_reuse()).count();
    assert_eq!(reuse, 1, "theirs alone: {:?}", stage.idp.calls());
    // The person follows the link again, and everything goes on.
    let start = stage.at("/oauth/drive/start");
    stage.browser.open("again", &start).await.says("Authorize");
    stage.browser.click("again", "Continue").await.says("Connected");
    let known = stage.idp.issued().await;
    sent(&w, "a new token", |token| known.iter().any(|known| known == token)).await;
    w.finish_at_least(3).await;
    stage.search().await;
}

#[tokio::test]
async fn outages_cost_nothing_and_an_answer_that_never_came_is_the_one_reuse_and_is_named() {
    let mut stage = Stage::google().await;
    stage.consent("one", "ada").await.says("Connected");
    let (api, credential) = (stage.console.api(), id(&stage.credential().await));
    let path = format!("broker_credentials/{credential}");
    let attempt = async || api.call("POST", &format!("{path}/refresh"), Value::Null).await.expect(202).status;
    api.call("PATCH", &path, json!({"refresh_timeout_seconds":8})).await.expect(200);

    stage.idp.behave(json!({"out":true})).await;
    attempt().await;
    until(&api, &credential, "a failure", |now| now["failure_count"].as_u64() >= Some(1)).await;
    stage.idp.behave(json!({"out":false,"after":1000})).await;
    refresh(&api, &credential).await;
    until(&api, &credential, "health", |now| now["health"] == "healthy").await;
    stage.idp.refuse_reuse();

    // The provider has spent the token, and nobody will ever know what it gave for it.
    stage.idp.behave(json!({"silent":true,"after":0})).await;
    attempt().await;
    until(&api, &credential, "an interruption", |now| now["health"] == "interrupted").await;
    stage.idp.behave(json!({"silent":false})).await;
    until(&api, &credential, "the death", |now| now["dead_reason"] == "interrupted_invalid_grant").await;
    let calls = stage.idp.calls();
    assert_eq!(calls.iter().filter(|call| call.is_reuse()).count(), 1, "{calls:?}");
    stage.search().await;
}

#[tokio::test]
async fn who_says_no_may_try_again_and_two_tabs_are_two_flows() {
    let mut stage = Stage::google().await;
    let start = stage.at("/oauth/drive/start");
    stage.browser.open("one", &start).await;
    stage.sign_in_at_provider("one", "ada").await;
    stage.browser.open("two", &start).await.says("Authorize");
    let page = stage.browser.click("one", "[ Cancel ]").await;
    assert_eq!(page.status, Some(422));
    page.says("Not connected").says("Consent was not granted (access_denied).");
    stage.browser.click("two", "Continue").await.says("Connected");
    stage.browser.click("one", "Try again").await.says("Authorize");
    stage.browser.click("one", "Continue").await.says("Connected");
    let credential = stage.credential().await;
    assert_eq!(credential["provider_email"], "ada@example.test", "one account is one credential");
    stage.idp.refuse_reuse();
    stage.search().await;
}

#[tokio::test]
async fn a_person_of_slack_consents_and_the_token_is_the_persons() {
    let scopes = ["channels:history", "users:read", "users:read.email"];
    let mut stage = Stage::set(&[], &["drive"], &scopes).await;
    stage.app("slack", &scopes).await;
    stage.consent("one", "grace").await.says("Connected");
    let credential = stage.credential().await;
    for (key, want) in [
        ("name", json!("Slack – Grace")),
        ("provider_subject", json!("grace")),
        ("provider_email", json!("grace@example.test")),
        ("labels", json!({"slack_team_id":"T0FAKETEAM"})),
        ("scopes", json!(scopes)),
    ] {
        assert_eq!(credential[key], want, "{key}");
    }
    let (api, credential) = (stage.console.api(), id(&credential));
    let w = proxied(&stage, &credential).await;
    for _ in 0..2 {
        refresh(&api, &credential).await;
        let known = stage.idp.issued().await;
        sent(&w, "a token of the account", |token| known.iter().any(|known| known == token)).await;
    }
    stage.idp.refuse_reuse();
    w.finish_at_least(2).await;
    stage.search().await;
}

#[tokio::test]
async fn who_signs_in_by_okta_waits_for_an_administrator_and_is_let_in() {
    let okta = [
        ("CENTAUR_CONSOLE_OKTA_ISSUER", "IDP"),
        ("CENTAUR_CONSOLE_OKTA_CLIENT_ID", CLIENT),
        ("CENTAUR_CONSOLE_OKTA_CLIENT_SECRET", SECRET),
        ("CENTAUR_CONSOLE_OKTA_REQUIRED_GROUP", "console"),
        ("CENTAUR_CONSOLE_NEW_USER_STATUS", "pending"),
    ];
    let mut stage = Stage::set(&okta, &[], &[]).await;
    let sessions = stage.at("/console/sessions");
    stage.browser.open("one", &sessions).await.says("Continue with Okta");
    stage.browser.click("one", "Continue with Okta").await;
    stage.sign_in_at_provider("one", "bob").await;
    let page = stage.browser.click("one", "Continue").await;
    assert!(page.url.ends_with("/pending"), "{}", page.url);
    page.says("Awaiting approval").says("bob@example.test");
    stage.browser.open("one", &sessions).await.says("Awaiting approval");

    let api = stage.console.api();
    let waiting = api.get("users?status=pending").await;
    assert_eq!(waiting[0]["identities"][0]["provider"], "okta", "{waiting}");
    let bob = format!("users/{}", id(&waiting[0]));
    api.call("PATCH", &bob, json!({"status":"active"})).await.expect(200);
    stage.browser.open("one", &sessions).await.says("okta");
    for cookie in stage.browser.cookies().await {
        if cookie["name"].as_str().is_some_and(|name| name.starts_with("console_")) {
            assert_eq!(
                (&cookie["httpOnly"], &cookie["sameSite"]),
                (&json!(true), &json!("Lax")),
                "{}",
                cookie["name"]
            );
        }
    }
    assert_eq!(stage.browser.storage("one").await, "[{},{}]", "scripts keep nothing");

    // Whoever is disabled is out at the next page, and stays out.
    api.call("PATCH", &bob, json!({"status":"disabled"})).await.expect(200);
    stage.browser.open("one", &sessions).await.says("Your account is disabled.");
    stage.browser.click("one", "Continue with Okta").await.says("Authorize");
    stage.browser.click("one", "Continue").await.says("Your account is disabled.");
    stage.search().await;
}

#[tokio::test]
async fn who_signs_in_by_slack_and_by_a_password_is_let_in_and_out() {
    let slack = [
        ("CENTAUR_CONSOLE_SLACK_CLIENT_ID", CLIENT),
        ("CENTAUR_CONSOLE_SLACK_CLIENT_SECRET", SECRET),
        ("CENTAUR_CONSOLE_ALLOWED_SLACK_TEAMS", "T0FAKETEAM"),
    ];
    let mut stage = Stage::set(&slack, &[], &[]).await;
    let console = stage.at("/console");
    stage.browser.open("one", &console).await;
    stage.browser.click("one", "Continue with Slack").await;
    stage.sign_in_at_provider("one", "grace").await;
    stage.browser.click("one", "Continue").await.says("grace@example.test");
    stage.browser.click("one", "Sign out").await.says("Signed out.");
    stage.browser.open("one", &console).await.says("Continue with Slack");

    let login = stage.at("/login");
    stage.browser.open("one", &login).await;
    for (password, says) in
        [("fake-password-2", "Invalid email or password."), (PASSWORD, "Signed in as root@example.test.")]
    {
        stage.browser.reveal("one").await;
        stage.browser.fill("one", "email", "root@example.test").await;
        stage.browser.fill("one", "password", password).await;
        stage.browser.click("one", "Sign in").await.says(says);
    }
    stage.search().await;
}
