//! A proxy that a console configures, and what its origin sees of a token that the console keeps fresh.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::real::{Api, Console, id};
use crate::wait::eventually;
use crate::world::PLACEHOLDER;
use crate::{Reply, Request, World};

/// A proxy bound to the console by this token, whose origin is `a.test`.
pub async fn edge(console: &Console, token: &str) -> World {
    World::builder()
        .env("IRON_CONTROL_PLANE_URL", &console.url())
        .value("IRON_PROXY_TOKEN", token)
        .without_allowlist()
        .env("IRON_PROXY_ALLOW_HOSTS", "@granted,c.test")
        .start()
        .await
}

/// Makes a principal that may use a credential at `a.test`, and gives its id.
pub async fn may_use(api: &Api, credential: &str) -> String {
    let principal = id(&api.make("principals", json!({"foreign_id": "edge"})).await);
    let secret = json!({
        "replace_config": {"proxy_value": PLACEHOLDER, "match_headers": ["Authorization"]},
        "source": {"source_type": "token_broker", "config": {"credential_id": credential}},
        "rules": [{"host": "a.test"}],
    });
    let secret = id(&api.make("static_secrets", secret).await);
    api.make("grants", json!({"principal_id": principal, "static_secret_id": secret})).await;
    principal
}

/// The token of a new proxy of a principal.
pub async fn proxy_of(api: &Api, principal: &str, name: &str) -> String {
    let proxy = api.make("proxies", json!({"name": name, "principal_id": principal})).await;
    proxy["token"].as_str().expect("a token").to_owned()
}

/// A request with the placeholder.
pub async fn ask(w: &World) -> Reply {
    Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("a.test").await).await
}

/// Waits until a request is let through with a token that this is true of.
pub async fn sent(w: &World, what: &str, is_it: impl Fn(&str) -> bool) {
    eventually(&format!("{what} at the origin"), async || {
        sleep(Duration::from_millis(10)).await;
        if ask(w).await.status != 200 {
            return false;
        }
        let seen = w.origin.last();
        seen.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).is_some_and(&is_it)
    })
    .await;
}

/// Waits until a request is refused.
pub async fn refused(w: &World) {
    eventually("a refusal", async || {
        sleep(Duration::from_millis(10)).await;
        ask(w).await.status == 403
    })
    .await;
}
