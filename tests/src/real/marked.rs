//! A console in which everything that is written and never shown has a mark.

use serde_json::{Value, json};

use super::{Api, KEY, id};
use crate::canary::Canary;

const PASSWORD: &str = "fake-password-1";
/// Goes into `CENTAUR_JWT_SIGNING_SECRET`.
pub const SIGNING: &str = "fake-signing-secret-of-the-generated-entry";

/// A source with a value.
pub fn inline(value: &str) -> Value {
    json!({"source_type": "control_plane", "config": {}, "secret": value})
}

/// One of each of the seven types, with a mark in each source: kind, document, number of marks.
pub fn secrets(canary: &Canary) -> Vec<(&'static str, Value, usize)> {
    let source = |name: &str| inline(&canary.value(name));
    let keyfile = |name: &str| {
        let key = canary.value(name);
        inline(
            &json!({"type": "service_account", "client_email": "a@b.test", "private_key": key}).to_string(),
        )
    };
    let rules = |host: &str| json!([{ "host": host }]);
    let dsn = inline(&format!("postgres://reader:{}@db.test/app", canary.value("dsn")));
    vec![
        (
            "static",
            json!({"inject_config": {"header": "X-A"}, "source": source("static"), "rules": rules("a.test")}),
            1,
        ),
        (
            "gcp_auth",
            json!({"scopes": ["read"], "keyfile": keyfile("gcp-auth"), "rules": rules("b.test")}),
            1,
        ),
        (
            "gcp_id_token",
            json!({"audience": "aud", "keyfile": keyfile("gcp-id-token"), "rules": rules("c.test")}),
            1,
        ),
        (
            "aws_auth",
            json!({
                "access_key_id": source("aws-id"), "secret_access_key": source("aws-secret"),
                "session_token": source("aws-session"), "rules": rules("d.test"),
            }),
            3,
        ),
        (
            "oauth_token",
            json!({
                "grant": "password", "token_endpoint": "https://idp.test/token",
                "credentials": {
                    "username": source("oauth-user"), "password": source("oauth-password"),
                    "client_id": source("oauth-id"), "client_secret": source("oauth-secret"),
                },
                "token_endpoint_headers": {"X-Tenant": source("oauth-header")}, "rules": rules("e.test"),
            }),
            5,
        ),
        ("pg_dsn", json!({"database": "app", "role": "reader", "dsn": dsn}), 1),
        (
            "hmac",
            json!({
                "timestamp_format": "unix_seconds", "signature_algorithm": "sha256",
                "signature_key_encoding": "raw", "signature_output_encoding": "hex",
                "signature_message": "{{ .Timestamp }}", "headers": [{"name": "X-S", "value": "{{ .Signature }}"}],
                "credentials": {"secret": source("hmac-secret"), "id": source("hmac-id")},
                "rules": rules("f.test"),
            }),
            2,
        ),
    ]
}

/// A console in which everything that can be hidden has a mark.
pub struct Marked {
    /// Talks to it.
    pub api: Api,
    /// The mark, and every token that the console made.
    pub canary: Canary,
    /// Who is granted every secret.
    pub principal: String,
    proxy: String,
    /// Of the proxy whose principal is granted everything, and of the one whose principal is granted nothing.
    pub tokens: [String; 2],
    /// Marks that the principal is granted.
    pub granted: usize,
    /// Paths below `/api/v1/` of what was made.
    pub paths: Vec<String>,
}

impl Marked {
    /// Fills the console.
    pub async fn make(api: Api) -> Self {
        let mut canary = Canary::new();
        for (what, value) in
            [("the first API key", KEY), ("the first password", PASSWORD), ("the signing key", SIGNING)]
        {
            canary.add(what, value);
        }
        let other = id(&api.make("principals", json!({"foreign_id": "other"})).await);
        let principal = id(&api.make("principals", json!({"foreign_id": "p", "name": "P"})).await);
        let row = json!({"channel_id": "C0AB12CD3", "channel_name": "one"});
        api.make(&format!("principals/{principal}/slack_channel_permissions"), row).await;
        let role = id(&api.make("roles", json!({"foreign_id": "tools"})).await);
        api.make(&format!("principals/{principal}/roles"), json!({ "role_id": role })).await;
        let mut world = Self {
            api,
            canary,
            principal,
            proxy: String::new(),
            tokens: Default::default(),
            granted: 0,
            paths: vec![],
        };
        world.paths.push(format!("roles/{role}"));
        for (at, (kind, mut document, marks)) in secrets(&world.canary).into_iter().enumerate() {
            document["foreign_id"] = json!(format!("s-{kind}").replace('_', "-"));
            let secret = id(&world.write("POST", &format!("{kind}_secrets"), document).await);
            world.paths.push(format!("{kind}_secrets/{secret}"));
            let grantee =
                if at.is_multiple_of(2) { ("principal_id", &world.principal) } else { ("role_id", &role) };
            let grant = json!({grantee.0: grantee.1, format!("{kind}_secret_id"): secret});
            let grant = id(&world.write("POST", "grants", grant).await);
            world.paths.push(format!("grants/{grant}"));
            world.granted += marks;
        }
        world.make_credentials().await;
        for at in 0..2 {
            let serves = [&world.principal, &other][at];
            let data = json!({"name": format!("edge{at}"), "principal_id": serves});
            let made = world.api.call("POST", "proxies", data).await.data();
            made["token"].as_str().expect("a token").clone_into(&mut world.tokens[at]);
            world.canary.add("the token of a proxy", &world.tokens[at]);
            if at == 0 {
                world.proxy = id(&made);
            }
            world.paths.push(format!("proxies/{}", id(&made)));
        }
        let rotated = format!("proxies/{}/rotate_token", world.proxy);
        let rotated = world.api.call("POST", &rotated, json!({"grace_seconds": 600})).await.data();
        world.canary.add("a rotated token", rotated["token"].as_str().expect("a token"));
        let key = world.api.call("POST", "api_keys", json!({"name": "ci"})).await.data();
        world.canary.add("an API key", key["token"].as_str().expect("a token"));
        world.paths.push(format!("api_keys/{}", id(&key)));
        world
    }

    async fn make_credentials(&mut self) {
        let value = |name: &str| self.canary.value(name);
        let credential = |foreign_id: &str, mut more: Value| {
            more["foreign_id"] = foreign_id.into();
            more["token_endpoint"] = "https://idp.test/token".into();
            more["client_id"] = "client-1".into();
            more["client_secret"] = value("client-secret").into();
            more["token_endpoint_headers"] = json!({"X-Tenant": value("header")});
            more
        };
        let made = [
            ("broker_credentials", credential("refresh", json!({"refresh_token": value("refresh-token")}))),
            (
                "broker_credentials",
                credential(
                    "password",
                    json!({"grant": "password", "username": value("user"), "password": value("password")}),
                ),
            ),
            (
                "broker_credentials",
                credential(
                    "preqin",
                    json!({"grant": "preqin", "username": value("user"), "api_key": value("api-key")}),
                ),
            ),
            (
                "oauth_apps",
                json!({
                    "slug": "drive", "provider": "google", "client_id": "client-1",
                    "client_secret": value("app-secret"), "allowed_scopes": ["read"],
                }),
            ),
        ];
        for (collection, data) in made {
            let record = self.write("POST", collection, data).await;
            self.paths.push(format!("{collection}/{}", id(&record)));
        }
    }

    /// A write whose answer is searched.
    pub async fn write(&self, method: &str, path: &str, data: Value) -> Value {
        let answer = self.api.call(method, path, data).await;
        self.canary.refuse(&format!("the answer to {method} {path}"), &answer.text);
        answer.data()
    }
}
