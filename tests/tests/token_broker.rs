//! A login from end to end: a provider that rotates refresh tokens, `iron-token-broker` in front of it, `iron-proxy` that
//! asks the broker, and an agent that never sees a token.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use centaur_e2e::leak;
use centaur_e2e::proxy::{self, Proxy};
use centaur_e2e::wait::within;
use centaur_e2e::{Request, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const BEARER: &str = "fake-broker-bearer";
/// How long an access token lasts, in seconds. It is refreshed after ten, the least that there is.
const LASTS: u32 = 20;
/// More tokens than a test gets.
const MOST: usize = 8;

/// Gives each refresh token out once, and refuses everything when one comes again.
#[derive(Clone)]
struct Provider {
    address: SocketAddr,
    presented: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let provider = Self { address, presented: Arc::default() };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        provider
    }

    async fn answer(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut text = String::new();
        while !text.contains("client_id=fake-client") || !text.contains("refresh_token=rt-fake-") {
            let mut chunk = [0; 1024];
            match stream.read(&mut chunk).await? {
                0 => return Ok(()),
                read => text.push_str(&String::from_utf8_lossy(&chunk[..read])),
            }
        }
        let token = text.rsplit("refresh_token=").next().and_then(|rest| rest.split('&').next());
        let (status, body) = {
            let mut presented = self.presented.lock().expect("lock");
            presented.push(token.unwrap_or_default().to_owned());
            let at = presented.len();
            if presented[at - 1] == refresh_token(at - 1) {
                let (access, refresh) = (access_token(at), refresh_token(at));
                let body = format!(
                    r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":{LASTS}}}"#
                );
                ("200 OK", body)
            } else {
                ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned())
            }
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await
    }
}

fn access_token(number: usize) -> String {
    format!("at-fake-{number}-of-the-login")
}

fn refresh_token(number: usize) -> String {
    format!("rt-fake-{number}-of-the-login")
}

/// The broker, and where it is.
async fn broker(provider: &Provider, directory: &Path) -> (Proxy, String) {
    let document = directory.join("login.json");
    std::fs::write(&document, format!(r#"{{"refresh_token":"{}"}}"#, refresh_token(0))).expect("a write");
    let text = format!(
        "listen: 127.0.0.1:0\nbearer_auth_env: IRON_BROKER_TOKEN\ntoken_endpoint_allow: [127.0.0.1]\n\
         credentials:\n- id: team/login\n  token_endpoint: http://{}/token\n  \
         client_id: {{type: env, var: CLIENT_ID}}\n  store: {{type: file, path: {}}}\n",
        provider.address,
        document.display()
    );
    let config = directory.join("broker.yaml");
    std::fs::write(&config, text).expect("a write");
    let env = [("IRON_BROKER_TOKEN", BEARER), ("CLIENT_ID", "fake-client")];
    let env: HashMap<_, _> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let program = proxy::token_broker();
    let config = config.to_str().expect("text");
    let broker = Proxy::spawn_program(&program, &["--config", config], &env);
    let address = broker.logged("listening").await["address"].as_str().expect("an address").to_owned();
    (broker, format!("http://{address}"))
}

async fn ask(w: &World) -> String {
    let request = Request::get(&w.at("a.test"), "/reflect");
    request.on(&mut w.https("a.test").await).await.expect(200);
    w.origin.last().header("authorization").expect("a token").to_owned()
}

#[tokio::test]
async fn an_agent_uses_a_login_that_it_never_sees_while_its_tokens_rotate() {
    let directory = tempfile::tempdir().expect("a directory");
    let provider = Provider::start().await;
    let (broker, url) = broker(&provider, directory.path()).await;
    let entry = "{source: {type: token_broker, credential_id: team/login, ttl: 1s}, rules: [{host: \"a.test\"}], \
                 inject: {header: Authorization, formatter: \"Bearer {{ .Value }}\", require: true}}";
    let mut builder = World::builder().allow("a.test").secret(entry).env("IRON_BROKER_URL", &url);
    builder = builder.value("IRON_BROKER_TOKEN", BEARER);
    let mut values = vec![BEARER.to_owned()];
    for number in 0..MOST {
        for value in [access_token(number), refresh_token(number)] {
            // Only to have it searched for in everything that comes out.
            builder = builder.value(&format!("UNUSED_{}", values.len()), &value);
            values.push(value);
        }
    }
    let w = builder.start().await;

    let bearer = |number| format!("Bearer {}", access_token(number));
    let mut asked = 1;
    assert_eq!(ask(&w).await, bearer(1));
    // Every request has a good token, and some day it is the next one.
    within("a rotation under traffic", async {
        loop {
            let shown = ask(&w).await;
            asked += 1;
            if shown == bearer(2) {
                break;
            }
            assert_eq!(shown, bearer(1));
            // Traffic, not a flood.
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // Without the broker the token is good until it ends.
    let ended = broker.stop().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    for _ in 0..3 {
        assert_eq!(ask(&w).await, bearer(2));
        asked += 1;
    }
    w.finish(asked).await;
    leak::refuse("the broker's standard output", &ended.stdout, &values);
    leak::refuse("the broker's standard error", ended.stderr.as_bytes(), &values);
    let presented = provider.presented.lock().expect("lock").clone();
    assert_eq!(presented, [refresh_token(0), refresh_token(1)], "each once");
}
