//! Keys that are held to a namespace, or to reading: every route, for every sort of key.

use serde_json::{Value, json};

use crate::console::{Console, KEY, Reply, secret};
use crate::on_both;

/// Two namespaces with one object of each sort in each.
struct World {
    console: Console,
    mine: Objects,
    theirs: Objects,
    /// Held to the namespace `mine`.
    scoped: String,
    /// May only read.
    reader: String,
    /// Both.
    scoped_reader: String,
}

struct Objects {
    namespace: &'static str,
    principal: String,
    role: String,
    secret: String,
    grant: String,
    proxy: String,
    credential: String,
    app: String,
}

async fn objects(console: &Console, namespace: &'static str) -> Objects {
    let named = |foreign_id: &str| json!({"namespace":namespace,"foreign_id":foreign_id});
    let principal = console.make("/api/v1/principals", named("p")).await;
    let role = console.make("/api/v1/roles", named("r")).await;
    let mut document = secret("s", "a.test", "fake-value");
    document["namespace"] = json!(namespace);
    let secret = console.make("/api/v1/static_secrets", document).await;
    let grant = json!({"principal_id":principal,"static_secret_id":secret});
    let grant = console.make("/api/v1/grants", grant).await;
    let proxy = console.make("/api/v1/proxies", json!({"name":namespace,"principal_id":principal})).await;
    let mut credential = named("c");
    credential["token_endpoint"] = json!("https://idp.example/token");
    credential["client_id"] = json!("client");
    let credential = console.make("/api/v1/broker_credentials", credential).await;
    let app = json!({"slug":namespace,"provider":"google","client_id":"c","client_secret":"fake-secret",
        "allowed_scopes":["a"],"credential_namespace":namespace});
    let app = console.make("/api/v1/oauth_apps", app).await;
    Objects { namespace, principal, role, secret, grant, proxy, credential, app }
}

async fn key(console: &Console, data: Value) -> String {
    let made = console.post("/api/v1/api_keys", data).await.data(201);
    made["token"].as_str().expect("a token").to_owned()
}

async fn world() -> World {
    let console = Console::start().await;
    let (mine, theirs) = (objects(&console, "mine").await, objects(&console, "theirs").await);
    let scoped = key(&console, json!({"name":"scoped","namespace":"mine"})).await;
    let reader = key(&console, json!({"name":"reader","read_only":true})).await;
    let scoped_reader = key(&console, json!({"name":"both","namespace":"mine","read_only":true})).await;
    World { console, mine, theirs, scoped, reader, scoped_reader }
}

impl World {
    async fn call(&self, key: &str, method: &str, path: &str, data: &Value) -> Reply {
        let bearer = format!("Bearer {key}");
        let body = if data.is_null() { String::new() } else { json!({ "data": data }).to_string() };
        self.console.send(method, path, &[("authorization", &bearer)], body).await
    }
}

/// Method, path and `data`.
type Request = (&'static str, String, Value);

/// Every route that is about one object of a namespace: those that read, and those that write.
fn routes(of: &Objects) -> (Vec<Request>, Vec<Request>) {
    let Objects { namespace, principal, role, secret, grant, proxy, credential, app } = of;
    let get = |path: String| ("GET", format!("/api/v1/{path}"), Value::Null);
    let mut read: Vec<_> = [
        format!("principals/{principal}"),
        format!("principals/lookup/{namespace}/p"),
        format!("principals/{principal}/roles"),
        format!("principals/{principal}/grants"),
        format!("principals/{principal}/effective_config"),
        format!("principals/lookup/{namespace}/p/effective_config"),
        format!("principals/{principal}/explain"),
        format!("roles/{role}"),
        format!("roles/lookup/{namespace}/r"),
        format!("roles/{role}/grants"),
        format!("roles/{role}/principals"),
        format!("static_secrets/{secret}"),
        format!("static_secrets/lookup/{namespace}/s"),
        format!("static_secrets/{secret}/grants"),
        format!("grants/{grant}"),
        format!("grants?principal_id={principal}"),
        format!("grants?role_id={role}"),
        format!("grants?static_secret_id={secret}"),
        format!("grants?namespace={namespace}"),
        format!("proxies/{proxy}"),
        format!("proxies?principal_id={principal}"),
        format!("broker_credentials/{credential}"),
        format!("broker_credentials/lookup/{namespace}/c"),
        format!("broker_credentials/{credential}/attempts"),
        format!("broker_credentials/{credential}/references"),
        format!("oauth_apps/{app}"),
        format!("oauth_apps/lookup/{namespace}"),
        format!("principals?namespace={namespace}"),
        format!("roles?namespace={namespace}"),
        format!("static_secrets?namespace={namespace}"),
        format!("broker_credentials?namespace={namespace}"),
    ]
    .into_iter()
    .map(get)
    .collect();
    let probe = json!({"method":"GET","url":"https://a.test/","headers":[]});
    read.push(("POST", format!("/api/v1/principals/{principal}/dry_run"), probe));

    let name = json!({"namespace":namespace,"name":"renamed"});
    let mut document = crate::console::secret("s", "a.test", "fake-value");
    document["namespace"] = json!(namespace);
    let slack = json!({"channel_id":"C0123456789"});
    let path = |path: String| format!("/api/v1/{path}");
    let write = vec![
        ("POST", path("principals".to_owned()), json!({"namespace":namespace,"foreign_id":"p2"})),
        ("PUT", path(format!("principals/{principal}")), name.clone()),
        ("PUT", path("principals/p".to_owned()), name.clone()),
        ("POST", path(format!("principals/{principal}/slack_channel_permissions")), slack),
        ("POST", path(format!("principals/{principal}/roles")), json!({"role_id":role})),
        ("DELETE", path(format!("principals/{principal}/roles/{role}")), Value::Null),
        ("POST", path("roles".to_owned()), json!({"namespace":namespace,"foreign_id":"r2"})),
        ("PATCH", path(format!("roles/{role}")), name.clone()),
        ("PATCH", path("roles/r".to_owned()), name.clone()),
        ("PUT", path(format!("static_secrets/{secret}")), document.clone()),
        ("PUT", path("static_secrets/s".to_owned()), document.clone()),
        ("POST", path("grants".to_owned()), json!({"role_id":role,"static_secret_id":secret})),
        ("PATCH", path(format!("grants/{grant}")), json!({"priority":5})),
        ("PATCH", path(format!("proxies/{proxy}")), json!({"name":"renamed"})),
        ("POST", path(format!("proxies/{proxy}/rotate_token")), Value::Null),
        ("POST", path("proxies".to_owned()), json!({"name":"new","principal_id":principal})),
        ("PATCH", path(format!("broker_credentials/{credential}")), name.clone()),
        ("PATCH", path("broker_credentials/c".to_owned()), name),
        ("POST", path(format!("broker_credentials/{credential}/refresh")), Value::Null),
        ("PATCH", path(format!("oauth_apps/{app}")), json!({"enabled":false})),
        ("PATCH", path(format!("oauth_apps/{namespace}")), json!({"enabled":true})),
        ("DELETE", path(format!("grants/{grant}")), Value::Null),
        ("DELETE", path(format!("proxies/{proxy}")), Value::Null),
        ("DELETE", path(format!("static_secrets/{secret}")), Value::Null),
        ("DELETE", path(format!("broker_credentials/{credential}")), Value::Null),
        ("DELETE", path(format!("oauth_apps/{app}")), Value::Null),
        ("DELETE", path(format!("roles/{role}")), Value::Null),
        ("DELETE", path(format!("principals/{principal}")), Value::Null),
    ];
    (read, write)
}

const OUTSIDE: &str =
    r#"{"error":{"message":"this API key is limited to the namespace \"mine\"","code":"forbidden"}}"#;
const READ_ONLY: &str = r#"{"error":{"message":"this API key may only read","code":"forbidden"}}"#;

async fn every_route_is_refused_outside_of_the_namespace_of_a_key_and_open_within() {
    let w = world().await;
    let (read, write) = routes(&w.theirs);
    for (method, path, data) in read.iter().chain(&write) {
        let reply = w.call(&w.scoped, method, path, data).await;
        assert_eq!((reply.status, reply.text.as_str()), (403, OUTSIDE), "{method} {path}");
    }
    for (method, path, data) in &read {
        assert_eq!(w.call(&w.scoped_reader, method, path, data).await.text, OUTSIDE, "{method} {path}");
    }
    for objects in [&w.mine, &w.theirs] {
        let (read, write) = routes(objects);
        // The other namespace is as it was: the unlimited key does all of it.
        let key = if objects.namespace == "mine" { &w.scoped } else { KEY };
        for (method, path, data) in read.iter().chain(&write) {
            let reply = w.call(key, method, path, data).await;
            assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.text);
        }
    }
}

async fn a_key_that_may_only_read_reads_everything_and_writes_nothing() {
    let w = world().await;
    for objects in [&w.mine, &w.theirs] {
        let (read, write) = routes(objects);
        for (method, path, data) in &read {
            let reply = w.call(&w.reader, method, path, data).await;
            assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
        }
        for (method, path, data) in &write {
            for key in [&w.reader, &w.scoped_reader] {
                let reply = w.call(key, method, path, data).await;
                assert_eq!((reply.status, reply.text.as_str()), (403, READ_ONLY), "{method} {path}");
            }
        }
    }
    let (_, write) = routes(&w.mine);
    assert_eq!(w.call(&w.reader, "POST", "/api/v1/api_keys", &json!({"name":"x"})).await.text, READ_ONLY);
    for (method, path, data) in &write {
        let reply = w.call(KEY, method, path, data).await;
        assert!((200..300).contains(&reply.status), "nothing was written: {method} {path}: {}", reply.text);
    }
}

async fn lists_that_name_no_namespace_leave_out_the_others() {
    let w = world().await;
    for (path, mine, all) in [
        ("/api/v1/grants", 1, 2),
        ("/api/v1/proxies", 1, 2),
        ("/api/v1/oauth_apps", 1, 2),
        ("/api/v1/api_keys", 2, 4),
    ] {
        let total = async |key: &str| {
            let reply = w.call(key, "GET", path, &Value::Null).await.expect(200);
            reply["meta"]["total"].as_i64()
        };
        assert_eq!((total(&w.scoped).await, total(KEY).await), (Some(mine), Some(all)), "{path}");
    }
    let events = w.call(&w.scoped, "GET", "/api/v1/audit_events?limit=200", &Value::Null).await.data(200);
    let events = events.as_array().expect("a list");
    assert!(events.len() >= 5 && events.iter().all(|event| event["namespace"] == "mine"));
    let verify = w.call(&w.scoped, "GET", "/api/v1/audit_events/verify", &Value::Null).await;
    assert_eq!(verify.text, OUTSIDE);
}

/// The ways from one namespace into the other that name the other only inside of a document.
async fn nothing_of_another_namespace_can_be_drawn_in() {
    let w = world().await;
    let (mine, theirs) = (&w.mine, &w.theirs);
    let mut borrowed = json!({"namespace":"mine","inject_config":{"header":"X"}});
    borrowed["source"] = json!({"source_type":"token_broker","config":{"credential_id":theirs.credential}});
    for (method, path, data) in [
        (
            "POST",
            "/api/v1/grants".to_owned(),
            json!({"principal_id":mine.principal,"static_secret_id":theirs.secret}),
        ),
        ("POST", "/api/v1/static_secrets".to_owned(), borrowed),
        ("PATCH", format!("/api/v1/proxies/{}", mine.proxy), json!({"principal_id":theirs.principal})),
        (
            "PATCH",
            format!("/api/v1/proxies/{}", mine.proxy),
            json!({"fallback_principal_id":theirs.principal}),
        ),
        ("PATCH", format!("/api/v1/proxies/{}", mine.proxy), json!({"principal_id":null})),
        ("POST", "/api/v1/proxies".to_owned(), json!({"name":"nobody's"})),
        ("PATCH", format!("/api/v1/oauth_apps/{}", mine.app), json!({"credential_namespace":"theirs"})),
        ("POST", "/api/v1/principals".to_owned(), json!({"foreign_id":"in-default"})),
        ("POST", "/api/v1/api_keys".to_owned(), json!({"name":"wider","namespace":"theirs"})),
        (
            "GET",
            format!(
                "/api/v1/principals/{}/explain?fallback_principal_id={}",
                mine.principal, theirs.principal
            ),
            Value::Null,
        ),
    ] {
        let reply = w.call(&w.scoped, method, &path, &data).await;
        assert_eq!((reply.status, reply.text.as_str()), (403, OUTSIDE), "{method} {path} {data}");
    }
    let made = w.call(&w.scoped, "POST", "/api/v1/api_keys", &json!({"name":"same"})).await.data(201);
    assert_eq!((&made["namespace"], &made["read_only"]), (&json!("mine"), &json!(false)));
    let bad = json!({"name":"x","namespace":"a b","read_only":"yes"});
    assert_eq!(
        w.console.post("/api/v1/api_keys", bad).await.details(),
        json!({"namespace":["must contain only URL-safe characters (A-Z, a-z, 0-9, -, ., _, ~)"],
            "read_only":["must be true or false"]})
    );
}

on_both!(
    every_route_is_refused_outside_of_the_namespace_of_a_key_and_open_within,
    a_key_that_may_only_read_reads_everything_and_writes_nothing,
    lists_that_name_no_namespace_leave_out_the_others,
    nothing_of_another_namespace_can_be_drawn_in,
);
