//! Signing in by a provider, against a stand-in that is as strict as the real ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_store::{AuditFilter, StoreError, User, UserPatch, UserStatus};
use centaur_test_issuer::{Algorithm, Issuer, Key, pairs};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::browser::{Browser, Seen};
use crate::console::Console;
use crate::on_both;

const FAILED: &str = "Sign in failed. Please try again.";
const SETUP: &str = "Sign in failed while setting up your account.";
const INVALID: &str = "This sign-in link is invalid or expired. Start again.";

/// Where a provider has its endpoints: authorize, token, keys.
type Paths = [&'static str; 3];
const GOOGLE: Paths = ["/o/oauth2/v2/auth", "/token", "/oauth2/v3/certs"];
const SLACK: Paths = ["/openid/connect/authorize", "/api/openid.connect.token", "/openid/connect/keys"];
const DISCOVERED: Paths = ["/authorize", "/token", "/jwks"];

/// How a token is made.
type Sign = Arc<dyn Fn(&Value) -> String + Send + Sync>;

/// A provider that redeems one code, for the client and the verifier it was asked for with.
struct Provider {
    issuer: Issuer,
    name: &'static str,
    key: Key,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Over the claims of a token that is in order.
    claims: Value,
    sign: Option<Sign>,
    asked: Option<std::collections::BTreeMap<String, String>>,
    fails: bool,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

impl Provider {
    async fn start(name: &'static str, paths: Paths) -> Self {
        let issuer = Issuer::start().await;
        let key = Key::new("k1", Algorithm::Rs256);
        issuer.use_keys([key.clone()]);
        let provider = Self { issuer, name, key, state: Arc::default() };
        let origin = provider.issuer.origin();
        provider.issuer.answer(
            "/.well-known/openid-configuration",
            200,
            json!({"issuer":origin,"authorization_endpoint":format!("{origin}{}", paths[0]),
                "token_endpoint":format!("{origin}{}", paths[1]),"jwks_uri":format!("{origin}{}", paths[2])}),
        );
        provider.serve_keys(paths[2], [provider.key.jwk()]);
        provider.use_token_endpoint(paths[1]);
        provider
    }

    fn serve_keys(&self, path: &str, keys: impl IntoIterator<Item = Value>) {
        let keys: Vec<_> = keys.into_iter().collect();
        self.issuer.answer(path, 200, json!({ "keys": keys }));
    }

    fn use_token_endpoint(&self, path: &str) {
        let (state, key, origin, name) =
            (self.state.clone(), self.key.clone(), self.issuer.origin(), self.name);
        let used = AtomicBool::new(false);
        let last = Mutex::new(String::new());
        self.issuer.on(path, move |request| {
            let state = state.lock().expect("a lock");
            let form = request.form();
            let asked = state.asked.as_ref().expect("somebody was sent here");
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
            let by_form = form.get("client_id").map(String::as_str) == Some("fake-client")
                && form.get("client_secret").map(String::as_str) == Some("fake-client-secret");
            let basic = base64::engine::general_purpose::STANDARD.encode("fake-client:fake-client-secret");
            let by_head = request.headers.get("authorization") == Some(&format!("Basic {basic}"));
            let is_known = if matches!(name, "okta" | "oidc") { by_head } else { by_form };
            let mut last = last.lock().expect("a lock");
            if *last != asked["nonce"] {
                last.clone_from(&asked["nonce"]);
                used.store(false, Ordering::SeqCst);
            }
            let is_right = is_known
                && form["grant_type"] == "authorization_code"
                && form["code"] == "fake-code"
                && form["redirect_uri"] == asked["redirect_uri"]
                && challenge == asked["code_challenge"];
            if state.fails || !is_right || used.swap(true, Ordering::SeqCst) {
                return (400, json!({"error":"invalid_grant"}).to_string());
            }
            let mut claims = json!({"iss":origin,"aud":"fake-client","sub":"s-1","nonce":asked["nonce"],
                "email":"ada@example.com","email_verified":true,"name":"Ada","iat":now(),"exp":now() + 300});
            for (name, value) in state.claims.as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
            let token = state.sign.as_ref().map_or_else(|| key.sign(&claims), |sign| sign(&claims));
            let mut answer =
                json!({"access_token":"fake-access-token","token_type":"Bearer","id_token":token});
            if name == "slack" {
                answer["ok"] = true.into();
            }
            (200, answer.to_string())
        });
    }

    /// Has tokens say something else.
    fn says(&self, claims: Value) {
        self.state.lock().expect("a lock").claims = claims;
    }

    fn signs(&self, sign: impl Fn(&Value) -> String + Send + Sync + 'static) {
        self.state.lock().expect("a lock").sign = Some(Arc::new(sign));
    }

    /// A browser comes from the console and is sent back: the query of the callback.
    fn consents(&self, location: &str) -> String {
        let (_, query) = location.split_once('?').expect("a query");
        let asked = pairs(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], "fake-client");
        assert_eq!(asked["scope"], "openid email profile");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(
            asked["nonce"].len() >= 43
                && asked["redirect_uri"].ends_with(&format!("/auth/{}/callback", self.name))
        );
        let state = asked["state"].clone();
        self.state.lock().expect("a lock").asked = Some(asked);
        format!("code=fake-code&state={state}")
    }

    /// All of it, to where the console sends the browser in the end.
    async fn sign_in(&self, browser: &mut Browser) -> Seen {
        let location = browser.get(&format!("/auth/{}/start", self.name)).await.to().to_owned();
        assert!(location.starts_with(&self.issuer.origin()), "{location}");
        let query = self.consents(&location);
        browser.get(&format!("/auth/{}/callback?{query}", self.name)).await
    }

    /// The sentence on the sign-in page.
    async fn refused(&self, browser: &mut Browser, sentence: &str) {
        let seen = self.sign_in(browser).await;
        assert_eq!(seen.to(), "/login", "{sentence}");
        assert!(browser.cookies.keys().all(|name| !name.contains("session") && !name.contains("flow")));
        browser.get("/login").await.says(200, sentence);
    }
}

async fn google(settings: &[(&str, &str)]) -> (Console, Provider) {
    let provider = Provider::start("google", GOOGLE).await;
    let origin = provider.issuer.origin();
    let mut all = vec![
        ("CENTAUR_CONSOLE_GOOGLE_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_GOOGLE_CLIENT_SECRET", "fake-client-secret"),
        ("CENTAUR_CONSOLE_PROVIDER_GOOGLE_BASE_URL", origin.as_str()),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
    ];
    all.extend(settings);
    (Console::with(&all).await, provider)
}

const ACTIVE: (&str, &str) = ("CENTAUR_CONSOLE_NEW_USER_STATUS", "active");

async fn user(console: &Console, email: &str) -> Option<User> {
    console.app.store().read().await.expect("a transaction").user_by_email(email).await.expect("an answer")
}

async fn refusals(console: &Console) -> Vec<String> {
    let filter = AuditFilter {
        action: Some("sign_in_refused".to_owned()),
        oldest_first: true,
        ..AuditFilter::default()
    };
    let events = console.app.store().read().await.expect("a transaction").audit_events(&filter, 200).await;
    let details = events.expect("events").into_iter().filter_map(|event| event.after);
    details.map(|text| serde_json::from_str::<Value>(&text).expect("JSON")["because"].to_string()).collect()
}

async fn somebody_new_waits_until_an_administrator_approves() {
    let (console, provider) = google(&[]).await;
    let mut browser = Browser::new(&console);
    browser.get("/login").await.says(200, "Continue with Google");
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/pending");
    browser
        .get("/pending")
        .await
        .says(200, "Your account is awaiting approval.")
        .says(200, "ada@example.com");
    let ada = user(&console, "ada@example.com").await.expect("a user");
    assert_eq!((ada.status, ada.admin, ada.name.as_deref()), (UserStatus::Pending, false, Some("Ada")));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/pending", "pending stays pending");
    let approve = &UserPatch { status: Some(UserStatus::Active), ..UserPatch::default() };
    let system = centaur_store::Actor::system();
    let approved: Result<User, StoreError> = console
        .app
        .store()
        .write(&system, |tx| Box::pin(async move { tx.update_user(ada.id, approve, None).await }))
        .await;
    approved.expect("approved");
    browser.get("/console").await.says(200, "operator");
    let metrics = console.send("GET", "/metrics", &[], "").await.text;
    assert!(metrics.contains(r#"console_logins_total{provider="google",result="pending"} 2"#), "{metrics}");
    assert!(!format!("{:?}", browser.cookies).contains("fake-"), "no token stays in the browser");
}

async fn the_same_account_is_the_same_user_and_a_verified_address_is_linked() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    let location = browser.get("/auth/google/start?return_to=%2Fconsole%2Fsessions").await.to().to_owned();
    let query = provider.consents(&location);
    assert_eq!(browser.get(&format!("/auth/google/callback?{query}")).await.to(), "/console/sessions");
    browser
        .get("/console/sessions")
        .await
        .says(200, "Signed in as ada@example.com.")
        .says(200, "with google");
    let first = user(&console, "ada@example.com").await.expect("a user");
    provider.says(json!({"email":"lovelace@example.com","name":"Lovelace"}));
    provider.sign_in(&mut browser).await.to();
    browser.get("/console").await.says(200, "ada@example.com");
    assert!(user(&console, "lovelace@example.com").await.is_none());
    let same = user(&console, "ada@example.com").await.expect("a user");
    assert_eq!((same.id, same.name.as_deref()), (first.id, Some("Ada")), "a name that is there stays");

    provider.says(json!({"sub":"s-2","email":" ROOT@Example.test"}));
    provider.sign_in(&mut browser).await.to();
    browser.get("/console").await.says(200, "root@example.test").says(200, "administrator");
    let root = user(&console, "root@example.test").await.expect("a user");
    let all = console.app.store().read().await.expect("a transaction").identities(root.id).await;
    let all = all.expect("identities");
    assert_eq!((all.len(), all[0].subject.as_str(), all[0].email_verified), (1, "s-2", true));
}

async fn an_address_that_is_not_verified_is_nobodys_proof() {
    let (console, provider) =
        google(&[ACTIVE, ("CENTAUR_CONSOLE_BOOTSTRAP_ADMINS", "Ada@example.com, x@example.com")]).await;
    let mut browser = Browser::new(&console);
    for verified in [json!(false), json!("true"), json!(null)] {
        provider.says(json!({"email":"root@example.test","email_verified":verified}));
        provider.refused(&mut browser, SETUP).await;
    }
    provider.says(json!({"email":null}));
    provider.refused(&mut browser, SETUP).await;
    provider.says(json!({"email_verified":false}));
    provider.sign_in(&mut browser).await.to();
    let ada = user(&console, "ada@example.com").await.expect("a user");
    assert_eq!((ada.admin, ada.email_verified), (false, false), "no administrator by a claim");

    // Who really owns the address is not put into the account of who wrote it down first.
    let mut owner = Browser::new(&console);
    provider.says(json!({"sub":"s-2"}));
    provider.refused(&mut owner, SETUP).await;
    // Once the provider vouches for the first, it is its.
    provider.says(json!({}));
    provider.sign_in(&mut browser).await.to();
    let ada = user(&console, "ada@example.com").await.expect("a user");
    assert_eq!((ada.admin, ada.email_verified), (false, true), "rights are given at the first sign-in alone");
    provider.says(json!({"sub":"s-9","email":"x@example.com"}));
    provider.sign_in(&mut browser).await.to();
    assert!(user(&console, "x@example.com").await.expect("a user").admin);
    assert_eq!(refusals(&console).await.len(), 5);
}

async fn a_disabled_user_is_not_let_in_and_not_linked() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    provider.sign_in(&mut browser).await.to();
    let ada = user(&console, "ada@example.com").await.expect("a user");
    let disable = &UserPatch { status: Some(UserStatus::Disabled), ..UserPatch::default() };
    let system = centaur_store::Actor::system();
    let disabled: Result<User, StoreError> = console
        .app
        .store()
        .write(&system, |tx| Box::pin(async move { tx.update_user(ada.id, disable, None).await }))
        .await;
    disabled.expect("disabled");
    let mut browser = Browser::new(&console);
    provider.refused(&mut browser, "Your account is disabled.").await;
    provider.says(json!({"sub":"s-2"}));
    provider.refused(&mut browser, "Your account is disabled.").await;
    let all = console.app.store().read().await.expect("a transaction").identities(ada.id).await;
    assert_eq!(all.expect("identities").len(), 1);
    assert_eq!(user(&console, "ada@example.com").await.expect("a user").status, UserStatus::Disabled);
}

async fn a_token_that_is_not_in_order_lets_nobody_in() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    for wrong in [
        json!({"aud":"other-client"}),
        json!({"aud":["fake-client","other-client"]}),
        json!({"azp":"other-client"}),
        json!({"iss":"https://evil.example"}),
        json!({"exp":now() - 120}),
        json!({"exp":null}),
        json!({"iat":now() + 600}),
        json!({"nonce":"another"}),
        json!({"nonce":null}),
        json!({"sub":""}),
        json!({"sub":null}),
    ] {
        provider.says(wrong.clone());
        provider.refused(&mut browser, FAILED).await;
    }
    provider.says(json!({}));
    let key = provider.key.clone();
    for head in [
        json!({"alg":"none"}),
        json!({"alg":"HS256","kid":"k1"}),
        json!({"alg":"RS384","kid":"k1"}),
        json!({"alg":"RS256","kid":"k2"}),
        json!({"alg":"RS256","kid":"k1","crit":["x"]}),
    ] {
        let key = key.clone();
        provider.signs(move |claims| key.sign_with_head(&head, claims));
        provider.refused(&mut browser, FAILED).await;
    }
    let stranger = Key::new("k1", Algorithm::Rs256);
    provider.signs(move |claims| stranger.sign(claims));
    provider.refused(&mut browser, FAILED).await;
    provider.signs(|_| "rubbish".to_owned());
    provider.refused(&mut browser, FAILED).await;
    assert!(user(&console, "ada@example.com").await.is_none());
    provider.signs(move |claims| key.sign(claims));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/console");
    let metrics = console.send("GET", "/metrics", &[], "").await.text;
    assert!(metrics.contains(r#"console_logins_total{provider="google",result="failed"} 18"#), "{metrics}");
}

async fn keys_may_change() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    provider.sign_in(&mut browser).await.to();
    let next = Key::new("k2", Algorithm::Es256);
    provider.serve_keys(GOOGLE[2], [next.jwk()]);
    provider.signs(move |claims| next.sign(claims));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/console");
    assert_eq!(provider.issuer.seen(GOOGLE[2]).len(), 2, "read again for a key that is new");
}

async fn a_flow_is_of_one_browser_one_provider_and_one_use() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    let location = browser.get("/auth/google/start").await.to().to_owned();
    let query = provider.consents(&location);
    let callback = format!("/auth/google/callback?{query}");
    let refused = async |browser: &mut Browser, path: &str, sentence: &str| {
        assert_eq!(browser.get(path).await.to(), "/login", "{path}");
        browser.get("/login").await.says(200, sentence);
    };
    refused(&mut Browser::new(&console), &callback, INVALID).await;
    refused(&mut browser, "/auth/google/callback?code=fake-code", INVALID).await;
    refused(&mut browser, "/auth/google/callback?code=fake-code&state=x.y", INVALID).await;
    refused(&mut browser, "/auth/google/callback?error=access_denied", INVALID).await;
    refused(&mut browser, "/auth/slack/callback?code=x&state=y", "That sign-in method is not available.")
        .await;
    refused(&mut browser, "/auth/slack/start", "That sign-in method is not available.").await;
    refused(&mut browser, "/auth/evil/start", "That sign-in method is not available.").await;
    let stored = browser.cookies.clone();
    assert_eq!(browser.get(&callback).await.to(), "/console");
    let session = browser.session().cloned();
    browser.cookies = stored;
    refused(&mut browser, &callback, FAILED).await;
    refused(&mut browser, &callback, INVALID).await;
    assert!(session.is_some());

    let location = browser.get("/auth/google/start").await.to().to_owned();
    let state = &pairs(location.split_once('?').expect("a query").1)["state"];
    let denied = format!("/auth/google/callback?error=access_denied&error_description=%3Cb%3E&state={state}");
    refused(&mut browser, &denied, "Sign in was canceled.").await;
    let location = browser.get("/auth/google/start").await.to().to_owned();
    let state = &pairs(location.split_once('?').expect("a query").1)["state"];
    refused(&mut browser, &format!("/auth/google/callback?state={state}"), FAILED).await;
    provider.state.lock().expect("a lock").fails = true;
    provider.refused(&mut browser, FAILED).await;
}

async fn two_tabs_do_not_disturb_each_other() {
    let (console, provider) = google(&[ACTIVE]).await;
    let mut browser = Browser::new(&console);
    let one = browser.get("/auth/google/start").await.to().to_owned();
    let two = browser.get("/auth/google/start").await.to().to_owned();
    for location in [one, two] {
        let query = provider.consents(&location);
        assert_eq!(browser.get(&format!("/auth/google/callback?{query}")).await.to(), "/console");
    }
    for _ in 0..9 {
        browser.get("/auth/google/start").await.to();
    }
    let flows = browser.cookies.keys().filter(|name| name.contains("login_flow")).count();
    assert_eq!(flows, 5, "{:?}", browser.cookies.keys());
}

async fn domains_teams_and_groups_decide_who_may_come_in() {
    let (console, provider) = google(&[("CENTAUR_CONSOLE_ALLOWED_DOMAINS", "example.com")]).await;
    let mut browser = Browser::new(&console);
    provider.refused(&mut browser, FAILED).await;
    provider.says(json!({"hd":"example.com","email":"ada@other.example"}));
    provider.refused(&mut browser, FAILED).await;
    provider.says(json!({"hd":"example.com"}));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/console", "who is listed does not wait");
    assert_eq!(refusals(&console).await, [r#""hosted_domain""#, r#""domain""#]);

    let provider = Provider::start("slack", SLACK).await;
    let origin = provider.issuer.origin();
    let console = Console::with(&[
        ("CENTAUR_CONSOLE_SLACK_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_SLACK_CLIENT_SECRET", "fake-client-secret"),
        ("CENTAUR_CONSOLE_PROVIDER_SLACK_BASE_URL", &origin),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
        ("CENTAUR_CONSOLE_ALLOWED_SLACK_TEAMS", "T1 T2"),
    ])
    .await;
    let mut browser = Browser::new(&console);
    provider.says(json!({"https://slack.com/team_id":"T3"}));
    provider.refused(&mut browser, FAILED).await;
    provider.says(json!({"https://slack.com/team_id":"T2","iss":"https://slack.com"}));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/console");
    let ada = user(&console, "ada@example.com").await.expect("a user");
    let all = console.app.store().read().await.expect("a transaction").identities(ada.id).await;
    assert_eq!(all.expect("identities")[0].slack_team.as_deref(), Some("T2"));
}

async fn an_issuer_says_itself_where_it_is() {
    let provider = Provider::start("okta", DISCOVERED).await;
    let other = Provider::start("oidc", DISCOVERED).await;
    let (origin, other_origin) = (provider.issuer.origin(), other.issuer.origin());
    let console = Console::with(&[
        ("CENTAUR_CONSOLE_OKTA_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_OKTA_CLIENT_SECRET", "fake-client-secret"),
        ("CENTAUR_CONSOLE_OKTA_ISSUER", &origin),
        ("CENTAUR_CONSOLE_OKTA_TRUST_EMAIL", "1"),
        ("CENTAUR_CONSOLE_OKTA_REQUIRED_GROUP", "console"),
        ("CENTAUR_CONSOLE_OKTA_ADMIN_GROUP", "admins"),
        ("CENTAUR_CONSOLE_OIDC_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_OIDC_CLIENT_SECRET", "fake-client-secret"),
        ("CENTAUR_CONSOLE_OIDC_ISSUER", &other_origin),
        ("CENTAUR_CONSOLE_OIDC_NAME", "Acme <ID>"),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
    ])
    .await;
    let mut browser = Browser::new(&console);
    let page = browser.get("/login").await;
    page.says(200, "Continue with Okta").says(200, "Continue with Acme &#60;ID&#62;");
    page.says(200, "or sign in with email");
    provider.says(json!({"groups":["others"],"email_verified":null}));
    provider.refused(&mut browser, FAILED).await;
    provider.says(json!({"groups":["console","admins"],"email_verified":null}));
    assert_eq!(provider.sign_in(&mut browser).await.to(), "/console");
    browser.get("/console").await.says(200, "administrator");

    // The token of one provider is nothing for the other.
    let mut browser = Browser::new(&console);
    let location = browser.get("/auth/okta/start").await.to().to_owned();
    let query = provider.consents(&location);
    assert_eq!(browser.get(&format!("/auth/oidc/callback?{query}")).await.to(), "/login");
    browser.get("/login").await.says(200, INVALID);
    other.says(json!({"sub":"s-7","email":"bob@example.com"}));
    assert_eq!(other.sign_in(&mut browser).await.to(), "/pending");

    let console = Console::with(&[
        ("CENTAUR_CONSOLE_OIDC_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_OIDC_CLIENT_SECRET", "fake-client-secret"),
        ("CENTAUR_CONSOLE_OIDC_ISSUER", &format!("{other_origin}/")),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
    ])
    .await;
    let mut browser = Browser::new(&console);
    assert_eq!(browser.get("/auth/oidc/start").await.to(), "/login", "not exactly its name");
    browser.get("/login").await.says(200, FAILED);
}

on_both!(
    somebody_new_waits_until_an_administrator_approves,
    the_same_account_is_the_same_user_and_a_verified_address_is_linked,
    an_address_that_is_not_verified_is_nobodys_proof,
    a_disabled_user_is_not_let_in_and_not_linked,
    a_token_that_is_not_in_order_lets_nobody_in,
    keys_may_change,
    a_flow_is_of_one_browser_one_provider_and_one_use,
    two_tabs_do_not_disturb_each_other,
    domains_teams_and_groups_decide_who_may_come_in,
    an_issuer_says_itself_where_it_is,
);
