//! A provider on this machine that is strict: it redeems a code once, for the client, the redirect URI and the verifier
//! that it was made for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use centaur_test_issuer::{Algorithm, Issuer, Key, Reply, Request};
use serde_json::{Value, json};

use crate::consent::browser::Sent;

pub(crate) const CLIENT: &str = "client-1";
pub(crate) const SECRET: &str = "fake-client-secret";

pub(crate) struct StandIn {
    pub(crate) issuer: Issuer,
    codes: Arc<Mutex<BTreeMap<String, Code>>>,
    made: AtomicUsize,
}

/// How the client has to name itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Post,
    Basic,
    Public,
}

struct Code {
    sent: Sent,
    answer: Reply,
    client: Client,
}

impl StandIn {
    /// With a key, and a token endpoint at each of these paths.
    pub(crate) async fn start(paths: &[&str]) -> Self {
        let issuer = Issuer::start().await;
        issuer.use_keys([Key::new("k1", Algorithm::Rs256)]);
        let codes = Arc::new(Mutex::<BTreeMap<String, Code>>::default());
        for path in paths {
            let codes = codes.clone();
            issuer.on(path, move |request| redeem(request, &codes));
        }
        Self { issuer, codes, made: AtomicUsize::new(0) }
    }

    /// A code for a browser that was sent here; redeemed it gives this answer.
    pub(crate) fn code(&self, sent: &Sent, answer: &Value) -> String {
        self.code_for(sent, 200, answer, Client::Post)
    }

    pub(crate) fn code_for(&self, sent: &Sent, status: u16, answer: &Value, client: Client) -> String {
        let mut codes = self.codes.lock().expect("codes");
        let name = format!("fake-code-{}", self.made.fetch_add(1, Ordering::Relaxed));
        codes.insert(name.clone(), Code { sent: sent.clone(), answer: (status, answer.to_string()), client });
        name
    }

    /// The claims of a token for a flow.
    pub(crate) fn claims(issuer: &str, sent: &Sent, subject: &str, email: &str) -> Value {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        json!({"iss":issuer,"aud":CLIENT,"sub":subject,"email":email,"email_verified":true,"iat":now,
            "exp":now + 3600,"nonce":sent.params.get("nonce")})
    }

    /// What Google answers.
    pub(crate) fn google(&self, sent: &Sent, subject: &str, number: u32) -> Value {
        let email = format!("{subject}@example.test");
        let claims = Self::claims("https://accounts.google.com", sent, subject, &email);
        self.tokens(&claims, number)
    }

    pub(crate) fn tokens(&self, claims: &Value, number: u32) -> Value {
        json!({"access_token":format!("fake-at-{number}"),"refresh_token":format!("fake-rt-{number}"),
            "expires_in":3600,"scope":"scope-a openid","id_token":self.issuer.sign(claims),"token_type":"Bearer"})
    }
}

fn redeem(request: &Request, codes: &Mutex<BTreeMap<String, Code>>) -> Reply {
    let refused = |code: &str| (400, json!({ "error": code }).to_string());
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str);
    if request.method != "POST" || field("grant_type") != Some("authorization_code") {
        return refused("unsupported_grant_type");
    }
    let Some(code) = field("code").and_then(|code| codes.lock().expect("codes").remove(code)) else {
        return refused("invalid_grant");
    };
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    let named = (field("client_id"), field("client_secret"), request.headers.get("authorization"));
    let is_client = match code.client {
        Client::Post => named == (Some(CLIENT), Some(SECRET), None),
        Client::Basic => named == (None, None, Some(&basic)),
        Client::Public => named == (Some(CLIENT), None, None),
    };
    if !is_client {
        return (401, json!({"error":"invalid_client"}).to_string());
    }
    let is_right = match (field("code_verifier"), code.sent.params.get("code_challenge")) {
        (Some(verifier), Some(challenge)) => {
            URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == *challenge && verifier.len() >= 43
        }
        (None, None) => true,
        _ => false,
    };
    if !is_right || field("redirect_uri") != code.sent.params.get("redirect_uri").map(String::as_str) {
        return refused("invalid_grant");
    }
    code.answer
}
