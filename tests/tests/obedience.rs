//! The real console and the real proxy: what is revoked is refused at once and whatever uses it is closed; what happens
//! while the console is away, and while its database is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use centaur_client::api::{ApiClient, Exchange, Expect, Observer, Options};
use centaur_client::base::BaseUrl;
use centaur_client::token::TokenSource;
use centaur_console::app::Server;
use centaur_console::config::Config;
use centaur_e2e::real::{Answer, Api, Console, Database, KEY, SEALING_KEY, id};
use centaur_e2e::wait::{eventually, within};
use centaur_e2e::world::{PLACEHOLDER, REAL};
use centaur_e2e::{Builder, Conn, Reply, Request, World};
use centaur_test_postgres::OwnServer;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

const MANAGE_KEY: &str = "fake-management-key-1";
/// Of `b.test`; [`PLACEHOLDER`] and [`REAL`] are of `a.test`.
const OTHER_PLACEHOLDER: &str = "PLACEHOLDER_B";
const OTHER: &str = "fake-value-of-b";

/// A principal that may use a credential at `a.test` and another one at `b.test`, and its proxy.
struct Granted {
    principal: String,
    secret: String,
    grant: String,
    token: String,
}

impl Granted {
    async fn make(api: &Api) -> Self {
        let principal = id(&api.make("principals", json!({"foreign_id": "edge"})).await);
        let mut made = Vec::new();
        for (host, placeholder, value) in
            [("a.test", PLACEHOLDER, REAL), ("b.test", OTHER_PLACEHOLDER, OTHER)]
        {
            let secret = json!({
                "replace_config": {"proxy_value": placeholder, "match_headers": ["Authorization"]},
                "source": {"source_type": "control_plane", "config": {}, "secret": value},
                "rules": [{"host": host}],
            });
            let secret = id(&api.make("static_secrets", secret).await);
            made.push((grant(api, &principal, &secret).await, secret));
        }
        let proxy = api.make("proxies", json!({"name": "edge", "principal_id": principal})).await;
        let token = proxy["token"].as_str().expect("a token").to_owned();
        let (grant, secret) = made.swap_remove(0);
        Self { principal, secret, grant, token }
    }

    /// A proxy that asks this console.
    fn proxy_of(&self, console: &str) -> Builder {
        World::builder()
            .env("IRON_CONTROL_PLANE_URL", console)
            .value("IRON_PROXY_TOKEN", &self.token)
            .top("control_plane: {poll_interval: 200ms}")
            .top("management: {listen: \"127.0.0.1:0\", api_key_env: MANAGE_KEY}")
            .value("MANAGE_KEY", MANAGE_KEY)
            .value("REAL_A", REAL)
            .value("REAL_B", OTHER)
            .listener("management")
    }
}

async fn grant(api: &Api, principal: &str, secret: &str) -> String {
    let data = json!({"principal_id": principal, "static_secret_id": secret});
    id(&api.make("grants", data).await)
}

async fn status(w: &World) -> Value {
    let request =
        Request::get("manage", "/v1/status").field("Authorization", &format!("Bearer {MANAGE_KEY}"));
    let reply = request.on(&mut w.connect("management").await).await;
    serde_json::from_str(&reply.expect(200).text()).expect("a status")
}

async fn poke(w: &World) {
    let request = Request::new("POST", "manage", "/v1/sync")
        .field("Authorization", &format!("Bearer {MANAGE_KEY}"))
        .field("Content-Length", "0");
    request.on(&mut w.connect("management").await).await.expect(202);
}

async fn in_sync(w: &World) {
    eventually("the first configuration", async || status(w).await["synced_once"] == true).await;
}

async fn ask_on(w: &World, conn: &mut Conn, host: &str, placeholder: &str) -> Reply {
    Request::get(&w.at(host), "/ok").bearer(placeholder).on(conn).await
}

async fn ask(w: &World, host: &str, placeholder: &str) -> Reply {
    ask_on(w, &mut w.https(host).await, host, placeholder).await
}

/// What the origin saw of the last request.
fn seen(w: &World) -> String {
    w.origin.last().header("authorization").expect("a field").to_owned()
}

/// The credential of `a.test` is used.
async fn is_used(w: &World) {
    ask(w, "a.test", PLACEHOLDER).await.expect(200);
    assert_eq!(seen(w), format!("Bearer {REAL}"));
}

/// A stream of events that goes on until somebody ends it.
async fn events(w: &World, host: &str, placeholder: &str) -> Conn {
    let mut conn = w.https(host).await;
    conn.send(Request::get(&w.at(host), "/sse").bearer(placeholder).bytes()).await;
    conn.head().await.expect(200);
    conn.until("event 1").await;
    conn
}

#[tokio::test]
async fn what_is_revoked_is_refused_at_once_and_closed_and_nothing_else_is() {
    let database = Database::sqlite();
    let console = Console::start(&database).await;
    let api = console.api();
    let granted = Granted::make(&api).await;
    let w = granted
        .proxy_of(&console.url())
        .without_allowlist()
        .env("IRON_PROXY_ALLOW_HOSTS", "@granted,c.test")
        .start()
        .await;
    in_sync(&w).await;
    is_used(&w).await;

    let (mut stream, mut other_stream) =
        (events(&w, "a.test", PLACEHOLDER).await, events(&w, "b.test", OTHER_PLACEHOLDER).await);
    let mut socket = w.https("a.test").await;
    let upgrade = Request::get(&w.at("a.test"), "/ws")
        .bearer(PLACEHOLDER)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    socket.send(upgrade.bytes()).await;
    socket.head().await.expect(101);
    let (mut tunnel, mut other_tunnel, mut plain_tunnel) =
        (w.tunnel_tls("a.test").await, w.tunnel_tls("b.test").await, w.tunnel_tls("c.test").await);
    ask_on(&w, &mut tunnel, "a.test", PLACEHOLDER).await.expect(200);
    assert_eq!(seen(&w), format!("Bearer {REAL}"));

    api.call("DELETE", &format!("grants/{}", granted.grant), Value::Null).await.expect(204);
    stream.rest().await;
    socket.rest().await;
    tunnel.rest().await;
    let before = w.origin.seen().len();
    assert_eq!(ask(&w, "a.test", PLACEHOLDER).await.refused(403).code(), Some("no-rule"));
    assert_eq!(w.origin.seen().len(), before, "the origin was asked");

    // All others are as they were.
    (0..8).for_each(|_| w.origin.release());
    other_stream.until("event 3").await;
    ask_on(&w, &mut other_tunnel, "b.test", OTHER_PLACEHOLDER).await.expect(200);
    assert_eq!(seen(&w), format!("Bearer {OTHER}"));
    ask_on(&w, &mut plain_tunnel, "c.test", PLACEHOLDER).await.expect(200);
    assert_eq!(seen(&w), format!("Bearer {PLACEHOLDER}"));
    drop((other_stream, other_tunnel, plain_tunnel));

    grant(&api, &granted.principal, &granted.secret).await;
    eventually("the new grant", async || ask(&w, "a.test", PLACEHOLDER).await.status == 200).await;
    assert_eq!(seen(&w), format!("Bearer {REAL}"));
    let audit = w.finish_at_least(10).await;
    let revoked = audit.iter().filter(|line| line.reason() == "revoked").count();
    assert!(revoked >= 2, "the stream and the socket: {audit:#?}");
    console.stop().await;
}

/// A console of this process, with a budget that the program's settings do not allow for being so short.
struct Brief {
    url: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Brief {
    async fn start(database: &Database, port: &str) -> Self {
        let address = database.address();
        let env: HashMap<_, _> = [
            ("CENTAUR_CONSOLE_ACCESS_LOG", "off"),
            ("CENTAUR_CONSOLE_LISTEN", "127.0.0.1"),
            ("PORT", port),
            ("DATABASE_URL", &address),
            ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", SEALING_KEY),
            ("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test"),
            ("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1"),
            ("CENTAUR_CONSOLE_INITIAL_API_KEY", KEY),
        ]
        .into();
        let config = Config::from_env(|name| env.get(name).map(|value| (*value).to_owned()), false);
        let config = Config { max_age: Duration::from_secs(6), ..config.expect("settings") };
        let server = Server::start(config).await.expect("a console");
        let url = format!("http://{}", server.address());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Self { url, stop, served }
    }

    fn port(&self) -> String {
        self.url.rsplit(':').next().expect("a port").to_owned()
    }

    fn api(&self) -> Api {
        Api::new(self.url.trim_start_matches("http://").parse().expect("an address"))
    }

    async fn stop(self) {
        drop(self.stop);
        within("the console to end", self.served).await.expect("served to the end");
    }
}

#[tokio::test]
async fn without_a_console_credentials_end_with_their_budget_and_with_it_they_are_back() {
    let database = Database::sqlite();
    let console = Brief::start(&database, "0").await;
    let port = console.port();
    let granted = Granted::make(&console.api()).await;
    let w = granted.proxy_of(&console.url).allow("a.test").allow("c.test").start().await;
    in_sync(&w).await;
    is_used(&w).await;

    console.stop().await;
    eventually("the end of the budget", async || status(&w).await["stale"] == true).await;
    ask(&w, "a.test", PLACEHOLDER).await.expect(200);
    assert_eq!(seen(&w), format!("Bearer {PLACEHOLDER}"));
    ask(&w, "c.test", PLACEHOLDER).await.expect(200);

    let console = Brief::start(&database, &port).await;
    eventually("the credentials again", async || status(&w).await["stale"] == false).await;
    is_used(&w).await;
    w.finish(4).await;
    console.stop().await;
}

/// Tells of the attempts of a client.
struct Attempts(watch::Sender<Vec<Option<u16>>>);

impl Observer for Attempts {
    fn ended(&self, exchange: &Exchange<'_>) {
        self.0.send_modify(|all| all.push(exchange.status));
    }
}

#[track_caller]
fn is_away(answer: &Answer) {
    answer.expect(503);
    assert_eq!(answer.json()["error"]["code"], "unavailable");
    let after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok());
    assert!(after.is_some_and(|text| text.parse::<u32>().is_ok()), "Retry-After: {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_the_console_says_so_the_proxy_goes_on_and_nothing_is_lost() {
    let mut postgres = OwnServer::start().await;
    let console = Console::start_at(postgres.address(), &[]).await;
    let api = console.api();
    let granted = Granted::make(&api).await;
    let w = granted.proxy_of(&console.url()).allow("a.test").start().await;
    in_sync(&w).await;
    is_used(&w).await;

    postgres.stop();
    is_away(&api.call("PUT", "principals/other", json!({"name": "lost"})).await);
    is_away(&api.call("GET", &format!("grants/{}", granted.grant), Value::Null).await);
    is_away(&api.sync(&granted.token, None, &[]).await.expect("an answer"));
    is_away(&api.send("GET", "/readyz", &[], "").await.expect("an answer"));
    api.send("GET", "/up", &[], "").await.expect("an answer").expect(200);
    // It was waiting for a change, and is told to ask at once.
    poke(&w).await;
    eventually("the proxy to hear of it", async || status(&w).await["last_error"]["code"] == "unavailable")
        .await;
    assert_eq!(status(&w).await["stale"], false);
    is_used(&w).await;

    // A client that tries again has its write, whenever the database is back.
    let (attempts, mut tried) = watch::channel(Vec::new());
    let base = BaseUrl::parse(&console.url()).expect("an address");
    let key = TokenSource::Value(Secret::new(KEY.to_owned()));
    let options = Options { retries: 10, ..Options::new("centaur-e2e") };
    let client = ApiClient::new(base, key, options).expect("a client");
    let client = client.observed_by(Arc::new(Attempts(attempts)));
    let write = tokio::spawn(async move {
        client.put_principal("later", &json!({"name": "kept"}), Expect::Anything).await
    });
    within("a first attempt", tried.wait_for(|tried| !tried.is_empty())).await.expect("an observer");
    postgres.start_again().await;
    let written = within("the write", write).await.expect("no panic").expect("it was written");
    assert_eq!(written.row.name.as_deref(), Some("kept"));
    let tried = tried.borrow().clone();
    assert_eq!(tried.first(), Some(&Some(503)), "{tried:?}");

    assert_eq!(api.get(&format!("grants/{}", granted.grant)).await["id"], granted.grant.as_str());
    let lost = api.call("GET", "principals/lookup/default/other", Value::Null).await;
    lost.expect(404);
    is_used(&w).await;
    api.call("DELETE", &format!("grants/{}", granted.grant), Value::Null).await.expect(204);
    poke(&w).await;
    eventually("the revocation", async || {
        let answer = ask(&w, "a.test", PLACEHOLDER).await;
        if answer.status == 403 {
            // It was under way when the revocation came.
            assert_eq!(answer.refused(403).code(), Some("revoked"));
            return false;
        }
        answer.expect(200);
        seen(&w) == format!("Bearer {PLACEHOLDER}")
    })
    .await;
    let verified = api.get("audit_events/verify").await;
    assert_eq!(verified["whole"], true, "{verified}");
    w.finish_at_least(4).await;
    console.stop().await;
}
