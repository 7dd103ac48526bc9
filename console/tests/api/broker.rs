//! Broker credentials and OAuth apps.

use centaur_base::oid::OauthAppId;
use centaur_store::{Actor, CredentialPatch, StoreError};
use serde_json::{Value, json};

use crate::console::{Console, KEY};
use crate::on_both;

const CREDENTIALS: &str = "/api/v1/broker_credentials";
const APPS: &str = "/api/v1/oauth_apps";

fn credential(foreign_id: &str) -> Value {
    json!({
        "foreign_id": foreign_id,
        "token_endpoint": "https://idp.example/token",
        "client_id": "client-1",
        "client_secret": "fake-client-secret",
        "refresh_token": "fake-refresh-token",
        "token_endpoint_headers": {"X-Tenant": "fake-tenant"},
    })
}

fn app(slug: &str) -> Value {
    json!({
        "slug": slug,
        "provider": "google",
        "client_id": "client-1",
        "client_secret": "fake-app-secret",
        "allowed_scopes": ["openid", "drive"],
    })
}

/// A consent is another part's: here its rows are made by hand.
async fn mint(console: &Console, app: &str) -> String {
    let app: OauthAppId = app.parse().expect("an id");
    let patch = &CredentialPatch {
        token_endpoint: Some("https://oauth2.googleapis.com/token".to_owned()),
        oauth_app: Some(Some(app)),
        provider_subject: Some(Some("subject-1".to_owned())),
        refresh_token: Some(centaur_base::Secret::new("fake-minted-token".to_owned())),
        ..CredentialPatch::default()
    };
    let system = Actor::system();
    let made =
        console.app.store().write(&system, |tx| Box::pin(tx.create_credential("default", None, patch)));
    let made: Result<_, StoreError> = made.await;
    made.expect("a credential").id.to_string()
}

async fn a_credential_is_shown_without_anything_that_is_secret() {
    let console = Console::start().await;
    let made = console.post(CREDENTIALS, credential("idp")).await;
    let shown = made.data(201);
    let keys: Vec<_> = shown.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys[..28],
        [
            "id",
            "namespace",
            "foreign_id",
            "name",
            "description",
            "labels",
            "grant",
            "token_endpoint",
            "scopes",
            "client_id",
            "token_endpoint_header_names",
            "early_refresh_slack_seconds",
            "early_refresh_fraction",
            "max_refresh_interval_seconds",
            "refresh_timeout_seconds",
            "status",
            "expires_at",
            "last_refresh",
            "next_attempt_at",
            "dead",
            "dead_reason",
            "failure_count",
            "oauth_app_id",
            "provider_subject",
            "provider_email",
            "external_user_key",
            "created_at",
            "updated_at"
        ]
    );
    assert_eq!((&shown["status"], &shown["health"]), (&json!("bootstrapping"), &json!("healthy")));
    assert_eq!((&shown["grant"], &shown["early_refresh_fraction"]), (&json!("refresh_token"), &json!(0.2)));
    assert_eq!(shown["token_endpoint_header_names"], json!(["X-Tenant"]));
    assert!(shown["next_attempt_at"].is_string(), "material makes it due");
    let path = format!("{CREDENTIALS}/{}", shown["id"].as_str().expect("an id"));
    for reply in [
        made,
        console.get(&path).await,
        console.get(&format!("{CREDENTIALS}/lookup/default/idp")).await,
        console.get(&format!("{CREDENTIALS}?namespace=default")).await,
        console.put(&format!("{CREDENTIALS}/idp"), json!({"name":"IdP"})).await,
        console.post(&format!("{path}/refresh"), json!({})).await,
    ] {
        assert!((200..300).contains(&reply.status), "{}", reply.text);
        assert!(!reply.text.contains("fake-"), "{}", reply.text);
    }
}

async fn a_write_is_partial_and_blank_secrets_change_nothing() {
    let console = Console::start().await;
    let path = format!("{CREDENTIALS}/idp");
    let made = console.put(&path, credential("idp")).await.data(201);
    let blank = json!({"refresh_token":" ","username":"","client_secret":null,"name":"IdP","foreign_id":"idp",
        "namespace":"default","early_refresh_fraction":0.29,"refresh_timeout_seconds":300});
    let kept = console.patch(&path, blank).await.data(200);
    assert_eq!((&kept["id"], &kept["next_attempt_at"]), (&made["id"], &made["next_attempt_at"]));
    assert_eq!((&kept["name"], &kept["client_id"]), (&json!("IdP"), &json!("client-1")));
    assert_eq!(
        (&kept["early_refresh_fraction"], &kept["refresh_timeout_seconds"]),
        (&json!(0.29), &json!(300))
    );
    let by_id = format!("{CREDENTIALS}/{}", made["id"].as_str().expect("an id"));
    let other =
        json!({"namespace":"other","foreign_id":"other","scopes":["a"],"token_endpoint_headers":null});
    let kept = console.put(&by_id, other).await.data(200);
    assert_eq!((&kept["namespace"], &kept["foreign_id"]), (&json!("default"), &json!("idp")));
    assert_eq!((&kept["scopes"], &kept["token_endpoint_header_names"]), (&json!(["a"]), &json!([])));
    let both = json!({"client_secret":"fake-new","clear_client_secret":true});
    let details = console.patch(&by_id, both).await.details();
    assert_eq!(details, json!({"clear_client_secret":["and client_secret are mutually exclusive"]}));
    console.patch(&by_id, json!({"clear_client_secret":true})).await.expect(200);
    let renamed = console.put(&path, json!({"foreign_id":"another"})).await.details();
    assert_eq!(renamed, json!({"foreign_id":["does not match the address"]}));
}

async fn what_a_grant_cannot_do_without_has_to_be_there() {
    let console = Console::start().await;
    let refused = async |data: Value| console.post(CREDENTIALS, data).await.details();
    assert_eq!(
        refused(json!({"name":"x"})).await,
        json!({"token_endpoint":["can't be blank"],"client_id":["can't be blank"]})
    );
    let (password, preqin) =
        ("can't be blank for the password grant", "can't be blank for the Preqin broker grant");
    let data = json!({"grant":"password","token_endpoint":"https://a.test/t","client_id":"c"});
    assert_eq!(refused(data).await, json!({"username":[password],"password":[password]}));
    assert_eq!(refused(json!({"grant":"preqin"})).await, json!({"username":[preqin],"api_key":[preqin]}));
    assert_eq!(
        refused(json!({"grant":"x","token_endpoint":"https://a.test/t","client_id":"c","scopes":"s",
            "early_refresh_slack_seconds":0,"early_refresh_fraction":1,"max_refresh_interval_seconds":1.5,
            "refresh_timeout_seconds":301,"token_endpoint_headers":["x"]}))
        .await,
        json!({"grant":["must be one of refresh_token, password, preqin"],"scopes":["must be an array of strings"],
            "early_refresh_slack_seconds":["must be greater than 0"],"max_refresh_interval_seconds":["must be an integer"],
            "refresh_timeout_seconds":["must be less than or equal to 300"],"early_refresh_fraction":["must be less than 1"],
            "token_endpoint_headers":["must be an object mapping header names to string values"]})
    );
    let preqin = json!({"foreign_id":"p","grant":"preqin","username":"fake-u","api_key":"fake-k","token_endpoint":"x"});
    let made = console.put(&format!("{CREDENTIALS}/p"), preqin).await.data(201);
    assert_eq!(made["token_endpoint"], "https://api.preqin.com/connect/token");
    // What is stored counts: the rest of a change may leave it out.
    console.patch(&format!("{CREDENTIALS}/p"), json!({"name":"P"})).await.expect(200);
    let change = json!({"grant":"password","token_endpoint":"https://a.test/t","client_id":"c"});
    let details = console.patch(&format!("{CREDENTIALS}/p"), change).await.details();
    assert_eq!(details, json!({"password":[password]}));
}

async fn token_endpoints_are_not_on_this_machine_or_in_private_networks_unless_allowed() {
    let console =
        Console::with(&[("CENTAUR_CONSOLE_TOKEN_ENDPOINT_ALLOW", "10.1.0.0/16, idp.internal")]).await;
    let send = async |url: &str| {
        let mut data = credential("c");
        data["token_endpoint"] = json!(url);
        console.put(&format!("{CREDENTIALS}/c"), data).await
    };
    for url in
        ["https://169.254.169.254/latest", "https://127.0.0.1/t", "https://localhost/t", "https://10.2.0.1/t"]
    {
        let details = send(url).await.details();
        let message = details["token_endpoint"][0].as_str().expect("a message");
        assert!(message.starts_with("must not point to a loopback, private"), "{url}: {message}");
    }
    assert_eq!(
        send("http://idp.example/t").await.details(),
        json!({"token_endpoint":["must be an https URL"]})
    );
    send("https://10.1.2.3/t").await.expect(201);
    send("https://idp.example/t").await.expect(200);
}

async fn a_credential_in_use_stays_and_says_who_uses_it() {
    let console = Console::start().await;
    let id = console.make(CREDENTIALS, credential("idp")).await;
    let secret = json!({"foreign_id":"s","inject_config":{"header":"X"},
        "source":{"source_type":"token_broker","config":{"credential_id":"idp","credential_namespace":"default"}}});
    let secret = console.make("/api/v1/static_secrets", secret).await;
    let path = format!("{CREDENTIALS}/{id}");
    let used = console.get(&format!("{path}/references")).await.data(200);
    assert_eq!(
        used,
        json!([{"id":secret,"type":"static_secrets","namespace":"default","foreign_id":"s","name":null}])
    );
    let refused = console.delete(&path).await.expect(409);
    let text = "is referenced by one or more token_broker secret sources; remove those references first";
    assert_eq!(refused, json!({"error":{"message":text}}));
    console.delete(&format!("{path}?revoke=true")).await.expect(409);
    console.delete(&format!("{path}?revoke=perhaps")).await.expect(422);
    console.delete(&format!("/api/v1/static_secrets/{secret}")).await.expect(204);
    console.delete(&path).await.expect(204);
    console.delete(&path).await.expect(404);
}

async fn a_refresh_is_scheduled_unless_the_credential_is_dead_or_has_nothing_to_refresh_with() {
    let console = Console::start().await;
    let id = console.make(CREDENTIALS, credential("idp")).await;
    let path = format!("{CREDENTIALS}/{id}/refresh");
    let bearer = format!("Bearer {KEY}");
    for body in ["", "{}", "{\"data\":{}}"] {
        let reply = console.send("POST", &path, &[("authorization", &bearer)], body).await;
        assert_eq!(reply.data(202)["id"], id, "{body}");
    }
    console.post(&format!("{CREDENTIALS}/bcr_9M4ZKJbx/refresh"), json!({})).await.expect(404);

    let app = console.make(APPS, app("drive")).await;
    let minted = mint(&console, &app).await;
    let unlinked =
        console.post(&format!("{CREDENTIALS}/{minted}/unlink"), json!({"discard":true})).await.data(200);
    assert_eq!((&unlinked["dead"], &unlinked["dead_reason"]), (&json!(true), &json!("unlinked")));
    assert_eq!((&unlinked["health"], &unlinked["oauth_app_id"]), (&json!("dead"), &json!(null)));
    let refused = console.post(&format!("{CREDENTIALS}/{minted}/refresh"), json!({})).await.expect(409);
    assert_eq!(refused["error"]["message"], "credential is dead; supply fresh credentials");
    let revived = json!({"refresh_token":"fake-fresh","client_id":"own"});
    let revived = console.patch(&format!("{CREDENTIALS}/{minted}"), revived).await.data(200);
    assert_eq!((&revived["dead"], &revived["dead_reason"]), (&json!(false), &json!(null)));
    console.post(&format!("{CREDENTIALS}/{minted}/refresh"), json!({})).await.expect(202);
}

async fn an_unlinked_credential_keeps_the_client_and_lets_its_app_go() {
    let console = Console::start().await;
    let app_id = console.make(APPS, app("drive")).await;
    let minted = mint(&console, &app_id).await;
    let path = format!("{CREDENTIALS}/{minted}");
    let linked = console.get(&path).await.data(200);
    assert_eq!((&linked["client_id"], &linked["effective_client_id"]), (&json!(null), &json!("client-1")));
    assert_eq!(console.get(&format!("{APPS}/{app_id}")).await.data(200)["minted_credentials_count"], 1);
    let refused = console.delete(&format!("{APPS}/{app_id}")).await.expect(409);
    let text = "Cannot delete record because dependent broker credentials exist";
    assert_eq!(refused["error"]["message"], text);
    let details = console.patch(&format!("{APPS}/drive"), json!({"provider":"slack"})).await.details();
    assert_eq!(details, json!({"provider":["cannot change while minted credentials exist"]}));

    let unlinked = console.post(&format!("{path}/unlink"), json!({})).await.data(200);
    assert_eq!((&unlinked["client_id"], &unlinked["oauth_app_id"]), (&json!("client-1"), &json!(null)));
    assert_eq!(unlinked["dead"], false);
    let again = console.post(&format!("{path}/unlink"), json!({})).await.expect(409);
    assert_eq!(again["error"]["message"], "credential is not linked to an OAuth app");
    console.delete(&format!("{APPS}/{app_id}")).await.expect(204);
}

async fn an_app_is_patched_by_its_slug_which_never_changes() {
    let console = Console::with(&[("CENTAUR_CONSOLE_PUBLIC_URL", "https://console.example/")]).await;
    let made = console.post(APPS, app("google-drive")).await;
    let shown = made.data(201);
    assert_eq!(shown["redirect_uri"], "https://console.example/oauth/google-drive/callback");
    assert_eq!(shown["start_url"], "https://console.example/oauth/google-drive/start");
    let id = shown["id"].as_str().expect("an id");
    let (by_slug, by_id) = (format!("{APPS}/google-drive"), format!("{APPS}/{id}"));
    let off = console.patch(&by_slug, json!({"enabled":false,"client_secret":""})).await;
    assert_eq!(off.data(200)["enabled"], false);
    for (path, data, details) in [
        (&by_slug, json!({"slug":"other"}), json!({"slug":["is immutable"]})),
        (&by_id, json!({"slug":"other"}), json!({"slug":["is immutable"]})),
        (&by_id, json!({"provider":"nobody"}), json!({"provider":["is not a supported provider"]})),
        (
            &by_id,
            json!({"allowed_scopes":[],"client_id":" ","credential_namespace":"a b"}),
            json!({"client_id":["can't be blank"],
                "allowed_scopes":["must be a non-empty array of non-blank strings"],
                "credential_namespace":["must contain only URL-safe characters (A-Z, a-z, 0-9, -, ., _, ~)"]}),
        ),
    ] {
        assert_eq!(console.patch(path, data).await.details(), details);
    }
    assert_eq!(console.get(&by_slug).await.status, 404, "a slug is no id");
    assert_eq!(console.get(&format!("{APPS}/lookup/google-drive")).await.data(200)["id"], id);
    let unknown = console.get(&format!("{APPS}/lookup/none")).await.expect(404);
    assert_eq!(unknown["error"]["message"], "Couldn't find OauthApp with slug \"none\"");
    for reply in [made, off, console.get(APPS).await, console.get(&by_id).await] {
        assert!(!reply.text.contains("fake-"), "{}", reply.text);
    }
    let empty = console.post(APPS, json!({"enabled":true})).await.details();
    assert_eq!(
        empty,
        json!({"slug":["can't be blank"],"provider":["is not a supported provider"],"client_id":["can't be blank"],
            "client_secret":["can't be blank"],"allowed_scopes":["must be a non-empty array of non-blank strings"]})
    );
    assert_eq!(console.post(APPS, app("oap_x")).await.status, 422);
    assert_eq!(console.put(&format!("{APPS}/new"), app("new")).await.status, 201);
    assert_eq!(console.get(&format!("{APPS}?limit=1")).await.expect(200)["meta"]["total"], 2);
}

on_both!(
    a_credential_is_shown_without_anything_that_is_secret,
    a_write_is_partial_and_blank_secrets_change_nothing,
    what_a_grant_cannot_do_without_has_to_be_there,
    token_endpoints_are_not_on_this_machine_or_in_private_networks_unless_allowed,
    a_credential_in_use_stays_and_says_who_uses_it,
    a_refresh_is_scheduled_unless_the_credential_is_dead_or_has_nothing_to_refresh_with,
    an_unlinked_credential_keeps_the_client_and_lets_its_app_go,
    an_app_is_patched_by_its_slug_which_never_changes,
);
