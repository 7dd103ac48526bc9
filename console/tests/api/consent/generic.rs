//! A provider that an app describes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{APPS, CREDENTIALS, World, app};
use crate::consent::browser::Browser;
use crate::console::Console;
use crate::on_both;
use crate::stand_in::{Client, StandIn};

const FIELDS: [&str; 11] = [
    "authorization_endpoint",
    "token_endpoint",
    "pkce",
    "client_auth",
    "scope_param",
    "scope_separator",
    "api_hosts",
    "issuer",
    "jwks_uri",
    "profile_url",
    "revocation_endpoint",
];

fn described() -> Value {
    let mut app = app("generic");
    app["authorization_endpoint"] = json!("https://idp.example/authorize?tenant=1");
    app["token_endpoint"] = json!("https://idp.example/token");
    app["api_hosts"] = json!(["api.idp.example"]);
    app
}

async fn the_members_are_those_of_generic_alone() {
    let console = Console::start().await;
    let made = console.put(&format!("{APPS}/x"), described()).await.data(201);
    for (key, want) in [
        ("authorization_endpoint", json!("https://idp.example/authorize?tenant=1")),
        ("pkce", json!(true)),
        ("client_auth", json!("post")),
        ("scope_param", json!("scope")),
        ("scope_separator", json!(" ")),
        ("api_hosts", json!(["api.idp.example"])),
        ("issuer", Value::Null),
    ] {
        assert_eq!(made[key], want, "{key}");
    }
    let google = console.put(&format!("{APPS}/g"), app("google")).await.data(201);
    assert!(FIELDS.iter().all(|field| google[field].is_null()), "{google}");
    let details =
        console.put(&format!("{APPS}/g"), json!({"issuer":"https://idp.example","pkce":false})).await;
    let only = "is only allowed for the provider generic";
    assert_eq!(details.details(), json!({"pkce":[only],"issuer":[only]}));

    let refused = console
        .post(APPS, {
            let mut new = app("generic");
            new["slug"] = json!("y");
            new
        })
        .await
        .details();
    let blank = "can't be blank";
    let hosts = "must be a non-empty array of host names or wildcard patterns";
    assert_eq!(
        refused,
        json!({"authorization_endpoint":[blank],"token_endpoint":[blank],"api_hosts":[hosts]})
    );
    for (key, value, part) in [
        ("token_endpoint", json!("http://idp.example/t"), "must be an https URL"),
        ("token_endpoint", json!("https://127.0.0.1/t"), "must not point to a loopback"),
        ("token_endpoint", json!("https://u:p@idp.example/t"), "must not hold a user name"),
        ("jwks_uri", json!("https://10.0.0.1/k"), "must not point to a loopback"),
        ("profile_url", json!("ftp://idp.example"), "must be an https URL"),
        ("issuer", json!("idp"), "must be an https URL"),
        ("revocation_endpoint", json!("https://10.0.0.1/r"), "must not point to a loopback"),
        ("authorization_endpoint", json!("javascript:alert(1)"), "must be an https URL"),
        ("api_hosts", json!([]), hosts),
        ("api_hosts", json!(["https://x"]), hosts),
        ("client_auth", json!("jwt"), "must be one of post, basic, none"),
        ("scope_separator", json!(";"), "must be one of"),
        ("scope_param", json!("state"), "must be the name of a parameter"),
        ("pkce", json!("yes"), "must be true or false"),
    ] {
        let details = console.patch(&format!("{APPS}/x"), json!({key:value})).await.details();
        let message = details[key][0].as_str().unwrap_or_default();
        assert!(message.contains(part), "{key}: {details}");
    }
    let keys =
        console.patch(&format!("{APPS}/x"), json!({"jwks_uri":"https://idp.example/keys"})).await.details();
    assert_eq!(keys, json!({"issuer":["can't be blank where there is a jwks_uri"]}));
    // A private address that only a browser visits is nothing that this console calls.
    let inside = json!({"authorization_endpoint":"https://10.0.0.1/authorize"});
    console.patch(&format!("{APPS}/x"), inside).await.expect(200);
    let kept = console.patch(&format!("{APPS}/x"), json!({"scope_separator":","})).await.data(200);
    assert_eq!(kept["token_endpoint"], "https://idp.example/token", "a partial write");
    // A client without a secret needs none, and needs one as soon as it is to name itself with it.
    let mut public = described();
    public["client_auth"] = json!("none");
    public.as_object_mut().expect("members").remove("client_secret");
    console.put(&format!("{APPS}/public"), public).await.expect(201);
    let details = console.patch(&format!("{APPS}/public"), json!({"client_auth":"basic"})).await.details();
    assert_eq!(details, json!({"client_secret":[blank]}));
    let both = json!({"client_auth":"basic","client_secret":"fake-cs"});
    console.patch(&format!("{APPS}/public"), both).await.expect(200);
    // Another provider forgets them.
    let other = console.patch(&format!("{APPS}/public"), json!({"provider":"google"})).await.data(200);
    assert!(FIELDS.iter().all(|field| other[field].is_null()), "{other}");
    let back = console.patch(&format!("{APPS}/public"), json!({"provider":"generic"})).await.details();
    assert_eq!(back["token_endpoint"], json!([blank]));
}

/// A console and a stand-in, with an app `own` that describes it.
async fn world(change: Value, settings: &[(&str, &str)]) -> World {
    let idp = StandIn::start(&["/token"]).await;
    let mut all = vec![
        ("CENTAUR_CONSOLE_SECRET_KEY_BASE", super::BASE),
        ("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"),
    ];
    all.extend(settings);
    let console = Console::with(&all).await;
    let mut own = app("generic");
    own["authorization_endpoint"] = json!(idp.issuer.url("/authorize?tenant=1"));
    own["token_endpoint"] = json!(idp.issuer.url("/token"));
    own["api_hosts"] = json!(["api.idp.example", "*.idp.example"]);
    for (key, value) in change.as_object().expect("members") {
        let text = value.as_str().map(|text| text.replace("ISSUER", &idp.issuer.origin()));
        own[key] = text.map_or(value.clone(), Value::String);
    }
    console.put(&format!("{APPS}/own"), own).await.expect(201);
    World { console, idp, browser: Browser::new() }
}

async fn an_issuer_is_discovered_and_its_tokens_are_verified() {
    let world = world(json!({"issuer":"ISSUER","scope_separator":","}), &[]).await;
    let origin = world.idp.issuer.origin();
    let document = json!({"issuer":origin,"authorization_endpoint":world.idp.issuer.url("/authorize"),
        "token_endpoint":world.idp.issuer.url("/token"),"jwks_uri":world.idp.issuer.url("/jwks")});
    let discovery = "/.well-known/openid-configuration";
    let consent = async || {
        let sent = world.browser.start(&world.console, "own").await;
        let claims = StandIn::claims(&origin, &sent, "ada", "ada@example.test");
        let code = world.idp.code(&sent, &world.idp.tokens(&claims, 1));
        (sent.clone(), world.browser.back(&world.console, "own", &sent, &code).await)
    };
    let (_, page) = consent().await;
    page.says(422, "Connecting the integration failed (discovery_failed).");
    world.idp.issuer.answer(discovery, 200, document);
    let (sent, page) = consent().await;
    page.says(200, "ada@example.test");
    assert!(sent.whole.contains("/authorize?tenant=1&client_id="), "{}", sent.whole);
    assert_eq!(sent.params["scope"], "scope-a,scope-b,openid");
    let credential = world.only_credential().await;
    assert_eq!(
        (&credential["name"], &credential["foreign_id"]),
        (&json!("own – ada@example.test"), &json!("generic-own-ada"))
    );
    assert_eq!(credential["token_endpoint"], json!(world.idp.issuer.url("/token")));
    let rules = world.wrapper(&credential).await["rules"].clone();
    assert_eq!((&rules[0]["host"], &rules[1]["host"]), (&json!("api.idp.example"), &json!("*.idp.example")));
}

async fn a_provider_stays_where_it_is_while_it_has_credentials() {
    let world = world(json!({"profile_url":"ISSUER/me"}), &[]).await;
    let own = format!("{APPS}/own");
    let elsewhere = json!({"token_endpoint":world.idp.issuer.url("/other")});
    world.console.patch(&own, elsewhere.clone()).await.expect(200);
    let here = json!({"token_endpoint":world.idp.issuer.url("/token")});
    world.console.patch(&own, here.clone()).await.expect(200);
    world.idp.issuer.answer("/me", 200, json!({"id":7,"username":"ada"}));
    let sent = world.browser.start(&world.console, "own").await;
    let answer = json!({"access_token":"fake-at","expires_in":60});
    let code = world.idp.code_for(&sent, 200, &answer, Client::Post);
    world.browser.back(&world.console, "own", &sent, &code).await.says(200, "Connected");
    let there = world.idp.issuer.origin();
    for (key, value) in [
        ("token_endpoint", elsewhere["token_endpoint"].clone()),
        ("profile_url", json!(format!("{there}/you"))),
        ("issuer", json!(there)),
        ("revocation_endpoint", json!(format!("{there}/revoke"))),
    ] {
        let details = world.console.patch(&own, json!({key:value})).await.details();
        assert_eq!(details, json!({key:["cannot change while minted credentials exist"]}));
    }
    // What only decides how it is asked may change.
    let change = json!({"scope_separator":",","api_hosts":["api.idp.example"]});
    world.console.patch(&own, change).await.expect(200);
    world.console.patch(&own, here).await.expect(200);
}

async fn a_client_names_itself_as_it_was_told_to() {
    for (auth, client, pkce) in
        [("post", Client::Post, true), ("basic", Client::Basic, false), ("none", Client::Public, true)]
    {
        let change = json!({"client_auth":auth,"pkce":pkce,"scope_param":"audience_scope",
            "profile_url":"ISSUER/me"});
        let world = world(change, &[]).await;
        world.idp.issuer.answer("/me", 200, json!({"id":7,"username":"ada","email":"ada@example.test"}));
        let sent = world.browser.start(&world.console, "own").await;
        assert_eq!(sent.params["audience_scope"], "scope-a scope-b");
        assert_eq!(sent.params.contains_key("code_challenge"), pkce, "{auth}");
        assert!(!sent.params.contains_key("nonce"));
        let answer = json!({"access_token":"fake-at","expires_in":60});
        let code = world.idp.code_for(&sent, 200, &answer, client);
        world.browser.back(&world.console, "own", &sent, &code).await.says(200, "ada@example.test");
        let credential = world.only_credential().await;
        assert_eq!((&credential["provider_subject"], &credential["health"]), (&json!("7"), &json!("static")));
        assert_eq!(world.idp.issuer.seen("/me")[0].headers["authorization"], "Bearer fake-at");
    }
}

async fn a_grant_is_taken_back_where_the_app_says() {
    for (auth, client, form) in [
        ("post", Client::Post, "token=fake-rt&client_id=client-1&client_secret=fake-client-secret"),
        ("basic", Client::Basic, "token=fake-rt"),
        ("none", Client::Public, "token=fake-rt&client_id=client-1"),
    ] {
        let change =
            json!({"client_auth":auth,"profile_url":"ISSUER/me","revocation_endpoint":"ISSUER/revoke"});
        let world = world(change, &[]).await;
        world.idp.issuer.answer("/me", 200, json!({"sub":"ada"}));
        let sent = world.browser.start(&world.console, "own").await;
        let answer = json!({"access_token":"fake-at","refresh_token":"fake-rt","expires_in":3600});
        let code = world.idp.code_for(&sent, 200, &answer, client);
        world.browser.back(&world.console, "own", &sent, &code).await.says(200, "Connected");
        let minted = world.only_credential().await;
        let id = |value: &Value| value.as_str().expect("an id").to_owned();
        let wrapper = format!("/api/v1/static_secrets/{}", id(&minted["wrapping_static_secret_id"]));
        world.console.delete(&wrapper).await.expect(204);
        world.idp.issuer.answer("/revoke", 200, json!({}));
        let gone = format!("{CREDENTIALS}/{}?revoke=true", id(&minted["id"]));
        let gone = world.console.delete(&gone).await.data(200);
        assert_eq!(gone["revocation"], json!({"result":"revoked","code":null}));
        let asked = world.idp.issuer.seen("/revoke").pop().expect("a call");
        assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", form), "{auth}");
        let named = asked.headers.get("authorization").is_some_and(|value| value.starts_with("Basic "));
        assert_eq!(named, client == Client::Basic);
    }
}

async fn what_was_minted_is_refreshed_the_same_way() {
    let settings = [("CENTAUR_CONSOLE_BROKER", "on")];
    let world = world(json!({"client_auth":"basic","profile_url":"ISSUER/me"}), &settings).await;
    world.idp.issuer.answer("/me", 200, json!({"sub":"ada"}));
    let sent = world.browser.start(&world.console, "own").await;
    let answer =
        json!({"access_token":"fake-at-1","refresh_token":"fake-rt-1","expires_in":3600,"scope":"scope-a"});
    let code = world.idp.code_for(&sent, 200, &answer, Client::Basic);
    world.browser.back(&world.console, "own", &sent, &code).await.says(200, "Connected");
    let minted = world.only_credential().await;
    assert_eq!(world.idp.issuer.seen("/token").len(), 1, "fresh as it is, nothing is refreshed yet");
    let next = json!({"access_token":"fake-at-2","refresh_token":"fake-rt-2","expires_in":3600});
    world.idp.issuer.answer("/token", 200, next);
    let path = format!("{CREDENTIALS}/{}/refresh", minted["id"].as_str().expect("an id"));
    world.console.post(&path, json!({})).await.expect(202);
    let wait = async {
        while world.only_credential().await["last_refresh"] == minted["last_refresh"] {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect("a refresh");
    let asked = world.idp.issuer.seen("/token").pop().expect("a call");
    assert_eq!(asked.body, "grant_type=refresh_token&refresh_token=fake-rt-1");
    assert!(asked.headers["authorization"].starts_with("Basic "));
    assert_eq!(world.delivered(&minted).await[0]["source"]["value"], "fake-at-2");
    world.console.stop().await;
}

on_both!(
    the_members_are_those_of_generic_alone,
    an_issuer_is_discovered_and_its_tokens_are_verified,
    a_provider_stays_where_it_is_while_it_has_credentials,
    a_client_names_itself_as_it_was_told_to,
    a_grant_is_taken_back_where_the_app_says,
    what_was_minted_is_refreshed_the_same_way,
);
