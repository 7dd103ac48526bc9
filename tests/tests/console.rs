//! The real console and the real proxy: what is granted is swapped, what is withdrawn is not.

use std::net::SocketAddr;

use bytes::Bytes;
use centaur_console::app::Server;
use centaur_console::config::Config;
use centaur_e2e::wait::eventually;
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Request, World};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "iak_fa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4e";
const MANAGE_KEY: &str = "fake-management-key-1";

/// A console with a database of its own.
struct Console {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _dir: TempDir,
}

impl Console {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let database = format!("sqlite:{}", dir.path().join("console.db").display());
        let setting = |name: &str| match name {
            "CENTAUR_CONSOLE_LISTEN" => Some("127.0.0.1".to_owned()),
            "PORT" => Some("0".to_owned()),
            "DATABASE_URL" => Some(database.clone()),
            "CENTAUR_CONSOLE_INITIAL_USER_EMAIL" => Some("root@example.test".to_owned()),
            "CENTAUR_CONSOLE_INITIAL_USER_PASSWORD" => Some("fake-password-1".to_owned()),
            "CENTAUR_CONSOLE_INITIAL_API_KEY" => Some(KEY.to_owned()),
            _ => None,
        };
        let server =
            Server::start(Config::from_env(setting, true).expect("settings")).await.expect("a console");
        let address = server.address();
        tokio::spawn(server.serve(std::future::pending()));
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { address, client, _dir: dir }
    }

    async fn call(&self, method: &str, path: &str, data: Value) -> Value {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}/api/v1/{path}", self.address))
            .header("authorization", format!("Bearer {KEY}"))
            .body(Full::from(json!({ "data": data }).to_string()))
            .expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice::<Value>(&body).map_or(Value::Null, |mut body| body["data"].take())
    }

    async fn make(&self, path: &str, data: Value) -> Value {
        self.call("POST", path, data).await
    }
}

/// The hash of the configuration that the proxy has in force.
async fn hash(w: &World) -> Value {
    let request =
        Request::get("manage", "/v1/status").field("Authorization", &format!("Bearer {MANAGE_KEY}"));
    let reply = request.on(&mut w.connect("management").await).await;
    serde_json::from_str::<Value>(&reply.expect(200).text()).expect("a status")["config_hash"].clone()
}

/// What the origin sees of a request that carries the placeholder.
async fn sent(w: &World) -> String {
    let reply =
        Request::get(&w.at("a.test"), "/ok").bearer(PLACEHOLDER).on(&mut w.https("a.test").await).await;
    reply.expect(200);
    w.origin.last().header("authorization").expect("a field").to_owned()
}

#[tokio::test]
async fn a_granted_secret_is_swapped_and_after_the_withdrawal_the_placeholder_alone_goes_out() {
    let console = Console::start().await;
    let principal = console.make("principals", json!({"foreign_id": "slack-channel-c1"})).await["id"].clone();
    let secret = json!({
        "foreign_id": "a",
        "replace_config": {"proxy_value": PLACEHOLDER, "match_headers": ["Authorization"]},
        "source": {"source_type": "control_plane", "config": {}, "secret": REAL},
        "rules": [{"host": "a.test"}],
    });
    let secret = console.make("static_secrets", secret).await["id"].clone();
    let grant = json!({"principal_id": principal, "static_secret_id": secret});
    let granted = console.make("grants", grant.clone()).await["id"].clone();
    let proxy = console.make("proxies", json!({"name": "edge", "principal_id": principal})).await;

    let w = World::builder()
        .allow("a.test")
        .env("IRON_CONTROL_PLANE_URL", &format!("http://{}", console.address))
        .value("IRON_PROXY_TOKEN", proxy["token"].as_str().expect("a token"))
        .value("REAL_A", REAL)
        .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
        .value("MANAGE_KEY", MANAGE_KEY)
        .listener("management")
        .start()
        .await;
    eventually("the first configuration", async || {
        hash(&w).await.as_str().is_some_and(|hash| !hash.is_empty())
    })
    .await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));

    // The proxy waits for this change, so that it comes without a poll.
    let before = hash(&w).await;
    let path = format!("grants/{}", granted.as_str().expect("an id"));
    console.call("DELETE", &path, Value::Null).await;
    eventually("the withdrawal", async || hash(&w).await != before).await;
    assert_eq!(sent(&w).await, format!("Bearer {PLACEHOLDER}"));

    let before = hash(&w).await;
    console.make("grants", grant).await;
    eventually("the new grant", async || hash(&w).await != before).await;
    assert_eq!(sent(&w).await, format!("Bearer {REAL}"));

    // The deletion is told, and the proxy ends.
    let id = proxy["id"].as_str().expect("an id");
    console.call("DELETE", &format!("proxies/{id}"), Value::Null).await;
    let ended = w.proxy.wait().await;
    assert_eq!(ended.status.code(), Some(1));
}
