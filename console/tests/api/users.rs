//! Who may sign in, over the API.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::console::{Console, KEY};
use crate::on_both;

const USERS: &str = "/api/v1/users";
const PASSWORD: &str = "fake-password-2";

async fn make(console: &Console, email: &str, change: Value) -> Value {
    let mut user = json!({"email":email,"password":PASSWORD});
    change.as_object().expect("members").iter().for_each(|(key, value)| user[key] = value.clone());
    console.post(USERS, user).await.data(201)
}

fn path(user: &Value) -> String {
    format!("{USERS}/{}", user["id"].as_str().expect("an id"))
}

async fn a_user_is_made_approved_disabled_and_let_in_again() {
    let console = Console::start().await;
    let made = make(&console, " Ada@Example.test ", json!({"status":"pending","name":"Ada"})).await;
    for (key, want) in [
        ("email", json!("ada@example.test")),
        ("name", json!("Ada")),
        ("status", json!("pending")),
        ("admin", json!(false)),
        ("has_password", json!(true)),
        ("email_verified", json!(true)),
        ("identities", json!([])),
        ("sessions", json!(0)),
        ("approved_at", Value::Null),
        ("revision", json!(1)),
    ] {
        assert_eq!(made[key], want, "{key}");
    }
    assert!(!made.to_string().contains("argon2"), "{made}");
    let mut browser = Browser::new(&console);
    assert_eq!(browser.sign_in("ada@example.test", PASSWORD).await.to(), "/pending");
    let waiting = console.get(&format!("{USERS}?status=pending")).await.data(200);
    assert_eq!((waiting.as_array().map(Vec::len), &waiting[0]["id"]), (Some(1), &made["id"]));
    assert_eq!(waiting[0]["sessions"], 1);

    let approved = console.patch(&path(&made), json!({"status":"active"})).await.data(200);
    assert!(approved["approved_at"].is_string() && approved["approved_by"].is_string(), "{approved}");
    browser.get("/console").await.says(200, "ada@example.test");
    console.patch(&path(&made), json!({"status":"disabled"})).await.expect(200);
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");
    browser.get("/login").await.says(200, "Your account is disabled.");
    console.patch(&path(&made), json!({"status":"active"})).await.expect(200);
    assert_eq!(
        browser.get("/console").await.to(),
        "/login?return_to=%2Fconsole",
        "an old session stays over"
    );
    browser.sign_in("ada@example.test", PASSWORD).await.to();
    let ended = console.post(&format!("{}/sign_out", path(&made)), json!({})).await.data(200);
    assert_eq!(ended, json!({"ended":1}));
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");

    let changed = json!({"password":"fake-password-3","name":null,"admin":true});
    let changed = console.patch(&path(&made), changed).await.data(200);
    assert_eq!((&changed["name"], &changed["admin"]), (&Value::Null, &json!(true)));
    browser.sign_in("ada@example.test", PASSWORD).await.says(422, "Invalid email or password.");
    browser.sign_in("ada@example.test", "fake-password-3").await.to();
    let all = console.get(USERS).await.data(200);
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let events = console.get("/api/v1/audit_events?limit=200").await.text;
    assert!(!events.contains("fake-password") && !events.contains("argon2"), "{events}");
}

async fn nobody_locks_themselves_or_everybody_out() {
    let console = Console::start().await;
    let root = console.get(USERS).await.data(200)[0].clone();
    let refused = async |change: Value| console.patch(&path(&root), change).await.details();
    let own = "You can't disable your own account.";
    let last = "would leave no administrator";
    assert_eq!(refused(json!({"status":"disabled"})).await, json!({"status":[own, last]}));
    assert_eq!(refused(json!({"status":"pending"})).await, json!({"status":[own, last]}));
    assert_eq!(refused(json!({"admin":false})).await, json!({"admin":[last]}));
    let other = make(&console, "ada@example.test", json!({"admin":true})).await;
    assert_eq!(refused(json!({"status":"disabled"})).await, json!({"status":[own]}), "still the own one");
    // With another one there is somebody left; this key is no administrator's any more afterwards.
    console.patch(&path(&other), json!({"status":"disabled"})).await.expect(200);
    assert_eq!(
        refused(json!({"admin":false})).await,
        json!({"admin":[last]}),
        "who is disabled does not count"
    );
    console.patch(&path(&other), json!({"status":"active"})).await.expect(200);
    console.patch(&path(&root), json!({"admin":false})).await.expect(200);
    console.get(USERS).await.expect(403);
}

async fn what_makes_no_sense_is_named() {
    let console = Console::start().await;
    let made = make(&console, "ada@example.test", json!({})).await;
    for (data, details) in [
        (json!({"name":"x"}), json!({"email":["can't be blank"]})),
        (json!({"email":"ada"}), json!({"email":["must be an e-mail address"]})),
        (json!({"email":"ADA@example.test"}), json!({"email":["has already been taken"]})),
        (
            json!({"email":"b@example.test","password":"short"}),
            json!({"password":["is too short (minimum is 12 characters)"]}),
        ),
        (
            json!({"email":"b@example.test","status":"gone","admin":"yes"}),
            json!({"status":["must be one of pending, active, disabled"],"admin":["must be true or false"]}),
        ),
    ] {
        assert_eq!(console.post(USERS, data.clone()).await.details(), details, "{data}");
    }
    let moved = console.patch(&path(&made), json!({"email":"bob@example.test"})).await.details();
    assert_eq!(moved, json!({"email":["cannot be changed"]}));
    console.patch(&path(&made), json!({"email":"Ada@Example.test"})).await.expect(200);
    console.get(&format!("{USERS}?status=gone")).await.expect(422);
    console.get(&format!("{USERS}/usr_00000000")).await.expect(404);
    console.delete(&path(&made)).await.expect(404);
    let stale = [("authorization", &*format!("Bearer {KEY}")), ("if-match", "\"7\"")];
    console.send("PATCH", &path(&made), &stale, r#"{"data":{"name":"x"}}"#).await.expect(412);
    let key = json!({"name":"scoped","namespace":"mine"});
    let key = console.post("/api/v1/api_keys", key).await.data(201)["token"].take();
    let bearer = format!("Bearer {}", key.as_str().expect("a token"));
    for (method, path, body) in [
        ("GET", USERS.to_owned(), ""),
        ("GET", path(&made), ""),
        ("POST", USERS.to_owned(), r#"{"data":{"email":"c@example.test"}}"#),
        ("PATCH", path(&made), r#"{"data":{"name":"x"}}"#),
        ("POST", format!("{}/sign_out", path(&made)), "{}"),
    ] {
        console.send(method, &path, &[("authorization", &bearer)], body).await.expect(403);
    }
}

on_both!(
    a_user_is_made_approved_disabled_and_let_in_again,
    nobody_locks_themselves_or_everybody_out,
    what_makes_no_sense_is_named,
);
