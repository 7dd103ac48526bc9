//! The consent flow against a strict stand-in that poses as the providers: every refusal beside its allowed twin.

mod accounts;
mod again;
mod back;
pub(crate) mod browser;
mod generic;
mod slack;
mod start;
mod suggestions;

use serde_json::{Value, json};

use crate::consent::browser::{Browser, Page};
use crate::console::Console;
use crate::stand_in::{CLIENT, SECRET, StandIn};

pub(crate) const APPS: &str = "/api/v1/oauth_apps";
pub(crate) const CREDENTIALS: &str = "/api/v1/broker_credentials";
/// The secret that keys of browser flows are made from, so that a test can make a state that is too old.
pub(crate) const BASE: &str = "fake-secret-key-base";

/// A console whose Google is a stand-in, and an app `drive`.
pub(crate) struct World {
    pub(crate) console: Console,
    pub(crate) idp: StandIn,
    pub(crate) browser: Browser,
}

impl World {
    pub(crate) async fn google() -> Self {
        Self::with("google", &["/token"], json!({})).await
    }

    /// With an app `drive` of a provider that was moved here, whose token endpoint has these paths.
    pub(crate) async fn with(provider: &str, paths: &[&str], change: Value) -> Self {
        let idp = StandIn::start(paths).await;
        let variable = format!("CENTAUR_CONSOLE_PROVIDER_{}_BASE_URL", provider.to_uppercase());
        let console = Console::with(&[
            ("CENTAUR_CONSOLE_SECRET_KEY_BASE", BASE),
            ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
            (&variable, &idp.issuer.origin()),
        ])
        .await;
        let mut app = app(provider);
        change.as_object().expect("members").iter().for_each(|(key, value)| app[key] = value.clone());
        console.put(&format!("{APPS}/drive"), app).await.expect(201);
        let world = Self { console, idp, browser: Browser::new() };
        world.publish_keys();
        world
    }

    /// The keys of the issuer, where each provider has them.
    pub(crate) fn publish_keys(&self) {
        for path in ["/oauth2/v3/certs", "/oauth2/jwks", "/openid/connect/keys"] {
            self.idp.issuer.copy("/jwks", path);
        }
    }

    /// A whole consent of an account of Google.
    pub(crate) async fn consent(&self, subject: &str, number: u32) -> Page {
        self.consent_in(&self.browser, subject, number).await
    }

    pub(crate) async fn consent_in(&self, browser: &Browser, subject: &str, number: u32) -> Page {
        let sent = browser.start(&self.console, "drive").await;
        let code = self.idp.code(&sent, &self.idp.google(&sent, subject, number));
        browser.back(&self.console, "drive", &sent, &code).await
    }

    pub(crate) async fn credentials(&self) -> Vec<Value> {
        let all = self.console.get(&format!("{CREDENTIALS}?namespace=default")).await.data(200);
        all.as_array().expect("a list").clone()
    }

    pub(crate) async fn only_credential(&self) -> Value {
        let mut all = self.credentials().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) async fn wrapper(&self, credential: &Value) -> Value {
        let id = credential["wrapping_static_secret_id"].as_str().expect("a wrapper");
        self.console.get(&format!("/api/v1/static_secrets/{id}")).await.data(200)
    }

    /// The text of all events.
    pub(crate) async fn events(&self) -> String {
        self.console.get("/api/v1/audit_events?limit=200").await.text
    }

    /// What a proxy that was granted the wrapper of the credential gets as its value.
    pub(crate) async fn delivered(&self, credential: &Value) -> Value {
        let principals = "/api/v1/principals";
        let known = self.console.get(&format!("{principals}/lookup/default/p")).await;
        let principal = match known.status {
            200 => known.data(200)["id"].take(),
            _ => self.console.post(principals, json!({"foreign_id":"p"})).await.data(201)["id"].take(),
        };
        let wrapper = &credential["wrapping_static_secret_id"];
        let grant = json!({"principal_id":principal,"static_secret_id":wrapper});
        let granted = self.console.post("/api/v1/grants", grant).await;
        assert!(matches!(granted.status, 200 | 201), "{}", granted.text);
        let proxy = json!({"name":"edge","principal_id":principal});
        let token = self.console.post("/api/v1/proxies", proxy).await.data(201)["token"].take();
        let full = self.console.sync(token.as_str().expect("a token"), None, &[]).await.expect(200);
        full["secrets"].clone()
    }
}

pub(crate) fn app(provider: &str) -> Value {
    json!({"provider":provider,"client_id":CLIENT,"client_secret":SECRET,"allowed_scopes":["scope-a","scope-b"]})
}
