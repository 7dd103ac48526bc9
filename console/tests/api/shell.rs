//! What holds for every request.

use serde_json::json;

use crate::console::{Console, KEY};
use crate::on_both;

async fn health_is_told_without_a_key() {
    let console = Console::start().await;
    for path in ["/up", "/healthz", "/readyz"] {
        console.send("GET", path, &[], "").await.expect(200);
    }
    console.app.store().close().await;
    console.send("GET", "/up", &[], "").await.expect(200);
    assert_eq!(console.send("GET", "/readyz", &[], "").await.expect(503)["error"]["code"], "unavailable");
}

async fn whatever_is_not_offered_is_the_json_404() {
    let console = Console::start().await;
    for (method, path) in [
        ("GET", "/nothing"),
        ("GET", "/nothing"),
        ("DELETE", "/up"),
        ("PUT", "/api/v1/principals"),
        ("PATCH", "/api/v1/proxy/sync"),
        ("GET", "/api/v1/grants/x/y"),
        ("OPTIONS", "/api/v1/roles"),
        ("GET", "/api/v1/principals/lookup/default/a%00b"),
    ] {
        let bearer = format!("Bearer {KEY}");
        let reply = console.send(method, path, &[("authorization", &bearer)], "").await;
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (404, r#"{"error":{"message":"not found"}}"#),
            "{method} {path}"
        );
    }
}

async fn data_has_to_be_an_object_with_something_in_it() {
    let console = Console::start().await;
    let bearer = format!("Bearer {KEY}");
    for body in ["", "{}", r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":[1]}"#, r#"{"data":"x"}"#, "[]"] {
        let reply = console.send("POST", "/api/v1/roles", &[("authorization", &bearer)], body).await;
        let message = "param is missing or the value is empty or invalid: data";
        assert_eq!(reply.expect(400), json!({"error":{"message":message}}), "{body}");
    }
    let reply = console.send("POST", "/api/v1/roles", &[("authorization", &bearer)], "{\"data\": oops").await;
    assert_eq!(reply.expect(400)["error"]["message"], "the body is not valid JSON (line 1, column 10)");
}

async fn a_body_of_a_mebibyte_is_read_and_one_byte_more_is_413() {
    let console = Console::start().await;
    let bearer = format!("Bearer {KEY}");
    let body = |bytes: usize| {
        let head = r#"{"data":{"foreign_id":"a"},"x":""#;
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    let send =
        async |bytes| console.send("POST", "/api/v1/roles", &[("authorization", &bearer)], body(bytes)).await;
    send(1_048_576).await.expect(201);
    assert_eq!(
        send(1_048_577).await.expect(413)["error"]["message"],
        "the body is larger than 1048576 bytes"
    );
}

async fn a_usable_request_id_is_kept_and_another_is_made_up() {
    let console = Console::start().await;
    let id = async |sent: &str| {
        let reply = console.send("GET", "/up", &[("x-request-id", sent)], "").await;
        reply.header("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(id("abc-1").await, "abc-1");
    assert_eq!(id("a b").await.len(), 32);
    assert_ne!(id(&"x".repeat(129)).await, id("").await);
}

async fn the_first_user_is_made_once_and_the_rows_outlive_the_process() {
    let console = Console::start().await;
    console.make("/api/v1/roles", json!({"foreign_id": "infra"})).await;
    let home = console.stop().await;
    let console = Console::at(home, &[("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "other@example.test")]).await;
    console.get("/api/v1/roles/lookup/default/infra").await.expect(200);
}

async fn another_sealing_key_is_found_at_the_start() {
    let home = Console::start().await.stop().await;
    let config = centaur_console::config::Config::from_env(
        |name| match name {
            "DATABASE_URL" => Some(home.database.clone()),
            "CENTAUR_CONSOLE_ENCRYPTION_KEYS" => {
                Some("one:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=".to_owned())
            }
            _ => None,
        },
        false,
    );
    let refused = centaur_console::app::Server::start(config.expect("settings")).await;
    let text = refused.err().expect("a refusal").to_string();
    assert!(text.starts_with("CENTAUR_CONSOLE_ENCRYPTION_KEYS: "), "{text}");
}

async fn a_name_that_differs_is_refused_by_name_and_ignored_by_id() {
    let console = Console::start().await;
    let credential = json!({"token_endpoint":"https://idp.example/t","client_id":"c"});
    for (collection, mut data) in [
        ("principals", json!({"name":"x"})),
        ("roles", json!({"name":"x"})),
        ("static_secrets", json!({"inject_config":{"header":"X"}})),
        ("broker_credentials", credential),
    ] {
        let path = format!("/api/v1/{collection}/one");
        let made = console.put(&path, data.clone()).await.data(201);
        data["foreign_id"] = json!("two");
        let details = console.put(&path, data.clone()).await.details();
        assert_eq!(details, json!({"foreign_id":["does not match the address"]}), "{collection}");
        data["namespace"] = json!("elsewhere");
        let path = format!("/api/v1/{collection}/{}", made["id"].as_str().expect("an id"));
        let kept = console.put(&path, data).await.data(200);
        assert_eq!(
            (&kept["foreign_id"], &kept["namespace"]),
            (&json!("one"), &json!("default")),
            "{collection}"
        );
    }
}

on_both!(
    a_name_that_differs_is_refused_by_name_and_ignored_by_id,
    health_is_told_without_a_key,
    whatever_is_not_offered_is_the_json_404,
    data_has_to_be_an_object_with_something_in_it,
    a_body_of_a_mebibyte_is_read_and_one_byte_more_is_413,
    a_usable_request_id_is_kept_and_another_is_made_up,
    the_first_user_is_made_once_and_the_rows_outlive_the_process,
    another_sealing_key_is_found_at_the_start,
);
