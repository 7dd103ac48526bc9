//! Notices of credentials that died.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::console::Console;
use crate::on_both;
use crate::provider::Provider;

const CREDENTIALS: &str = "/api/v1/broker_credentials";
const SECRET: &str = "fake-webhook-secret";

/// Takes notices, until it is dropped.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    _task: JoinSet<()>,
}

impl Receiver {
    /// Answers the first notices with these statuses, and the others with 204.
    async fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook/fake-path", listener.local_addr().expect("an address"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let (mut task, shared) = (JoinSet::new(), got.clone());
        task.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut text, mut chunk) = (String::new(), [0; 4096]);
                let (head, body) = loop {
                    let read = stream.read(&mut chunk).await.expect("a request");
                    text.push_str(&String::from_utf8_lossy(&chunk[..read]));
                    if let Some((head, body)) = text.split_once("\r\n\r\n")
                        && body.ends_with('}')
                    {
                        break (head.to_owned(), body.to_owned());
                    }
                };
                let status = {
                    let mut got = shared.lock().expect("the list");
                    got.push((head, serde_json::from_str(&body).expect("JSON")));
                    statuses.get(got.len() - 1).copied().unwrap_or(204)
                };
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, got, _task: task }
    }

    async fn wait(&self, count: usize) -> Vec<(String, Value)> {
        let wait = async {
            while self.got.lock().expect("the list").len() < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_mins(1), wait).await.expect("notices");
        self.got.lock().expect("the list").clone()
    }
}

fn settings(url: &str) -> [(&str, &str); 5] {
    [
        ("CENTAUR_CONSOLE_BROKER", "on"),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
        ("CENTAUR_CONSOLE_BROKER_WEBHOOK_URL", url),
        ("CENTAUR_CONSOLE_BROKER_WEBHOOK_SECRET", SECRET),
        ("CENTAUR_CONSOLE_PUBLIC_URL", "https://console.test"),
    ]
}

async fn a_death_is_told_by_one_of_two_replicas_once() {
    let (provider, receiver) = (Provider::start().await, Receiver::start(&[]).await);
    let console = Console::with(&settings(&receiver.url)).await;
    let other = console.beside(&settings(&receiver.url)).await;
    let data = json!({"foreign_id":"one","name":"One","token_endpoint":provider.url(),"client_id":"client-1",
        "refresh_token":"fake-f.7"});
    let id = console.make(CREDENTIALS, data.clone()).await;
    let (head, notice) = receiver.wait(1).await.remove(0);
    assert_eq!(
        (&notice["type"], &notice["reason"]),
        (&json!("broker_credential.died"), &json!("invalid_grant"))
    );
    assert_eq!(
        notice["credential"],
        json!({"id":id,"namespace":"default","foreign_id":"one","name":"One","provider":null,"provider_email":null})
    );
    assert_eq!(notice["reconnect_url"], Value::Null, "no consent made it");
    assert!(head.contains("x-centaur-signature: t="), "{head}");
    let log = console.get(&format!("{CREDENTIALS}/{id}/attempts")).await.data(200);
    assert_eq!(notice["id"], log[0]["id"], "named by the attempt");

    // Another death is another notice; the first came once.
    console.patch(&format!("{CREDENTIALS}/{id}"), json!({"refresh_token":"fake-g.7"})).await.expect(200);
    let notices = receiver.wait(2).await;
    assert_eq!(notices.len(), 2);
    assert_ne!(notices[0].1["id"], notices[1].1["id"]);
    for (head, notice) in &notices {
        assert!(!format!("{head}{notice}").contains("fake-g") && !head.contains(SECRET));
    }
    other.stop().await;
    console.stop().await;
}

async fn a_notice_that_was_refused_is_counted_and_kept() {
    let (provider, receiver) = (Provider::start().await, Receiver::start(&[500]).await);
    let console = Console::with(&settings(&receiver.url)).await;
    let data = json!({"foreign_id":"one","token_endpoint":provider.url(),"client_id":"client-1",
        "refresh_token":"fake-f.7"});
    console.make(CREDENTIALS, data).await;
    receiver.wait(1).await;
    let counted = async {
        loop {
            let metrics = console.send("GET", "/metrics", &[], "").await.text;
            if metrics.contains("broker_notices_total{result=\"failed\"} 1") {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), counted).await.expect("counted");
    let now = centaur_store::Micros(i64::MAX);
    let mut tx = console.app.store().read().await.expect("a transaction");
    assert_eq!(tx.due_notice(now).await.expect("an answer").expect("it is kept").tries, 1);
    drop(tx);
    console.stop().await;
}

async fn a_reconnect_link_has_the_scopes_of_the_credential() {
    let (provider, receiver) = (Provider::start().await, Receiver::start(&[]).await);
    let base = format!("http://{}", provider.address);
    let moved = ("CENTAUR_CONSOLE_PROVIDER_SLACK_BASE_URL", base.as_str());
    let settings: Vec<_> = settings(&receiver.url).into_iter().chain([moved]).collect();
    let console = Console::with(&settings).await;
    let app = json!({"slug":"team-chat","provider":"slack","client_id":"client-1","client_secret":"fake-client-secret",
        "allowed_scopes":["channels:history","users:read"]});
    console.make("/api/v1/oauth_apps", app).await;
    let store = console.app.store();
    let row = store.read().await.expect("a transaction").app_by_slug("team-chat").await.expect("an answer");
    let row = row.expect("an app");
    let patch = &centaur_store::CredentialPatch {
        token_endpoint: Some("https://slack.com/api/oauth.v2.access".to_owned()),
        oauth_app: Some(Some(row.id)),
        provider_subject: Some(Some("U1".to_owned())),
        provider_email: Some(Some("one@example.test".to_owned())),
        scopes: Some(vec!["channels:history".to_owned(), "users:read".to_owned(), "identify".to_owned()]),
        refresh_token: Some(centaur_base::Secret::new("fake-f.7".to_owned())),
        ..centaur_store::CredentialPatch::default()
    };
    let system = centaur_store::Actor::system();
    let made: Result<_, centaur_store::StoreError> = store
        .write(&system, |tx| Box::pin(async move { tx.create_credential("default", None, patch).await }))
        .await;
    made.expect("made");
    let (_, notice) = receiver.wait(1).await.remove(0);
    assert_eq!(
        notice["reconnect_url"],
        "https://console.test/oauth/team-chat/start?scopes=channels%3Ahistory%20users%3Aread"
    );
    let told = &notice["credential"];
    assert_eq!((&told["provider"], &told["provider_email"]), (&json!("slack"), &json!("one@example.test")));
    console.stop().await;
}

on_both!(
    a_death_is_told_by_one_of_two_replicas_once,
    a_notice_that_was_refused_is_counted_and_kept,
    a_reconnect_link_has_the_scopes_of_the_credential,
);
