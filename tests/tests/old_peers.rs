//! Proxies and API clients of old: exactly their requests, and the answers that they know, byte for byte. What is
//! expected is written out here, by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use centaur_e2e::real::{Api, Console, Database, KEY, id};
use centaur_e2e::wait::within;
use centaur_e2e::{Conn, Reply};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A sync as a proxy of old sends it: these fields and no others.
async fn sync(console: SocketAddr, token: &str, hash: &str) -> Reply {
    sync_at(console, "/api/v1/proxy/sync", token, hash).await
}

async fn sync_at(console: SocketAddr, path: &str, token: &str, hash: &str) -> Reply {
    let body = format!(r#"{{"config_hash":"{hash}"}}"#);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {console}\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept-Encoding: gzip\r\n\r\n",
        body.len()
    );
    let stream = within("a connection", TcpStream::connect(console)).await.expect("connect");
    let mut conn = Conn::new(stream, Arc::default());
    conn.send(head + &body).await;
    conn.reply().await
}

/// Status line and fields as proxies of old read them, and the body.
#[track_caller]
fn answered(reply: &Reply, status: u16, reason: &str, body: &str) {
    assert_eq!((reply.minor, reply.status, reply.reason.as_str()), (1, status, reason), "{}", reply.text());
    assert_eq!(reply.text(), body);
    let field = |name| reply.header(name);
    assert_eq!(field("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(field("content-length"), Some(body.len().to_string().as_str()));
    for absent in ["content-encoding", "transfer-encoding", "location", "preference-applied", "set-cookie"] {
        assert_eq!(field(absent), None, "{absent}");
    }
}

/// The hash of an answer, which is `sha256:` and 64 hexadecimal digits.
#[track_caller]
fn hash_of(reply: &Reply) -> String {
    let text = reply.text();
    let rest = text.strip_prefix("{\"config_hash\":\"").unwrap_or_else(|| panic!("{text}"));
    let hash = rest.split('"').next().unwrap_or_default();
    let digits = hash.strip_prefix("sha256:").unwrap_or_else(|| panic!("{hash}"));
    assert!(digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
    hash.to_owned()
}

const INVALID: &str = r#"{"error":{"message":"invalid or missing proxy token","code":"invalid_token"}}"#;
const REVOKED: &str = r#"{"error":{"message":"invalid or missing proxy token","code":"proxy_revoked"}}"#;

/// What the principal of [`grant_everything`] gets, after the hash, with `PGS` for the id of the database's secret.
const ASSIGNED: &str = concat!(
    r#","status":"assigned","principal_id":"prn_5CO4fITZ","secrets":["#,
    r#"{"source":{"type":"control_plane","value":"fake-value-1"},"rules":[],"#,
    r#""replace":{"proxy_value":"PLACEHOLDER_A","match_headers":["Authorization"]}},"#,
    r#"{"source":{"type":"aws_sm","secret_id":"weather/api","json_key":"key","ttl":"5m"},"#,
    r#""rules":[{"host":"api.weather.example","methods":["GET"],"paths":["/v3/*"]}],"#,
    r#""inject":{"query_param":"appid"}}],"transforms":["#,
    r#"{"name":"aws_auth","config":{"access_key_id":{"type":"env","var":"AWS_ID"},"#,
    r#""secret_access_key":{"type":"control_plane","value":"fake-value-2"},"#,
    r#""allowed_regions":["eu-test-1"],"rules":[{"cidr":"192.0.2.0/24"}]}},"#,
    r#"{"name":"oauth_token","config":{"tokens":[{"grant":"client_credentials","#,
    r#""token_endpoint":"https://idp.example/token","client_id":{"type":"env","var":"ID"},"#,
    r#""client_secret":{"type":"control_plane","value":"fake-value-3"},"scopes":["read"],"#,
    r#""rules":[{"host":"*.idp.example"}]}]}}],"postgres":["#,
    r#"{"id":"PGS","foreign_id":"main","database":"app","dsn":{"type":"env","var":"PG_DSN"},"#,
    r#""role":"reader","settings":[{"name":"app.tenant","value":"t1"},{"name":"app.mode","value":"ro"}]}]}"#,
);

/// Makes the first principal, and of each wire form one secret; gives [`ASSIGNED`] with its id.
async fn grant_everything(api: &Api) -> String {
    let inline = |value: &str| json!({"source_type": "control_plane", "config": {}, "secret": value});
    let env = |var: &str| json!({"source_type": "env", "config": {"var": var}});
    let principal =
        api.make("principals", json!({"foreign_id": "p1", "name": "P", "labels": {"tenant": "t1"}})).await;
    let role = api.make("roles", json!({"foreign_id": "infra", "name": "Infra"})).await;
    api.make(&format!("principals/{}/roles", id(&principal)), json!({"role_id": role["id"]})).await;
    let weather = json!({
        "inject_config": {"query_param": "appid"},
        "source": {
            "source_type": "aws_sm", "config": {"secret_id": "weather/api", "json_key": "key", "ttl": "5m"},
        },
        "rules": [{"host": "api.weather.example", "http_methods": ["GET"], "paths": ["/v3/*"]}],
    });
    let other = json!({
        "replace_config": {"proxy_value": "PLACEHOLDER_A", "match_headers": ["Authorization"]},
        "source": inline("fake-value-1"),
    });
    let aws = json!({
        "access_key_id": env("AWS_ID"), "secret_access_key": inline("fake-value-2"),
        "allowed_regions": ["eu-test-1"], "rules": [{"cidr": "192.0.2.0/24"}],
    });
    let oauth = json!({
        "grant": "client_credentials", "token_endpoint": "https://idp.example/token", "scopes": ["read"],
        "credentials": {"client_id": env("ID"), "client_secret": inline("fake-value-3")},
        "rules": [{"host": "*.idp.example"}],
    });
    let postgres = json!({
        "foreign_id": "main", "database": "app", "role": "reader", "dsn": env("PG_DSN"),
        "settings": [
            {"name": "app.tenant", "value_from": {"principal_label": "tenant"}},
            {"name": "app.mode", "value": "ro"},
        ],
    });
    let mut assigned = ASSIGNED.to_owned();
    // The second one by the role alone, so that it comes first.
    for (kind, document, grantee) in [
        ("static", weather, ("principal_id", &principal)),
        ("static", other, ("role_id", &role)),
        ("aws_auth", aws, ("principal_id", &principal)),
        ("oauth_token", oauth, ("principal_id", &principal)),
        ("pg_dsn", postgres, ("role_id", &role)),
    ] {
        let secret = api.make(&format!("{kind}_secrets"), document).await;
        let grant = json!({grantee.0: grantee.1["id"], format!("{kind}_secret_id"): secret["id"]});
        api.make("grants", grant).await;
        if kind == "pg_dsn" {
            assigned = assigned.replace("PGS", &id(&secret));
        }
    }
    assigned
}

#[tokio::test]
async fn a_proxy_of_old_gets_the_answers_that_it_knows() {
    let database = Database::sqlite();
    let console = Console::start(&database).await;
    let (at, api) = (console.address(), console.api());
    let config = grant_everything(&api).await;
    let proxy = api.make("proxies", json!({"name": "edge"})).await;
    let (path, token) = (format!("proxies/{}", id(&proxy)), proxy["token"].as_str().expect("a token"));

    // Nobody's.
    let first = sync(at, token, "").await;
    let unassigned = hash_of(&first);
    let none = r#","status":"unassigned","principal_id":null,"secrets":[],"transforms":[],"postgres":[]}"#;
    let whole = |hash: &str, rest: &str| format!("{{\"config_hash\":\"{hash}\"{rest}");
    let alone = |hash: &str| format!("{{\"config_hash\":\"{hash}\"}}");
    answered(&first, 200, "OK", &whole(&unassigned, none));
    answered(&sync(at, token, &unassigned).await, 200, "OK", &alone(&unassigned));

    // Assigned, and the same again.
    api.call("PATCH", &path, json!({"principal_id": "prn_5CO4fITZ"})).await.expect(200);
    let reply = sync(at, token, &unassigned).await;
    let assigned = hash_of(&reply);
    assert_ne!(assigned, unassigned);
    answered(&reply, 200, "OK", &whole(&assigned, &config));
    answered(&sync(at, token, &assigned).await, 200, "OK", &alone(&assigned));
    answered(&sync(at, token, "garbage").await, 200, "OK", &whole(&assigned, &config));
    // The address with a slash at its end, to which they add the path as it is.
    let doubled = sync_at(at, "//api/v1/proxy/sync", token, &assigned).await;
    answered(&doubled, 200, "OK", &alone(&assigned));

    // Another principal, without anything, and the first one again.
    let other = id(&api.make("principals", json!({"foreign_id": "p2"})).await);
    api.call("PATCH", &path, json!({ "principal_id": other })).await.expect(200);
    let reply = sync(at, token, &assigned).await;
    let swapped = hash_of(&reply);
    let empty = none.replace("unassigned", "assigned").replace("null", "\"prn_4OgdAYTJ\"");
    answered(&reply, 200, "OK", &whole(&swapped, &empty));
    api.call("PATCH", &path, json!({"principal_id": "prn_5CO4fITZ"})).await.expect(200);
    let reply = sync(at, token, &swapped).await;
    let again = hash_of(&reply);
    answered(&reply, 200, "OK", &whole(&again, &config));
    assert!(![&unassigned, &assigned, &swapped].contains(&&again), "an assignment has a hash of its own");

    // Another token, and after the time of grace the old one is nobody's.
    let rotated =
        api.call("POST", &format!("{path}/rotate_token"), json!({"grace_seconds": 60})).await.data();
    let second = rotated["token"].as_str().expect("a token").to_owned();
    answered(&sync(at, token, &again).await, 200, "OK", &alone(&again));
    answered(&sync(at, &second, &again).await, 200, "OK", &alone(&again));
    let rotated = api.call("POST", &format!("{path}/rotate_token"), json!({"grace_seconds": 0})).await.data();
    let third = rotated["token"].as_str().expect("a token").to_owned();
    answered(&sync(at, &second, &again).await, 401, "Unauthorized", INVALID);
    answered(&sync(at, &third, &again).await, 200, "OK", &alone(&again));

    // Deleted, and what never was.
    api.call("DELETE", &path, Value::Null).await.expect(204);
    answered(&sync(at, &third, &again).await, 401, "Unauthorized", REVOKED);
    for stranger in ["", "x", KEY, &format!("iprx_{}", "0".repeat(64))] {
        answered(&sync(at, stranger, &again).await, 401, "Unauthorized", INVALID);
    }
    let (status, log) = console.stop().await;
    assert!(status.success(), "{log}");
}

/// A request as the Rust client of old sends it.
async fn ask(api: &Api, method: &str, path: &str, body: &str) -> (u16, String) {
    let bearer = format!("Bearer {KEY}");
    let mut fields = vec![("authorization", bearer.as_str()), ("accept", "*/*")];
    if !body.is_empty() {
        fields.push(("content-type", "application/json"));
    }
    let answer = api.send(method, &format!("/api/v1/{path}"), &fields, body.to_owned()).await;
    let answer = answer.expect("an answer");
    (answer.status, masked(&answer.text))
}

/// With `AT` for every point in time, which has to have three digits after the second, and `Z`.
fn masked(text: &str) -> String {
    let form = b"0000-00-00T00:00:00.000Z";
    let is_time = |bytes: &[u8]| {
        bytes.len() == form.len()
            && bytes
                .iter()
                .zip(form)
                .all(|(found, form)| if *form == b'0' { found.is_ascii_digit() } else { found == form })
    };
    let parts: Vec<_> =
        text.split('"').map(|part| if is_time(part.as_bytes()) { "AT" } else { part }).collect();
    parts.join("\"")
}

/// Fails unless the body of a resource begins with all that clients of old know of it, in the old order.
#[track_caller]
fn shows((found, text): &(u16, String), status: u16, known: &str) {
    assert_eq!(*found, status, "{text}");
    assert!(text.starts_with(known), "{text}\ndoes not begin with\n{known}");
    assert!(text[known.len()..].starts_with([',', '}']), "{text}");
}

#[track_caller]
fn says((found, text): &(u16, String), status: u16, body: &str) {
    assert_eq!((*found, text.as_str()), (status, body));
}

#[tokio::test]
async fn a_client_of_old_provisions_a_principal_as_it_always_did() {
    let database = Database::sqlite();
    let console = Console::start(&database).await;
    let api = console.api();
    let lookup = "principals/lookup/default/slack-channel-c1";
    let unknown = r#"{"error":{"message":"Couldn't find Principal with namespace \"default\" and foreign_id \"slack-channel-c1\""}}"#;
    says(&ask(&api, "GET", lookup, "").await, 404, unknown);
    let put = r##"{"data":{"namespace":"default","name":"#one","labels":{"team":"x"}}}"##;
    let known = concat!(
        r##"{"data":{"id":"prn_5CO4fITZ","namespace":"default","foreign_id":"slack-channel-c1","name":"#one","##,
        r#""labels":{"team":"x","centaur.sandbox_repo_cache":"all"},"slack_channel_permissions":[],"#,
        r#""sandbox_repo_cache":"all","sandbox_observability_enabled":true,"#,
        r#""sandbox_api_server_enabled":true,"created_at":"AT","updated_at":"AT""#,
    );
    shows(&ask(&api, "PUT", "principals/slack-channel-c1", put).await, 201, known);
    shows(&ask(&api, "PUT", "principals/slack%2Dchannel%2Dc1", put).await, 200, known);
    shows(&ask(&api, "GET", lookup, "").await, 200, known);
    shows(&ask(&api, "GET", "principals/prn_5CO4fITZ", "").await, 200, known);

    let role = r#"{"data":{"id":"role_1Uc5uCJR","namespace":"default","foreign_id":"infra","name":"Infra","labels":{},"created_at":"AT","updated_at":"AT""#;
    shows(&ask(&api, "PUT", "roles/infra", r#"{"data":{"name":"Infra"}}"#).await, 201, role);
    let roles = "principals/prn_5CO4fITZ/roles";
    let assign = r#"{"data":{"role_id":"role_1Uc5uCJR"}}"#;
    shows(&ask(&api, "POST", roles, assign).await, 201, role);
    shows(&ask(&api, "POST", roles, assign).await, 200, role);
    assert_eq!(ask(&api, "POST", roles, r#"{"data":{"x":1}}"#).await.0, 400);
    says(
        &ask(&api, "POST", roles, r#"{"data":{"role_id":"role_E7oP5Nps"}}"#).await,
        404,
        r#"{"error":{"message":"Couldn't find Role with oid \"role_E7oP5Nps\""}}"#,
    );
    let listed = ask(&api, "GET", roles, "").await;
    shows(&listed, 200, &role.replacen("{\"data\":{", "{\"data\":[{", 1));
    assert!(listed.1.ends_with("}]}"), "a list without meta: {}", listed.1);
    let row = r#"{"data":{"channel_id":"C0AB12CD3","channel_name":"one"}}"#;
    let shown = r#"{"data":{"channel_id":"C0AB12CD3","channel_name":"one","upload_enabled":true,"download_enabled":true,"history_enabled":true"#;
    shows(&ask(&api, "POST", "principals/prn_5CO4fITZ/slack_channel_permissions", row).await, 201, shown);
    shows(&ask(&api, "POST", "principals/prn_5CO4fITZ/slack_channel_permissions", row).await, 200, shown);

    // An operator's revocation stays, whatever the next session provisions.
    says(&ask(&api, "DELETE", &format!("{roles}/role_1Uc5uCJR"), "").await, 204, "");
    let rows = r#""slack_channel_permissions":[{"channel_id":"C0AB12CD3","channel_name":"one","upload_enabled":true,"download_enabled":true,"history_enabled":true}]"#;
    let known = known.replace("\"slack_channel_permissions\":[]", rows);
    shows(&ask(&api, "PUT", "principals/slack-channel-c1", put).await, 200, &known);
    says(&ask(&api, "GET", roles, "").await, 200, r#"{"data":[]}"#);

    let listed = ask(&api, "GET", "principals?namespace=default&limit=100&page=1", "").await;
    shows(&listed, 200, &known.replacen("{\"data\":{", "{\"data\":[{", 1));
    let meta = r#"],"meta":{"page":1,"limit":100,"total":1,"total_pages":1}}"#;
    assert!(listed.1.ends_with(meta), "{}", listed.1);
    let proxy =
        ask(&api, "POST", "proxies", r#"{"data":{"name":"edge","principal_id":"prn_5CO4fITZ"}}"#).await;
    let known = r#"{"data":{"id":"prx_42w9YMR0","name":"edge","principal_id":"prn_5CO4fITZ","status":"assigned","principal_assigned_at":"AT","created_at":"AT","updated_at":"AT""#;
    shows(&proxy, 201, known);
    assert!(proxy.1.contains(r#""token":"iprx_"#), "{}", proxy.1);
    let cleared = ask(&api, "PATCH", "proxies/prx_42w9YMR0", r#"{"data":{"principal_id":null}}"#).await;
    let known = r#"{"data":{"id":"prx_42w9YMR0","name":"edge","principal_id":null,"status":"unassigned","principal_assigned_at":null,"created_at":"AT","updated_at":"AT""#;
    shows(&cleared, 200, known);
    console.stop().await;
}

#[tokio::test]
async fn a_client_of_old_finds_grants_and_reads_secrets_as_it_always_did() {
    let database = Database::sqlite();
    let console = Console::start(&database).await;
    let (at, api) = (console.address(), console.api());
    // A name is looked for in each of the seven collections.
    for (collection, name) in [
        ("static_secrets", "StaticSecret"),
        ("gcp_auth_secrets", "GcpAuthSecret"),
        ("gcp_id_token_secrets", "GcpIdTokenSecret"),
        ("aws_auth_secrets", "AwsAuthSecret"),
        ("oauth_token_secrets", "OauthTokenSecret"),
        ("pg_dsn_secrets", "PgDsnSecret"),
        ("hmac_secrets", "HmacSecret"),
    ] {
        let text = format!(
            r#"{{"error":{{"message":"Couldn't find {name} with namespace \"default\" and foreign_id \"nope\""}}}}"#
        );
        says(&ask(&api, "GET", &format!("{collection}/lookup/default/nope"), "").await, 404, &text);
    }
    let config = grant_everything(&api).await;
    let known = concat!(
        r#"{"data":{"id":"ssr_5v76bSur","namespace":"default","foreign_id":null,"name":null,"description":null,"#,
        r#""labels":{},"inject_config":null,"#,
        r#""replace_config":{"proxy_value":"PLACEHOLDER_A","match_headers":["Authorization"]},"#,
        r#""source":{"source_type":"control_plane","config":{}},"rules":[],"created_at":"AT","updated_at":"AT""#,
    );
    shows(&ask(&api, "GET", "static_secrets/ssr_5v76bSur", "").await, 200, known);
    let known = concat!(
        r#"{"data":{"id":"ssr_kxIQLCuJ","namespace":"default","foreign_id":null,"name":null,"description":null,"#,
        r#""labels":{},"inject_config":{"query_param":"appid"},"replace_config":null,"#,
        r#""source":{"source_type":"aws_sm","config":{"secret_id":"weather/api","json_key":"key","ttl":"5m"}},"#,
        r#""rules":[{"host":"api.weather.example","cidr":null,"position":0,"http_methods":["GET"],"#,
        r#""paths":["/v3/*"]}],"created_at":"AT","updated_at":"AT""#,
    );
    shows(&ask(&api, "GET", "static_secrets/ssr_kxIQLCuJ", "").await, 200, known);
    // What is read of the effective configuration: placeholders and databases, and never a value.
    let effective = ask(&api, "GET", "principals/lookup/default/p1/effective_config", "").await;
    let config = config.split_once(",\"secrets\"").expect("secrets").1;
    let config = ["fake-value-1", "fake-value-2", "fake-value-3"]
        .iter()
        .fold(config.to_owned(), |config, value| config.replace(value, "[redacted]"));
    says(&effective, 200, &format!("{{\"data\":{{\"id\":\"prn_5CO4fITZ\",\"secrets\"{config}}}"));
    let again = r#"{"data":{"principal_id":"prn_5CO4fITZ","static_secret_id":"ssr_kxIQLCuJ"}}"#;
    let grant = r#"{"data":{"id":"grant_VURnYeSg","principal_id":"prn_5CO4fITZ","static_secret_id":"ssr_kxIQLCuJ","created_at":"AT","updated_at":"AT""#;
    shows(&ask(&api, "POST", "grants", again).await, 200, grant);
    shows(&ask(&api, "GET", "grants/grant_VURnYeSg", "").await, 200, grant);

    // A document without its empty members is the same document.
    let token =
        api.make("proxies", json!({"name": "edge", "principal_id": "prn_5CO4fITZ"})).await["token"].take();
    let token = token.as_str().expect("a token");
    let hash = hash_of(&sync(at, token, "").await);
    let put = concat!(
        r#"{"data":{"replace_config":{"proxy_value":"PLACEHOLDER_A","match_headers":["Authorization"]},"#,
        r#""source":{"source_type":"control_plane","config":{},"secret":"fake-value-1"}EMPTY}}"#,
    );
    let empty = r#","labels":{},"rules":[],"name":null,"description":null"#;
    for body in [put.replace("EMPTY", ""), put.replace("EMPTY", empty)] {
        assert_eq!(ask(&api, "PUT", "static_secrets/ssr_5v76bSur", &body).await.0, 200);
        assert_eq!(hash_of(&sync(at, token, &hash).await), hash);
    }
    says(&ask(&api, "DELETE", "grants/grant_VURnYeSg", "").await, 204, "");
    let gone = r#"{"error":{"message":"Couldn't find Grant with oid \"grant_VURnYeSg\""}}"#;
    says(&ask(&api, "DELETE", "grants/grant_VURnYeSg", "").await, 404, gone);
    console.stop().await;
}

#[tokio::test]
async fn a_client_of_old_is_refused_with_the_texts_that_it_knows() {
    let database = Database::sqlite();
    let console = Console::start(&database).await;
    let api = console.api();
    let secret = r#"{"data":{"foreign_id":"a","inject_config":{"header":"X"},"source":{"source_type":"env","config":{"var":"V"}}}}"#;
    assert_eq!(ask(&api, "POST", "static_secrets", secret).await.0, 201);
    let missing = r#"{"error":{"message":"param is missing or the value is empty or invalid: data"}}"#;
    let base = r#"{"error":{"message":"validation failed","details":{"base":["must reference one of principal_id, role_id"]}}}"#;
    for (method, path, body, status, text) in [
        ("POST", "static_secrets", "{}", 400, missing),
        ("POST", "static_secrets", r#"{"data":{}}"#, 400, missing),
        (
            "POST",
            "static_secrets",
            secret,
            422,
            r#"{"error":{"message":"validation failed","details":{"foreign_id":["has already been taken"]}}}"#,
        ),
        ("POST", "grants", r#"{"data":{"static_secret_id":"ssr_kxIQLCuJ"}}"#, 422, base),
        (
            "GET",
            "principals/prn_!!!",
            "",
            404,
            r#"{"error":{"message":"Couldn't find Principal with oid \"prn_!!!\""}}"#,
        ),
        (
            "GET",
            "principals?namespace=default&limit=abc",
            "",
            400,
            r#"{"error":{"message":"limit must be an integer"}}"#,
        ),
        ("GET", "nope", "", 404, r#"{"error":{"message":"not found"}}"#),
        ("DELETE", "principals", "", 404, r#"{"error":{"message":"not found"}}"#),
    ] {
        says(&ask(&api, method, path, body).await, status, text);
    }
    let keys = ask(&api, "GET", "api_keys", "").await;
    let key = serde_json::from_str::<Value>(&keys.1).expect("JSON")["data"][0]["id"].take();
    let key = format!("api_keys/{}", key.as_str().expect("an id"));
    let own = r#"{"error":{"message":"cannot revoke the API key used for this request"}}"#;
    says(&ask(&api, "DELETE", &key, "").await, 422, own);
    for authorization in
        ["", "Bearer x", "bearer iak_x", "Token x", &format!("Bearer iak_{}", "0".repeat(64))]
    {
        let fields: &[_] = &[("authorization", authorization)];
        let answer = api.send("GET", "/api/v1/proxies", fields, "").await.expect("an answer");
        let text = r#"{"error":{"message":"invalid or missing API key"}}"#;
        assert_eq!((answer.status, answer.text.as_str()), (401, text));
    }
    // Keys that are held to something are new; what they are refused has a code.
    let held = api.make("api_keys", json!({"name": "ci", "namespace": "lab"})).await;
    let bearer = format!("Bearer {}", held["token"].as_str().expect("a token"));
    let fields: &[_] = &[("authorization", bearer.as_str())];
    let answer =
        api.send("GET", "/api/v1/principals?namespace=default", fields, "").await.expect("an answer");
    let text =
        r#"{"error":{"message":"this API key is limited to the namespace \"lab\"","code":"forbidden"}}"#;
    assert_eq!((answer.status, answer.text.as_str()), (403, text));
    console.stop().await;
}
