//! What proxies get, and what is shown of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::console::{Console, secret};
use crate::on_both;

const VALUE: &str = "fake-value-for-sync";

struct World {
    console: Console,
    principal: String,
    secret: String,
    grant: String,
    proxy: String,
    token: String,
}

/// A principal with one granted secret, and its proxy.
async fn world() -> World {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p","name":"P"})).await;
    let secret = console.make("/api/v1/static_secrets", secret("s", "a.test", VALUE)).await;
    let grant =
        console.make("/api/v1/grants", json!({"principal_id":principal,"static_secret_id":secret})).await;
    let made =
        console.post("/api/v1/proxies", json!({"name":"edge","principal_id":principal})).await.data(201);
    let (proxy, token) =
        (made["id"].as_str().expect("an id").to_owned(), made["token"].as_str().expect("a token").to_owned());
    World { console, principal, secret, grant, proxy, token }
}

impl World {
    async fn sync(&self, hash: Option<&str>) -> Value {
        self.console.sync(&self.token, hash, &[]).await.expect(200)
    }

    async fn hash(&self) -> String {
        self.sync(None).await["config_hash"].as_str().expect("a hash").to_owned()
    }
}

async fn a_proxy_gets_everything_once_and_then_the_hash_alone() {
    let w = world().await;
    let reply = w.console.sync(&w.token, None, &[]).await;
    assert_eq!(reply.header("x-config-max-age"), Some("900"));
    let full = reply.expect(200);
    let hash = full["config_hash"].as_str().expect("a hash");
    assert!(hash.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64));
    let want = json!({"config_hash":hash,"status":"assigned","principal_id":w.principal,"secrets":[{
        "source":{"type":"control_plane","value":VALUE},"rules":[{"host":"a.test"}],
        "replace":{"proxy_value":"PLACEHOLDER_s","match_headers":["Authorization"]}}],"transforms":[],"postgres":[]});
    assert_eq!(full, want);
    let short = w.console.sync(&w.token, Some(hash), &[]).await;
    assert_eq!(
        (short.text.as_str(), short.header("x-config-max-age")),
        (json!({"config_hash":hash}).to_string().as_str(), Some("900"))
    );
    assert_eq!(w.sync(Some("garbage")).await, want);
    let seen = w.console.get(&format!("/api/v1/proxies/{}", w.proxy)).await.data(200);
    assert_eq!(seen["last_config_hash"], "garbage");
    assert!(seen["last_synced_at"].is_string());
}

async fn the_address_of_a_console_may_end_in_a_slash() {
    let w = world().await;
    let bearer = format!("Bearer {}", w.token);
    for path in ["//api/v1/proxy/sync", "/api/v1/proxy/sync/"] {
        let reply = w.console.send("POST", path, &[("authorization", &bearer)], "{}").await;
        assert_eq!(reply.expect(200)["principal_id"], json!(w.principal), "{path}");
    }
    let path = "//api/v1/proxy//other";
    let reply = w.console.send("POST", path, &[("authorization", &bearer)], "{}").await;
    assert_eq!(reply.expect(404)["error"]["message"], "not found");
}

async fn an_unassigned_proxy_has_three_empty_lists_and_every_assignment_another_hash() {
    let w = world().await;
    let path = format!("/api/v1/proxies/{}", w.proxy);
    let first = w.hash().await;
    let cleared = w.console.patch(&path, json!({"principal_id":null})).await.data(200);
    assert_eq!((&cleared["status"], &cleared["principal_assigned_at"]), (&json!("unassigned"), &json!(null)));
    let mut empty = w.sync(Some(&first)).await;
    assert_ne!(empty["config_hash"].take(), json!(first));
    assert_eq!(
        empty,
        json!({"config_hash":null,"status":"unassigned","principal_id":null,"secrets":[],"transforms":[],"postgres":[]})
    );
    w.console.patch(&path, json!({"principal_id":w.principal})).await.expect(200);
    assert_ne!(w.hash().await, first);
    let again = w.hash().await;
    w.console.patch(&path, json!({"name":"renamed","principal_id":w.principal})).await.expect(200);
    assert_eq!(w.hash().await, again);
}

async fn the_next_answer_after_a_withdrawal_is_without_what_was_withdrawn() {
    let w = world().await;
    for path in [format!("/api/v1/grants/{}", w.grant), format!("/api/v1/static_secrets/{}", w.secret)] {
        let hash = w.hash().await;
        assert_eq!(w.console.delete(&path).await.status, 204);
        let after = w.console.sync(&w.token, Some(&hash), &[]).await;
        assert!(!after.text.contains(VALUE));
        assert_eq!(w.sync(None).await["secrets"], json!([]));
    }
}

async fn the_same_document_again_keeps_the_hash_and_another_value_changes_it() {
    let w = world().await;
    let hash = w.hash().await;
    let path = format!("/api/v1/static_secrets/{}", w.secret);
    let mut same = secret("s", "a.test", VALUE);
    same["name"] = json!("Renamed");
    w.console.put(&path, same).await.expect(200);
    assert_eq!(w.hash().await, hash);
    w.console.put(&path, secret("s", "a.test", "fake-value-two")).await.expect(200);
    assert_ne!(w.hash().await, hash);
}

async fn a_grant_that_expires_is_withdrawn_without_a_write() {
    let w = world().await;
    w.console.delete(&format!("/api/v1/grants/{}", w.grant)).await;
    let soon = centaur_store::Micros(w.console.app.store().clock().now().0 + 4_000_000);
    let data = json!({"principal_id":w.principal,"static_secret_id":w.secret,"expires_at":soon});
    w.console.make("/api/v1/grants", data).await;
    let hash = w.hash().await;
    let started = Instant::now();
    let after = w.console.sync(&w.token, Some(&hash), &[("prefer", "wait=18")]).await;
    assert_eq!(after.expect(200)["secrets"], json!([]));
    assert!(started.elapsed() < Duration::from_secs(15), "before the wait was over");
}

async fn who_asks_to_wait_is_answered_by_the_change() {
    let w = world().await;
    let hash = w.hash().await;
    let started = Instant::now();
    let quiet = w.console.sync(&w.token, Some(&hash), &[("prefer", "wait=1")]).await;
    assert_eq!(
        (quiet.expect(200), quiet.header("preference-applied")),
        (json!({"config_hash":hash}), Some("wait"))
    );
    assert!(started.elapsed() >= Duration::from_secs(1));

    let (started, path) = (Instant::now(), format!("/api/v1/grants/{}", w.grant));
    let (waited, ()) = tokio::join!(w.console.sync(&w.token, Some(&hash), &[("prefer", "wait=15")]), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(w.console.delete(&path).await.status, 204);
    });
    assert_eq!(waited.expect(200)["secrets"], json!([]));
    assert!((Duration::from_millis(200)..Duration::from_secs(15)).contains(&started.elapsed()));
}

async fn who_waits_is_answered_when_the_console_stops() {
    let w = world().await;
    let hash = w.hash().await;
    let World { console, token, .. } = w;
    let address = console.address;
    let waiting = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let body = json!({"config_hash":hash}).to_string();
        let head = format!(
            "POST /api/v1/proxy/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nPrefer: wait=30\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        text
    });
    while console.metric("console_sync_waiting").await == 0 {
        tokio::task::yield_now().await;
    }
    console.stop().await;
    assert!(waiting.await.expect("an answer").starts_with("HTTP/1.1 200"));
}

async fn tokens_are_told_apart_by_their_code() {
    let w = world().await;
    let code = async |token: &str| {
        let body = w.console.sync(token, None, &[]).await.expect(401);
        assert_eq!(body["error"]["message"], "invalid or missing proxy token");
        body["error"]["code"].clone()
    };
    assert_eq!(code(crate::console::KEY).await, "invalid_token");
    assert_eq!(code(&format!("iprx_{}", "0".repeat(64))).await, "invalid_token");
    let path = format!("/api/v1/proxies/{}", w.proxy);
    let rotate = async |grace: u64| {
        let reply = w.console.post(&format!("{path}/rotate_token"), json!({"grace_seconds":grace})).await;
        reply.data(200)["token"].as_str().expect("a token").to_owned()
    };
    let second = rotate(60).await;
    w.sync(None).await;
    w.console.sync(&second, None, &[]).await.expect(200);
    let third = rotate(0).await;
    assert_eq!(code(&second).await, "invalid_token");
    assert_eq!(w.console.delete(&path).await.status, 204);
    assert_eq!(code(&third).await, "proxy_revoked");
    assert!(!w.console.get("/api/v1/proxies").await.text.contains("iprx_"));
}

async fn the_effective_configuration_is_the_same_without_values() {
    let w = world().await;
    let path = format!("/api/v1/principals/{}/effective_config", w.principal);
    let reply = w.console.get(&path).await;
    let data = reply.data(200);
    assert_eq!(data["secrets"][0]["source"], json!({"type":"control_plane","value":"[redacted]"}));
    let keys: Vec<_> = data.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "secrets", "transforms", "postgres"]);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let tag = reply.header("etag").expect("a tag");
    let bearer = format!("Bearer {}", crate::console::KEY);
    let same = w.console.send("GET", &path, &[("authorization", &bearer), ("if-none-match", tag)], "").await;
    assert_eq!((same.status, same.text.as_str(), same.header("etag")), (304, "", Some(tag)));
    let named = w.console.get("/api/v1/principals/lookup/default/p/effective_config").await;
    assert_eq!(named.text, reply.text);
    assert_eq!(w.console.get("/api/v1/principals/p/effective_config").await.status, 404);
}

async fn roles_can_be_left_out_of_the_view() {
    let w = world().await;
    w.console.delete(&format!("/api/v1/grants/{}", w.grant)).await;
    let role = w.console.make("/api/v1/roles", json!({"foreign_id":"infra"})).await;
    w.console.make("/api/v1/grants", json!({"role_id":role,"static_secret_id":w.secret})).await;
    w.console
        .post(&format!("/api/v1/principals/{}/roles", w.principal), json!({"role_id":role}))
        .await
        .expect(201);
    let path = format!("/api/v1/principals/{}/effective_config", w.principal);
    let count = async |query: &str| {
        let data = w.console.get(&format!("{path}{query}")).await.data(200);
        data["secrets"].as_array().map(Vec::len)
    };
    assert_eq!((count("").await, count("?exclude_roles=tools,infra").await), (Some(1), Some(0)));
}

async fn the_requester_fills_the_gaps_of_the_channel_as_the_proxy_says() {
    let w = world().await;
    let user = w.console.make("/api/v1/principals", json!({"foreign_id":"user"})).await;
    let own = w.console.make("/api/v1/static_secrets", secret("own", "b.test", "fake-value-own")).await;
    w.console.make("/api/v1/grants", json!({"principal_id":user,"static_secret_id":own})).await;
    let path = format!("/api/v1/proxies/{}", w.proxy);
    let count = async |mode: &str| {
        w.console.patch(&path, json!({"fallback_principal_id":user,"fallback_mode":mode})).await.expect(200);
        w.sync(None).await["secrets"].as_array().map(Vec::len)
    };
    assert_eq!(count("per-target").await, Some(2));
    assert_eq!(count("when-empty").await, Some(1));
    assert_eq!(count("never").await, Some(1));
    let bad = w.console.patch(&path, json!({"fallback_mode":"sometimes"})).await.details();
    assert_eq!(bad, json!({"fallback_mode":["must be one of per-target, when-empty, never"]}));
}

async fn explain_says_what_became_of_a_secret_and_dry_run_where_it_would_go() {
    let w = world().await;
    let no_source = json!({"foreign_id":"n","inject_config":{"header":"X"},"rules":[{"host":"a.test"}]});
    let no_source = w.console.make("/api/v1/static_secrets", no_source).await;
    w.console.make("/api/v1/grants", json!({"principal_id":w.principal,"static_secret_id":no_source})).await;
    let path = format!("/api/v1/principals/{}", w.principal);
    let told = w.console.get(&format!("{path}/explain")).await.data(200);
    assert_eq!((&told[0]["secret_id"], &told[0]["outcome"]), (&json!(w.secret), &json!("served")));
    assert_eq!((&told[1]["secret_id"], &told[1]["reason"]), (&json!(no_source), &json!("no_source")));
    let tried =
        |host: &str| json!({"method":"GET","url":format!("https://{host}/x"),"headers":["Authorization"]});
    let reply = w.console.post(&format!("{path}/dry_run"), tried("a.test")).await;
    assert_eq!(reply.data(200)["applies"][0]["replaces_in"], json!(["header:authorization"]));
    assert!(!reply.text.contains(VALUE));
    let other = w.console.post(&format!("{path}/dry_run"), tried("c.test")).await.data(200);
    assert_eq!(other["applies"], json!([]));
}

async fn proxies_name_principals_that_exist_or_are_not_made() {
    let w = world().await;
    let missing = w.console.post("/api/v1/proxies", json!({"name":"x","principal_id":"prn_AJxF0Qkg"})).await;
    assert_eq!(missing.expect(404)["error"]["message"], "Couldn't find Principal with oid \"prn_AJxF0Qkg\"");
    assert_eq!(
        w.console.post("/api/v1/proxies", json!({"principal_id":""})).await.details(),
        json!({"name":["can't be blank"]})
    );
    let list = w.console.get(&format!("/api/v1/proxies?principal_id={}", w.principal)).await.expect(200);
    assert_eq!(list["meta"]["total"], 1);
    assert_eq!(w.console.get("/api/v1/proxies?principal_id=prn_AJxF0Qkg").await.status, 404);
}

on_both!(
    the_address_of_a_console_may_end_in_a_slash,
    a_proxy_gets_everything_once_and_then_the_hash_alone,
    an_unassigned_proxy_has_three_empty_lists_and_every_assignment_another_hash,
    the_next_answer_after_a_withdrawal_is_without_what_was_withdrawn,
    the_same_document_again_keeps_the_hash_and_another_value_changes_it,
    a_grant_that_expires_is_withdrawn_without_a_write,
    who_asks_to_wait_is_answered_by_the_change,
    who_waits_is_answered_when_the_console_stops,
    tokens_are_told_apart_by_their_code,
    the_effective_configuration_is_the_same_without_values,
    roles_can_be_left_out_of_the_view,
    the_requester_fills_the_gaps_of_the_channel_as_the_proxy_says,
    explain_says_what_became_of_a_secret_and_dry_run_where_it_would_go,
    proxies_name_principals_that_exist_or_are_not_made,
);
