//! Harness logins: the token calls of an agent's own program are answered by the proxy, and its token and account are
//! set on the host of its API alone.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use centaur_e2e::console::TOKEN;
use centaur_e2e::h2client::H2;
use centaur_e2e::pki::Pki;
use centaur_e2e::wait::eventually;
use centaur_e2e::{Builder, Conn, Console, Origin, Reply, Request, World};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const HOSTS: &[&str] = &["chatgpt.com", "api.anthropic.com", "auth.openai.com", "other.test"];
const ENDPOINT: &str = "auth.openai.com";
const PATH: &str = "/oauth/token";
/// What the proxy holds.
const REAL: &str = "fake/codex+\"access=token";
const ACCOUNT: &str = "fake-account-5f0c3a52";
/// What the agent holds and sends: no secret, and still in no log.
const OWN: &str = "fake-refresh-token-of-the-agent";

fn form() -> String {
    format!("grant_type=refresh_token&client_id=fake&refresh_token={OWN}")
}

fn document() -> String {
    json!({"client_id": "fake", "grant_type": "refresh_token", "refresh_token": OWN}).to_string()
}

/// Allows the API, the stand-in of the endpoint's neighbour, and not the endpoint.
fn unbound() -> Builder {
    World::builder().allow("chatgpt.com").allow("other.test").value("OWN", OWN)
}

/// The login is bound: token and account on the API's host.
fn bound() -> Builder {
    unbound()
        .secret(
            "{source: {type: env, var: CODEX}, rules: [{host: chatgpt.com}], \
             inject: {header: Authorization, formatter: \"Bearer {{ .Value }}\"}}",
        )
        .secret(
            "{source: {type: env, var: ACCOUNT}, rules: [{host: chatgpt.com}], inject: {header: chatgpt-account-id}}",
        )
        .value("CODEX", REAL)
        .value("ACCOUNT", ACCOUNT)
}

async fn start(builder: Builder) -> World {
    let ca = Pki::new("origins");
    let origin = Origin::start(ca.server(HOSTS, &["h2", "http/1.1"])).await;
    builder.start_before(ca, origin).await
}

fn call(body: &str) -> Request {
    Request::post(ENDPOINT, PATH, body).field("Content-Type", "application/json")
}

async fn renew(w: &World) -> Reply {
    call(&document()).on(&mut w.https(ENDPOINT).await).await
}

/// An answer of the right form, with nothing in it.
#[track_caller]
fn is_answer(status: u16, code: Option<&str>, content: &[u8]) {
    assert_eq!((status, code), (200, Some("token-call-answered")));
    let answer: Value = serde_json::from_slice(content).expect("JSON");
    for token in ["id_token", "access_token"] {
        assert_eq!(answer[token].as_str().expect("a token").split('.').count(), 3, "{answer}");
    }
    assert!(answer["refresh_token"].as_str().expect("a token").starts_with("placeholder-"), "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
}

#[track_caller]
fn answered(reply: &Reply) {
    is_answer(reply.status, reply.code(), &reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

async fn socks(w: &World) -> Conn {
    let mut conn = w.connect("tunnel").await;
    conn.send([5, 1, 0]).await;
    assert_eq!(conn.take(2).await, [5, 0]);
    let length = u8::try_from(ENDPOINT.len()).expect("short");
    conn.send([&[5, 1, 0, 3, length], ENDPOINT.as_bytes(), &443_u16.to_be_bytes()].concat()).await;
    assert_eq!(conn.take(10).await[..2], [5, 0]);
    conn
}

#[tokio::test]
async fn a_refresh_is_answered_on_every_way_in_and_nothing_goes_upstream() {
    // What keeps bodies and fields is not shown these.
    let w =
        start(bound().transform("  - name: body_capture\n    config: {rules: [{host: \"*\"}]}").transform(
            "  - name: annotate\n    config: {annotations: [{rules: [{host: \"*\"}], headers: [x-own]}]}",
        ))
        .await;
    answered(&call(&form()).field("x-own", OWN).on(&mut w.http().await).await);
    let mut kept = w.https(ENDPOINT).await;
    for body in [form(), document()] {
        answered(&call(&body).on(&mut kept).await);
    }
    let mut h2 = w.h2(ENDPOINT).await;
    let h2_call = || http::Request::post(format!("https://{ENDPOINT}{PATH}"));
    let reply = h2.send(h2_call(), &document()).await.expect("a reply");
    is_answer(reply.status.as_u16(), reply.header("x-iron-reason"), &reply.body);

    let tunnel = w.tunnel(&format!("{ENDPOINT}:443")).await;
    let mut inside = tunnel.tls(ENDPOINT, w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    answered(&call(&form()).on(&mut inside).await);
    let tunnel = w.tunnel(&format!("{ENDPOINT}:443")).await;
    let mut h2 = H2::new(tunnel.tls(ENDPOINT, w.proxy_ca.client(&["h2"])).await.expect("handshake")).await;
    let reply = h2.send(h2_call(), &form()).await.expect("a reply");
    is_answer(reply.status.as_u16(), reply.header("x-iron-reason"), &reply.body);
    let mut inside =
        socks(&w).await.tls(ENDPOINT, w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    answered(&call(&document()).on(&mut inside).await);
    let absolute = Request::post(ENDPOINT, &format!("http://{ENDPOINT}{PATH}"), form());
    answered(&absolute.on(&mut w.connect("tunnel").await).await);

    // A body that is waited for, and one in pieces.
    let mut conn = w.https(ENDPOINT).await;
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: {ENDPOINT}\r\n");
    let length = form().len();
    conn.send(format!("{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n")).await;
    conn.until("100 Continue\r\n\r\n").await;
    conn.send(form()).await;
    answered(&conn.reply().await);
    let whole = form();
    let (one, two) = whole.split_at(7);
    conn.send(format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    ))
    .await;
    answered(&conn.reply().await);

    assert_eq!(w.origin.connections(), 0);
    assert!(w.dns.asked().is_empty(), "{:?}", w.dns.asked());
    drop((kept, h2, inside, conn));
    let audit = w.finish(13).await;
    let (opened, calls): (Vec<_>, Vec<_>) = audit.iter().partition(|line| line.method() == "CONNECT");
    assert_eq!((opened.len(), calls.len()), (3, 10));
    for line in calls {
        assert_eq!((line.action(), line.status(), line.reason()), ("answer", 200, "token-call-answered"));
        assert_eq!(line.0["answered_by"], "harness_logins");
        assert_eq!(line.0["request_transforms"][0]["annotations"], json!({"login": "openai-codex"}));
    }
    for line in opened {
        assert!(line.action() == "allow" && line.text().contains("\"harness_logins\":\"openai-codex\""));
    }
}

#[tokio::test]
async fn what_is_no_refresh_is_refused_with_a_code() {
    let w = start(bound()).await;
    let mut conn = w.https(ENDPOINT).await;
    for (request, status, code) in [
        (Request::get(ENDPOINT, PATH), 405, "token-call-method"),
        (Request::new("OPTIONS", ENDPOINT, "//OAuth/token/"), 405, "token-call-method"),
        (call(&format!("grant_type=authorization_code&code={OWN}")), 403, "token-call-grant"),
        (call(&json!({"grant_type": "client_credentials", "x": OWN}).to_string()), 403, "token-call-grant"),
        (call(OWN), 400, "token-call-unreadable"),
        (call(""), 400, "token-call-unreadable"),
    ] {
        let reply = request.on(&mut conn).await;
        assert_eq!(reply.refused(status).code(), Some(code));
        assert!(reply.text().contains("openai-codex"), "{}", reply.text());
    }
    let long = call(&format!("{}&{}", form(), "x".repeat(70_000))).on(&mut w.https(ENDPOINT).await).await;
    assert_eq!(long.refused(400).code(), Some("token-call-unreadable"));
    let mut h2 = w.h2(ENDPOINT).await;
    let upgrade = http::Request::builder().uri(format!("https://{ENDPOINT}{PATH}"));
    let refused = h2.websocket(upgrade).await.expect("a reply").err().expect("no WebSocket");
    assert_eq!((refused.status.as_u16(), refused.header("x-iron-reason")), (405, Some("token-call-method")));
    // The neighbours of the endpoint are decided as ever.
    for path in ["/", "/oauth/tokens", "/oauth/token/x"] {
        let reply = Request::post(ENDPOINT, path, form()).on(&mut conn).await;
        assert_eq!(reply.refused(403).code(), Some("no-rule"));
    }
    answered(&call(&form()).on(&mut conn).await);
    assert_eq!(w.origin.connections(), 0);
    drop((conn, h2));
    let audit = w.finish(12).await;
    assert!(audit[..8].iter().all(|line| line.0["rejected_by"] == "harness_logins"), "{audit:#?}");
}

#[tokio::test]
async fn without_a_bound_token_a_call_is_a_request_like_any_other() {
    let replaced = "{source: {type: env, var: CODEX}, rules: [{host: chatgpt.com}], \
                    replace: {proxy_value: PLACE, match_headers: [Authorization]}}";
    let elsewhere =
        "{source: {type: env, var: CODEX}, rules: [{host: other.test}], inject: {header: Authorization}}";
    for builder in [
        unbound(),
        unbound().secret(replaced).value("CODEX", REAL),
        unbound().secret(elsewhere).value("CODEX", REAL),
        bound().proxy_keys("  harness_logins: {answer: never}"),
        bound().env("IRON_PROXY_HARNESS_LOGINS", "never"),
    ] {
        let w = start(builder).await;
        assert_eq!(renew(&w).await.refused(403).code(), Some("no-rule"));
        let mut conn = w.connect("tunnel").await;
        conn.send(format!("CONNECT {ENDPOINT}:443 HTTP/1.1\r\nHost: {ENDPOINT}:443\r\n\r\n")).await;
        assert_eq!(conn.reply().await.refused(403).code(), Some("no-rule"));
        assert_eq!(w.origin.connections(), 0);
        w.finish(2).await;
    }
    // Allowed, so it is forwarded: as a file that knows nothing of this expects it.
    let w = start(unbound().allow(ENDPOINT)).await;
    let at = w.at(ENDPOINT);
    Request::post(&at, PATH, form()).on(&mut w.https(ENDPOINT).await).await.expect(200);
    assert_eq!(w.origin.only().body, form().as_bytes());
    w.finish(1).await;
    // The same with the login bound, and with all logins answered.
    for builder in [bound().allow(ENDPOINT), unbound().env("IRON_PROXY_HARNESS_LOGINS", "always")] {
        let w = start(builder).await;
        answered(&Request::post(&w.at(ENDPOINT), PATH, form()).on(&mut w.https(ENDPOINT).await).await);
        assert_eq!(w.origin.connections(), 0);
        w.finish(1).await;
    }
}

#[tokio::test]
async fn a_login_of_ones_own_has_its_endpoints_and_its_form() {
    let w = start(bound().proxy_keys(
        "  harness_logins: {logins: [{name: own, shape: claude, api_hosts: [CHATGPT.com], \
         token_urls: ['https://other.test:8443/v2/renew']}]}",
    ))
    .await;
    let renew = async |host: &str| {
        let mut conn = w.https("other.test").await;
        Request::post(host, "/v2/renew", document()).on(&mut conn).await
    };
    let reply = renew("other.test:8443").await;
    let answer: Value = serde_json::from_slice(&reply.expect(200).body).expect("JSON");
    assert!(answer["id_token"].is_null() && answer["scope"] == "user:inference user:profile", "{answer}");
    renew(&w.at("other.test")).await.expect(200);
    assert_eq!(w.origin.only().target, "/v2/renew");
    // The list replaced the others.
    assert_eq!(call(&form()).on(&mut w.https(ENDPOINT).await).await.refused(403).code(), Some("no-rule"));
    let audit = w.finish(3).await;
    assert_eq!((audit[0].action(), audit[1].action()), ("answer", "allow"));
}

#[tokio::test]
async fn a_reload_brings_the_rule_with_the_credential_and_takes_it_away() {
    let w = start(bound()).await;
    answered(&renew(&w).await);
    for (from, to, good) in [
        ("host: chatgpt.com}], inject: {header: Auth", "host: other.test}], inject: {header: Auth", false),
        ("metrics:", "compat: strict\nmetrics:", false),
        ("host: other.test}], inject: {header: Auth", "host: chatgpt.com}], inject: {header: Auth", true),
        ("  tunnel_listen:", "  harness_logins: {answer: never}\n  tunnel_listen:", false),
    ] {
        w.edit_config(from, to);
        w.proxy.signal(Signal::HUP);
        eventually("the reload", async || (renew(&w).await.status == 200) == good).await;
    }
    assert!(!w.proxy.stderr().contains("take effect at the next start"), "{}", w.proxy.stderr());
    w.finish_at_least(5).await;
}

fn managed(hash: &str, secrets: &[Value]) -> Value {
    json!({
        "config_hash": hash, "status": "assigned", "principal_id": "prn_one",
        "rules": [{"host": "chatgpt.com"}], "secrets": secrets, "transforms": [], "postgres": [],
    })
}

#[tokio::test]
async fn in_managed_mode_the_rule_comes_with_the_binding_and_goes_with_the_principal() {
    let token = json!({
        "source": {"type": "control_plane", "value": REAL},
        "rules": [{"host": "chatgpt.com"}],
        "inject": {"header": "Authorization", "formatter": "Bearer {{ .Value }}"},
    });
    let console = Console::start().await;
    let plan = World::builder()
        .without_allowlist()
        .env("IRON_CONTROL_PLANE_URL", &console.url())
        .env("IRON_PROXY_TOKEN", TOKEN)
        .top("control_plane: {poll_interval: 100ms}")
        .value("OWN", OWN)
        .value("REAL", REAL);
    let w = start(plan).await;
    assert_eq!(renew(&w).await.refused(503).code(), Some("not-ready"));
    console.set(managed("sha256:1", &[]));
    eventually("the first configuration", async || renew(&w).await.status == 403).await;
    console.set(managed("sha256:2", std::slice::from_ref(&token)));
    eventually("the binding", async || renew(&w).await.status == 200).await;

    let tunnel = w.tunnel(&format!("{ENDPOINT}:443")).await;
    let mut inside = tunnel.tls(ENDPOINT, w.proxy_ca.client(&["http/1.1"])).await.expect("handshake");
    answered(&call(&form()).on(&mut inside).await);
    // A new value of the same token cuts nothing.
    let mut rotated = token.clone();
    rotated["source"]["value"] = format!("{REAL}2").into();
    console.set(managed("sha256:3", &[rotated]));
    console.until("the echo", |asked| asked.last().is_some_and(|ask| ask.hash == "sha256:3")).await;
    answered(&call(&form()).on(&mut inside).await);

    // A credential that died is left out, and that is when the program asks for another token.
    console.set(managed("sha256:4", &[]));
    console.until("the echo", |asked| asked.last().is_some_and(|ask| ask.hash == "sha256:4")).await;
    answered(&call(&form()).on(&mut inside).await);
    // What was bound for one principal means nothing for another.
    let mut another = managed("sha256:5", &[]);
    another["principal_id"] = "prn_two".into();
    console.set(another);
    assert!(inside.rest().await.is_empty(), "the tunnel was open for token calls alone");
    assert_eq!(renew(&w).await.refused(403).code(), Some("no-rule"));
    assert_eq!(w.origin.connections(), 0);
    console.check();
    w.finish_at_least(7).await;
}

#[tokio::test]
async fn token_and_account_are_set_on_the_api_alone_and_come_back_as_nothing() {
    let zero = "00000000-0000-0000-0000-000000000000";
    let w = start(bound()).await;
    let send = async |host: &str, path: &str| {
        let request = Request::get(&w.at(host), path).bearer("stand-in").field("ChatGPT-Account-Id", zero);
        request.on(&mut w.https(host).await).await
    };
    let shown = send("chatgpt.com", "/headers").await;
    let seen = w.origin.last();
    let all = |name: &str| -> Vec<String> {
        seen.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(all("authorization"), [format!("Bearer {REAL}")]);
    assert_eq!(all("chatgpt-account-id"), [ACCOUNT]);
    // The origin showed both back; `finish` searches for them in every form.
    let own = format!("chatgpt-account-id: {zero}\n");
    assert!(shown.expect(200).text().contains(&own), "{}", shown.text());
    send("chatgpt.com", "/reflect").await.expect(200);

    send("other.test", "/headers").await.expect(200);
    let seen = w.origin.last();
    assert_eq!(seen.header("authorization"), Some("Bearer stand-in"));
    assert_eq!(seen.header("chatgpt-account-id"), Some(zero));
    assert_eq!(send("api.anthropic.com", "/headers").await.refused(403).code(), Some("no-rule"));
    w.finish(4).await;
}

#[tokio::test]
async fn a_call_that_never_ends_is_given_up() {
    let w = start(bound()).await;
    let mut conn = w.https(ENDPOINT).await;
    conn.send(format!("POST {PATH} HTTP/1.1\r\nHost: {ENDPOINT}\r\nContent-Length: 100\r\n\r\ngrant_type="))
        .await;
    let reply = conn.reply().await;
    assert_eq!(reply.refused(400).code(), Some("token-call-unreadable"));
    assert_eq!(reply.header("connection"), Some("close"));
    w.finish(1).await;
}

/// A token broker that gives out one token, until it is told another.
#[derive(Clone, Default)]
struct Broker(Arc<Mutex<String>>);

const BROKER_TOKEN: &str = "fake-broker-token";

impl Broker {
    async fn start(token: &str) -> (Self, String) {
        let broker = Self::default();
        broker.gives(token);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let serving = broker.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let broker = serving.clone();
                let service = service_fn(move |request| {
                    let answer = broker.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
            }
        });
        (broker, url)
    }

    fn gives(&self, token: &str) {
        token.clone_into(&mut self.0.lock().expect("lock"));
    }

    fn answer(&self, request: &http::Request<Incoming>) -> http::Response<String> {
        let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let known = request.uri().path() == "/credentials/openai-codex/access_token";
        let status = if known && shown == Some(&format!("Bearer {BROKER_TOKEN}")) { 200 } else { 404 };
        let token = self.0.lock().expect("lock").clone();
        let body = json!({"access_token": token, "expires_at": "2100-01-01T00:00:00Z"}).to_string();
        http::Response::builder().status(status).body(body).expect("response")
    }
}

#[tokio::test]
async fn the_token_of_a_broker_is_set_on_the_api_alone_and_follows_its_rotation() {
    let next = format!("{REAL}-next");
    let (broker, url) = Broker::start(REAL).await;
    let w = start(
        unbound()
            .secret(
                "{source: {type: token_broker, credential_id: openai-codex, ttl: 100ms}, rules: [{host: chatgpt.com}], \
                 inject: {header: Authorization, formatter: \"Bearer {{ .Value }}\", require: true}}",
            )
            .env("IRON_BROKER_URL", &url)
            .value("IRON_BROKER_TOKEN", BROKER_TOKEN)
            .value("ONE", REAL)
            .value("TWO", &next),
    )
    .await;
    let at = w.at("chatgpt.com");
    let mut conn = w.https("chatgpt.com").await;
    let request = Request::get(&at, "/reflect").bearer("stand-in");
    request.on(&mut conn).await.expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    broker.gives(&next);
    eventually("the next token", async || {
        request.on(&mut conn).await.expect(200);
        w.origin.last().header("authorization") == Some(&format!("Bearer {next}"))
    })
    .await;
    answered(&renew(&w).await);
    let other = w.at("other.test");
    Request::get(&other, "/headers")
        .bearer("stand-in")
        .on(&mut w.https("other.test").await)
        .await
        .expect(200);
    assert_eq!(w.origin.last().header("authorization"), Some("Bearer stand-in"));
    drop(conn);
    w.finish_at_least(4).await;
}
