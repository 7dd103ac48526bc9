//! The seven collections of secrets.

use serde_json::{Value, json};

use crate::console::{Console, secret};
use crate::on_both;

async fn a_document_is_shown_as_it_was_sent_and_replaced_whole() {
    let console = Console::start().await;
    let path = "/api/v1/static_secrets/weather-key";
    let rules = json!([{"host":"api.weather.example","http_methods":["GET"],"paths":["/v3/*"]}]);
    let source =
        json!({"source_type":"aws_sm","config":{"secret_id":"weather/api","json_key":"key","ttl":"5m"}});
    let data = json!({"namespace":"lab","name":"Weather","inject_config":{"query_param":"appid"},"source":source,"rules":rules});
    let made = console.put(path, data.clone()).await;
    let mut shown = made.data(201);
    let members = shown.as_object_mut().expect("an object");
    for time in ["created_at", "updated_at"] {
        assert!(members.shift_remove(time).is_some());
    }
    let want = json!({"id":"ssr_kxIQLCuJ","namespace":"lab","foreign_id":"weather-key","name":"Weather","description":null,
        "labels":{},"inject_config":{"query_param":"appid"},"replace_config":null,"source":source,
        "rules":[{"host":"api.weather.example","cidr":null,"position":0,"http_methods":["GET"],"paths":["/v3/*"]}],
        "broker_credential_id":null,"created_by":"usr_dYD6GVBm","revision":1});
    assert_eq!(shown.to_string(), want.to_string());
    assert_eq!(console.get("/api/v1/static_secrets/ssr_kxIQLCuJ").await.data(200)["source"], source);
    console.put(path, data).await.expect(200);

    let replaced = json!({"namespace":"lab","replace_config":{"proxy_value":"P"}});
    let shown = console.put(path, replaced).await.data(200);
    assert_eq!(
        (&shown["id"], &shown["name"], &shown["inject_config"]),
        (&json!("ssr_kxIQLCuJ"), &json!(null), &json!(null))
    );
    assert_eq!((&shown["source"], &shown["rules"]), (&json!(null), &json!([])));
}

fn documents() -> Vec<(&'static str, Value)> {
    let rules = json!([{"host":"a.test"}]);
    let env = json!({"source_type":"env","config":{"var":"FAKE"}});
    vec![
        ("static_secrets", json!({"inject_config":{"header":"X"},"source":env,"rules":rules})),
        ("gcp_auth_secrets", json!({"scopes":["s"],"keyfile":env,"rules":rules})),
        ("gcp_id_token_secrets", json!({"audience":"a","keyfile":env,"rules":rules})),
        ("aws_auth_secrets", json!({"access_key_id":env,"secret_access_key":env,"rules":rules})),
        (
            "oauth_token_secrets",
            json!({"grant":"client_credentials","token_endpoint":"https://t.test/","rules":rules,
                "credentials":{"client_id":env,"client_secret":env}}),
        ),
        ("pg_dsn_secrets", json!({"database":"analytics","dsn":env})),
        (
            "hmac_secrets",
            json!({"timestamp_format":"rfc3339","signature_algorithm":"sha256","signature_key_encoding":"raw",
                "signature_output_encoding":"hex","signature_message":"{{ .Timestamp }}","rules":rules,
                "headers":[{"name":"X-Sig","value":"{{ .Signature }}"}],"credentials":{"secret":env}}),
        ),
    ]
}

async fn each_collection_makes_shows_lists_and_deletes_its_documents() {
    let console = Console::start().await;
    for (collection, mut data) in documents() {
        data["foreign_id"] = json!("one");
        let path = format!("/api/v1/{collection}");
        let made = console.post(&path, data.clone()).await.data(201);
        let id = made["id"].as_str().expect("an id");
        assert_eq!(console.get(&format!("{path}/{id}")).await.data(200), made, "{collection}");
        assert_eq!(console.get(&format!("{path}/lookup/default/one")).await.data(200), made);
        assert_eq!(console.get(&format!("{path}?namespace=default")).await.data(200), json!([made]));
        assert_eq!(
            console.post(&path, data.clone()).await.details(),
            json!({"foreign_id":["has already been taken"]})
        );
        assert_eq!(console.put(&format!("{path}/{id}"), data).await.data(200)["id"], made["id"]);
        assert_eq!(console.get(&format!("{path}/{id}/grants")).await.data(200), json!([]));
        assert_eq!(console.delete(&format!("{path}/{id}")).await.status, 204);
        assert_eq!(console.delete(&format!("{path}/{id}")).await.status, 404);
    }
}

async fn a_document_with_anything_wrong_stores_nothing_and_says_where() {
    let console = Console::start().await;
    let mut data = secret("one", "a.test", "fake-value-1");
    data["rules"] = json!([{"host":"a.test"},{"http_methods":["get"]}]);
    data["source"]["config"] = json!({"colour":"red"});
    let details = console.post("/api/v1/static_secrets", data).await.details();
    assert_eq!(
        details["source.config"],
        json!(["has unknown key \"colour\" for source_type \"control_plane\""])
    );
    assert_eq!(details["rules[1].base"], json!(["either host or cidr must be present"]));
    assert_eq!(details["http_methods"], json!(["\"get\" is not a supported HTTP method"]));
    console.get("/api/v1/static_secrets/lookup/default/one").await.expect(404);
}

async fn a_broker_credential_has_to_exist_and_its_name_may_be_anything() {
    let console = Console::start().await;
    let source = |id: &str, namespace: Option<&str>| {
        let mut config = json!({ "credential_id": id });
        if let Some(namespace) = namespace {
            config["credential_namespace"] = json!(namespace);
        }
        let source = json!({"source_type":"token_broker","config":config});
        json!({"foreign_id":"one","inject_config":{"header":"X"},"source":source})
    };
    for (id, namespace, message) in [
        ("nope", Some("default"), "credential_id \"nope\" does not reference an existing broker credential"),
        (
            "bcr_9M4ZKJbu",
            None,
            "credential_id \"bcr_9M4ZKJbu\" does not reference an existing broker credential",
        ),
        ("bcr_garbage", None, "credential_namespace is required when credential_id is a foreign_id"),
        (
            "a\u{0}b",
            Some("c\u{0}d"),
            "credential_id \"a\\0b\" does not reference an existing broker credential",
        ),
    ] {
        let details = console.post("/api/v1/static_secrets", source(id, namespace)).await.details();
        assert_eq!(details["source.config"], json!([message]));
    }
}

async fn a_value_is_in_no_answer_and_is_kept_only_when_that_is_asked_for() {
    const VALUE: &str = "fake-value-never-shown";
    let console = Console::start().await;
    let made = console.post("/api/v1/static_secrets", secret("one", "a.test", VALUE)).await;
    let path = format!("/api/v1/static_secrets/{}", made.data(201)["id"].as_str().expect("an id"));
    let mut again = secret("one", "b.test", "");
    again["source"].as_object_mut().expect("an object").remove("secret");
    let refused = console.put(&path, again.clone()).await;
    assert_eq!(refused.details()["secret"], json!(["can't be blank for source_type \"control_plane\""]));
    again["source"]["keep_secret"] = json!(true);
    let kept = console.put(&path, again).await;
    assert_eq!(kept.data(200)["rules"][0]["host"], "b.test");
    for reply in [
        made,
        refused,
        kept,
        console.get(&path).await,
        console.get("/api/v1/static_secrets?namespace=default").await,
    ] {
        assert!(!reply.text.contains(VALUE));
    }
}

on_both!(
    a_document_is_shown_as_it_was_sent_and_replaced_whole,
    each_collection_makes_shows_lists_and_deletes_its_documents,
    a_document_with_anything_wrong_stores_nothing_and_says_where,
    a_broker_credential_has_to_exist_and_its_name_may_be_anything,
    a_value_is_in_no_answer_and_is_kept_only_when_that_is_asked_for,
);
