//! The generated entry that lets a sandbox call the API server as its principal.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;
use centaur_policies::host::Authority;
use serde_json::{Value, json};

use super::input::{Principal, SlackRow};

/// What signs the token and where it is sent.
#[derive(Debug)]
pub struct ApiServer {
    /// `CENTAUR_JWT_SIGNING_SECRET`
    pub signing_key: Secret<String>,
    /// `CENTAUR_API_JWT_ISSUER`, default `centaur-console`.
    pub issuer: String,
    /// `CENTAUR_API_JWT_AUDIENCE`, default `centaur-api`.
    pub audience: String,
    /// Hosts that get the token, from [`ApiServer::hosts`].
    pub hosts: Vec<String>,
}

/// A token is the same for this long, so that the hash is; seconds.
const WINDOW: i64 = 900;

/// A token works for this long from the start of its window; seconds.
const LIFETIME: i64 = 3_600;

impl ApiServer {
    /// The default issuer.
    pub const ISSUER: &str = "centaur-console";
    /// The default audience.
    pub const AUDIENCE: &str = "centaur-api";

    /// The hosts: those of `CENTAUR_API_SERVER_PROXY_HOSTS` (comma separated), that of `CENTAUR_API_URL`, and the two
    /// names that the service has in a cluster; in one spelling, without ports, each once.
    pub fn hosts(listed: &str, api_url: Option<&str>) -> Vec<String> {
        let url = api_url.and_then(|url| url.parse::<http::Uri>().ok());
        let of_url = url.as_ref().and_then(http::Uri::host);
        let all = listed.split(',').map(str::trim).chain(of_url).chain(["centaur-api-rs", "api"]);
        let mut hosts = Vec::new();
        for host in all.filter_map(|text| Authority::parse(text).ok()) {
            let host = host.host.as_str().to_owned();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// The entry; `None` unless the principal may call the API server and has a Slack channel.
    pub(super) fn entry(&self, principal: &Principal, now: i64) -> Option<Value> {
        if !applies(principal) {
            return None;
        }
        let rules: Value = self.hosts.iter().map(|host| json!({ "host": host })).collect();
        Some(json!({
            "source": { "type": "control_plane", "value": self.token(principal, now) },
            "inject": { "header": "Authorization", "formatter": "Bearer {{ .Value }}" },
            "rules": rules,
        }))
    }

    /// When the token changes next, in microseconds since 1970.
    pub(super) fn renewed_at(principal: &Principal, now: i64) -> Option<i64> {
        applies(principal).then(|| (issued_at(&principal.oid, now) + WINDOW).saturating_mul(1_000_000))
    }

    fn token(&self, principal: &Principal, now: i64) -> String {
        let issued_at = issued_at(&principal.oid, now);
        let channels = |may: fn(&SlackRow) -> bool| {
            let mut ids: Vec<_> =
                principal.slack.iter().filter(|row| may(row)).map(|row| &row.channel_id).collect();
            ids.sort();
            ids
        };
        let claims = json!({
            "iss": self.issuer,
            "sub": principal.oid,
            "aud": self.audience,
            "iat": issued_at,
            "exp": issued_at + LIFETIME,
            "slack": {
                "upload_channels": channels(|row| row.upload),
                "download_channels": channels(|row| row.download),
                "history_channels": channels(|row| row.history),
            },
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.signing_key.expose().as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn applies(principal: &Principal) -> bool {
    principal.api_server_enabled && !principal.slack.is_empty()
}

/// The start of the window, in seconds. Each principal has its own phase, so that not all proxies fetch at once.
fn issued_at(oid: &str, now: i64) -> i64 {
    let phase = i64::from(crc32fast::hash(oid.as_bytes())) % WINDOW;
    let seconds = now.div_euclid(1_000_000);
    (seconds - phase).div_euclid(WINDOW) * WINDOW + phase
}
