//! Grants.

use serde_json::json;

use crate::console::{Console, secret};
use crate::on_both;

async fn a_grant_is_made_once_and_its_priority_alone_can_change() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let secret = console.make("/api/v1/static_secrets", secret("s", "a.test", "fake-value-1")).await;
    let data = json!({"principal_id":principal,"static_secret_id":secret});
    let made = console.post("/api/v1/grants", data.clone()).await.data(201);
    let keys: Vec<_> = made.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "principal_id", "static_secret_id", "created_at", "updated_at", "priority"]);
    assert_eq!(made["priority"], 100);
    let mut again = data;
    again["priority"] = json!(5);
    assert_eq!(console.post("/api/v1/grants", again).await.data(200), made);
    let path = format!("/api/v1/grants/{}", made["id"].as_str().expect("an id"));
    assert_eq!(console.patch(&path, json!({"priority":7})).await.data(200)["priority"], 7);
    assert_eq!(
        console.patch(&path, json!({"role_id":"x"})).await.details(),
        json!({"role_id":["is immutable"]})
    );
    for list in [
        format!("/api/v1/principals/{principal}/grants"),
        format!("/api/v1/static_secrets/{secret}/grants"),
        format!("/api/v1/grants?principal_id={principal}&static_secret_id={secret}&namespace=default"),
    ] {
        assert_eq!(console.get(&list).await.expect(200)["meta"]["total"], 1, "{list}");
    }
    assert_eq!(console.get("/api/v1/grants?namespace=other").await.expect(200)["meta"]["total"], 0);
    assert_eq!(console.delete(&path).await.status, 204);
    assert_eq!(console.delete(&path).await.status, 404);
}

async fn both_ends_have_to_be_named_and_to_exist() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let elsewhere = console.make("/api/v1/roles", json!({"namespace":"lab","foreign_id":"r"})).await;
    let secret = console.make("/api/v1/static_secrets", secret("s", "a.test", "fake-value-1")).await;
    let post = |data| console.post("/api/v1/grants", data);
    let details = post(json!({"static_secret_id":secret})).await.details();
    assert_eq!(details, json!({"base":["must reference one of principal_id, role_id"]}));
    let unknown = post(json!({"principal_id":"prn_x","static_secret_id":secret})).await.expect(404);
    assert_eq!(unknown["error"]["message"], "Couldn't find Principal with oid \"prn_x\"");
    let unknown = post(json!({"principal_id":principal,"hmac_secret_id":secret})).await.expect(404);
    assert_eq!(unknown["error"]["message"], format!("Couldn't find HmacSecret with oid \"{secret}\""));
    let details = post(json!({"role_id":elsewhere,"static_secret_id":secret})).await.details();
    assert_eq!(details, json!({"role":["must be in the same namespace as the secret"]}));
    let other = json!({"namespace":"lab","foreign_id":"other"});
    let other = console.make("/api/v1/principals", other).await;
    post(json!({"principal_id":other,"static_secret_id":secret})).await.expect(201);
}

on_both!(a_grant_is_made_once_and_its_priority_alone_can_change, both_ends_have_to_be_named_and_to_exist,);
