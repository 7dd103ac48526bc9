//! Who may call.

use centaur_store::{Actor, NewApiKey, NewUser, StoreError, TokenHash, UserPatch, UserStatus};
use serde_json::json;

use crate::console::{Console, KEY};
use crate::on_both;

const REFUSED: &str = r#"{"error":{"message":"invalid or missing API key"}}"#;
const OTHER: &str = "iak_0000000000000000000000000000000000000000000000000000000000000001";

async fn status_with(console: &Console, authorization: &str) -> (u16, String) {
    let reply = console.send("GET", "/api/v1/api_keys", &[("authorization", authorization)], "").await;
    (reply.status, reply.text)
}

async fn only_bearer_and_a_good_key_is_let_in() {
    let console = Console::start().await;
    for good in [format!("Bearer {KEY}"), format!("Bearer   {KEY}")] {
        assert_eq!(status_with(&console, &good).await.0, 200, "{good}");
    }
    let proxy = format!("Bearer iprx_{}", "0".repeat(64));
    for bad in [
        &format!("bearer {KEY}"),
        &format!("Token {KEY}"),
        KEY,
        "",
        "Bearer ",
        &format!("Bearer {OTHER}"),
        &proxy,
    ] {
        assert_eq!(status_with(&console, bad).await, (401, REFUSED.to_owned()), "{bad}");
    }
    let none = console.send("GET", "/api/v1/proxies", &[], "").await;
    assert_eq!((none.status, none.text.as_str()), (401, REFUSED));
}

async fn keys_of_users_who_are_no_administrators_reach_keys_alone_and_those_of_disabled_users_nothing() {
    let console = Console::start().await;
    let user = NewUser {
        email: "two@example.test".to_owned(),
        name: None,
        status: UserStatus::Active,
        admin: false,
        password_hash: None,
        email_verified: true,
    };
    let user = &user;
    let user = console
        .app
        .store()
        .write(&Actor::system(), |tx| {
            Box::pin(async move {
                let user = tx.create_user(user).await?;
                tx.create_api_key(user.id, &NewApiKey::unlimited("two"), &TokenHash::of(OTHER)).await?;
                Ok::<_, StoreError>(user)
            })
        })
        .await
        .expect("a user");
    let bearer = format!("Bearer {OTHER}");
    let reply = console.send("GET", "/api/v1/proxies", &[("authorization", &bearer)], "").await;
    let forbidden =
        r#"{"error":{"message":"this API key does not have administrator permissions","code":"forbidden"}}"#;
    assert_eq!((reply.status, reply.text.as_str()), (403, forbidden));
    assert_eq!(status_with(&console, &bearer).await.0, 200);

    let patch = UserPatch { status: Some(UserStatus::Disabled), ..UserPatch::default() };
    let patch = &patch;
    let system = Actor::system();
    let disable = console
        .app
        .store()
        .write(&system, |tx| Box::pin(async move { tx.update_user(user.id, patch, None).await }));
    disable.await.expect("disabled");
    assert_eq!(status_with(&console, &bearer).await, (401, REFUSED.to_owned()));
}

async fn failures_are_limited_per_address_and_a_good_key_is_let_in_all_the_same() {
    let console = Console::start().await;
    for _ in 0..30 {
        assert_eq!(console.sync("iprx_wrong", None, &[]).await.status, 401);
    }
    let reply = console.send("GET", "/api/v1/proxies", &[], "").await;
    assert_eq!(reply.expect(429)["error"]["code"], "rate_limited");
    let after: u64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&after));
    console.get("/api/v1/proxies").await.expect(200);
}

async fn behind_a_proxy_that_is_trusted_each_client_has_its_own_failures() {
    let console = Console::with(&[("CENTAUR_CONSOLE_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let from = async |address: &str| {
        let headers = [("authorization", "Bearer iak_wrong"), ("x-forwarded-for", address)];
        console.send("GET", "/api/v1/proxies", &headers, "").await.status
    };
    for _ in 0..30 {
        assert_eq!(from("192.0.2.1").await, 401);
    }
    assert_eq!(from("192.0.2.1").await, 429);
    assert_eq!(from("192.0.2.2").await, 401, "another client");
}

async fn a_key_is_shown_once_ends_when_it_is_deleted_and_never_deletes_itself() {
    let console = Console::start().await;
    assert_eq!(
        console.post("/api/v1/api_keys", json!({"name": " "})).await.details(),
        json!({"name":["can't be blank"]})
    );
    let made = console.post("/api/v1/api_keys", json!({"name": "ci"})).await.data(201);
    let keys: Vec<_> = made.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["id", "name", "created_at", "updated_at", "last_used_at", "namespace", "read_only", "token"]
    );
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    let bearer = format!("Bearer {token}");
    assert_eq!(status_with(&console, &bearer).await.0, 200);
    let listed = console.get("/api/v1/api_keys").await;
    assert_eq!(listed.expect(200)["meta"]["total"], 2);
    assert!(!listed.text.contains(token));

    let path = format!("/api/v1/api_keys/{id}");
    let own = console.send("DELETE", &path, &[("authorization", &bearer)], "").await;
    assert_eq!(
        own.expect(422),
        json!({"error":{"message":"cannot revoke the API key used for this request"}})
    );
    assert_eq!(console.delete(&path).await.text, "");
    assert_eq!(status_with(&console, &bearer).await.0, 401);
    let gone = console.delete(&path).await.expect(404);
    assert_eq!(gone["error"]["message"], format!("Couldn't find ApiKey with oid \"{id}\""));
}

on_both!(
    only_bearer_and_a_good_key_is_let_in,
    keys_of_users_who_are_no_administrators_reach_keys_alone_and_those_of_disabled_users_nothing,
    failures_are_limited_per_address_and_a_good_key_is_let_in_all_the_same,
    behind_a_proxy_that_is_trusted_each_client_has_its_own_failures,
    a_key_is_shown_once_ends_when_it_is_deleted_and_never_deletes_itself,
);
