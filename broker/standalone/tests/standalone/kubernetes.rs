//! A stand-in of Kubernetes' API server that knows Secrets and is strict: TLS, a token, and `resourceVersion` as the
//! precondition of every patch.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::http::receive;

/// What its clients show.
pub(crate) const TOKEN: &str = "fake-service-account-token";
/// Where the Secrets are.
const PATH: &str = "/api/v1/namespaces/centaur/secrets/";

/// The server. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    address: SocketAddr,
    /// The certificate of who signed its own, PEM.
    roots: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    secrets: BTreeMap<String, Object>,
    version: u64,
    /// The next status of every answer.
    refuse: Option<u16>,
    /// The next patch is done, and its answer lost.
    lose_answer: bool,
    /// What was asked: method, path, status.
    asked: Vec<(String, String, u16)>,
    /// What a real server would not have taken.
    problems: Vec<String>,
}

struct Object {
    version: u64,
    data: BTreeMap<String, String>,
}

impl Kubernetes {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let roots = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&leaf_key, &issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Self { address, roots, kept: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(acceptor.clone(), stream));
            }
        });
        server
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("what is kept")
    }

    /// What a client needs to come here, as a kubeconfig file.
    pub(crate) fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority-data": STANDARD.encode(&self.roots),
            }}],
        })
        .to_string()
    }

    /// Writes a key of a Secret, as an operator does.
    pub(crate) fn put(&self, secret: &str, key: &str, text: &str) {
        let mut kept = self.kept();
        kept.version += 1;
        let version = kept.version;
        let fresh = || Object { version, data: BTreeMap::new() };
        let object = kept.secrets.entry(secret.to_owned()).or_insert_with(fresh);
        object.version = version;
        object.data.insert(key.to_owned(), STANDARD.encode(text));
    }

    /// The text under a key.
    pub(crate) fn text(&self, secret: &str, key: &str) -> String {
        let encoded = self.kept().secrets[secret].data[key].clone();
        String::from_utf8(STANDARD.decode(encoded).expect("Base64")).expect("text")
    }

    /// Answers everything with this status, or as it should.
    pub(crate) fn refuse(&self, status: Option<u16>) {
        self.kept().refuse = status;
    }

    pub(crate) fn lose_answer(&self) {
        self.kept().lose_answer = true;
    }

    pub(crate) fn has_lost_answer(&self) -> bool {
        !self.kept().lose_answer
    }

    /// How often this was answered with this status.
    pub(crate) fn count(&self, method: &str, status: u16) -> usize {
        self.kept().asked.iter().filter(|(m, _, s)| m == method && *s == status).count()
    }

    /// Fails when somebody asked for what a real server does not do, or for another Secret than `secret`.
    pub(crate) fn check(&self, secret: &str) {
        let kept = self.kept();
        assert!(kept.problems.is_empty(), "{:#?}", kept.problems);
        assert!(
            kept.asked.iter().all(|(_, path, _)| *path == format!("{PATH}{secret}")),
            "{:#?}",
            kept.asked
        );
    }

    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) -> Option<()> {
        let mut stream = acceptor.accept(stream).await.ok()?;
        loop {
            let (head, body) = receive(&mut stream).await?;
            let (status, answer) = self.answer(&head, &body)?;
            let text = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(text.as_bytes()).await.ok()?;
        }
    }

    /// `None` cuts the connection.
    fn answer(&self, head: &str, body: &str) -> Option<(u16, String)> {
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let path = target.split('?').next()?.to_owned();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let mut kept = self.kept();
        let (status, answer) = match kept.refuse {
            Some(status) => (status, failure(status, "Refused")),
            None if field("authorization") != Some(&format!("Bearer {TOKEN}")) => {
                (401, failure(401, "Unauthorized"))
            }
            None => kept.work(&method, path.strip_prefix(PATH)?, field("content-type"), body),
        };
        kept.asked.push((method.clone(), path, status));
        let is_lost = method == "PATCH" && status == 200 && std::mem::take(&mut kept.lose_answer);
        (!is_lost).then_some((status, answer))
    }
}

impl Kept {
    fn work(&mut self, method: &str, name: &str, kind: Option<&str>, body: &str) -> (u16, String) {
        let Some(object) = self.secrets.get_mut(name) else { return (404, failure(404, "NotFound")) };
        match method {
            "GET" => (200, object.show(name)),
            "PATCH" => {
                let patch: Value = serde_json::from_str(body).unwrap_or(Value::Null);
                let version = patch["metadata"]["resourceVersion"].as_str();
                let data = patch["data"].as_object().filter(|data| data.len() == 1);
                let is_bare = patch.as_object().is_some_and(|members| members.len() == 2)
                    && patch["metadata"].as_object().is_some_and(|members| members.len() == 1);
                let (Some(version), Some(data)) = (version, data.filter(|_| is_bare)) else {
                    self.problems.push("a patch of more than one key, or without a precondition".to_owned());
                    return (422, failure(422, "Invalid"));
                };
                if kind != Some("application/merge-patch+json") {
                    self.problems.push(format!("a patch of type {kind:?}"));
                    return (415, failure(415, "UnsupportedMediaType"));
                }
                if version != object.version.to_string() {
                    return (409, failure(409, "Conflict"));
                }
                self.version += 1;
                object.version = self.version;
                for (key, value) in data {
                    object.data.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
                }
                (200, object.show(name))
            }
            _ => {
                self.problems.push(format!("{method} of a Secret"));
                (405, failure(405, "MethodNotAllowed"))
            }
        }
    }
}

impl Object {
    fn show(&self, name: &str) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "centaur", "resourceVersion": self.version.to_string()},
            "data": self.data,
            "type": "Opaque",
        })
        .to_string()
    }
}

fn failure(code: u16, reason: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "message": "words of the server that may quote a fake-secret", "reason": reason, "code": code,
    })
    .to_string()
}
