//! The same account again.

use serde_json::json;

use super::{APPS, CREDENTIALS, World};
use crate::browser as signed_in;
use crate::consent::browser::Browser;
use crate::on_both;

async fn another_consent_refills_the_same_credential() {
    let world = World::google().await;
    world.consent("ada", 1).await.says(200, "Connected");
    let first = world.only_credential().await;
    let path = format!("{CREDENTIALS}/{}", first["id"].as_str().expect("an id"));
    // What an operator has changed, and a credential that has died.
    world.console.patch(&path, json!({"name":"Ada's drive","labels":{"team":"x"}})).await.expect(200);
    let wrapper = world.wrapper(&first).await;
    let own = format!("/api/v1/static_secrets/{}", wrapper["id"].as_str().expect("an id"));
    let edited = json!({"name":"Ours","inject_config":{"header":"X-Token"},"source":wrapper["source"],
        "rules":[{"host":"drive.example"}]});
    world.console.put(&own, edited).await.expect(200);

    world.consent("ada", 2).await.says(200, first["id"].as_str().expect("an id"));
    let second = world.only_credential().await;
    for key in ["id", "foreign_id", "namespace", "external_user_key", "token_endpoint", "created_at"] {
        assert_eq!(second[key], first[key], "{key}");
    }
    assert_eq!((&second["name"], &second["labels"]), (&json!("Ada's drive"), &json!({"team":"x"})));
    assert_ne!(second["last_refresh"], first["last_refresh"]);
    let kept = world.wrapper(&second).await;
    assert_eq!((&kept["id"], &kept["name"]), (&wrapper["id"], &json!("Ours")));
    assert_eq!(kept["rules"][0]["host"], "drive.example");
    assert_eq!(world.delivered(&second).await[0]["source"]["value"], "fake-at-2");

    // A wrapper that was deleted comes back with the next consent.
    world.console.delete(&own).await.expect(204);
    world.consent("ada", 3).await.says(200, "Connected");
    let third = world.only_credential().await;
    assert_ne!(third["wrapping_static_secret_id"], wrapper["id"]);
    assert_eq!(world.wrapper(&third).await["name"], "Ada's drive token");
    // Another account is another credential.
    world.consent("bob", 4).await.says(200, "bob@example.test");
    assert_eq!(world.credentials().await.len(), 2);
}

async fn an_account_that_was_unlinked_may_consent_again() {
    let world = World::google().await;
    world.consent("ada", 1).await.says(200, "Connected");
    let first = world.only_credential().await;
    let path = format!("{CREDENTIALS}/{}/unlink", first["id"].as_str().expect("an id"));
    world.console.post(&path, json!({"discard":true})).await.expect(200);
    world.consent("ada", 2).await.says(200, "Connected");
    let all = world.credentials().await;
    let names: Vec<_> = all.iter().map(|one| one["foreign_id"].clone()).collect();
    assert_eq!(names, ["google-drive-ada", "google-drive-ada-2"]);
}

async fn consents_at_the_same_time_make_one_credential() {
    let world = World::google().await;
    let browsers: Vec<_> = (0..8).map(|_| Browser::new()).collect();
    let consents = browsers.iter().zip(1..).map(|(browser, number)| world.consent_in(browser, "ada", number));
    for page in futures_util::future::join_all(consents).await {
        page.says(200, "Connected");
    }
    let credential = world.only_credential().await;
    let secrets = world.console.get("/api/v1/static_secrets?namespace=default").await.data(200);
    assert_eq!(secrets.as_array().map(Vec::len), Some(1), "one wrapper");
    assert_eq!(world.wrapper(&credential).await["broker_credential_id"], credential["id"]);
}

async fn a_consent_of_somebody_who_is_signed_in_is_noted_as_theirs() {
    let world = World::google().await;
    world.consent("ada", 1).await.says(200, "Connected");
    let nobodys = world.only_credential().await;
    assert_eq!(nobodys["created_by"], json!(null));
    let mut signed_in = signed_in::Browser::new(&world.console);
    signed_in.sign_in("root@example.test", "fake-password-1").await.to();
    let session = format!("console_session={}", signed_in.session().expect("a session"));
    let browser = Browser::new();
    let start = browser.get_with(&world.console, "/oauth/drive/start", &[("cookie", &session)]).await.sent();
    let code = world.idp.code(&start, &world.idp.google(&start, "ada", 2));
    let path = format!("/oauth/drive/callback?code={code}&state={}", start.params["state"]);
    let page = browser.get_with(&world.console, &path, &[("cookie", &session)]).await;
    page.says(200, "To the console");
    let theirs = world.only_credential().await;
    assert!(theirs["created_by"].as_str().is_some_and(|id| id.starts_with("usr_")), "{theirs}");
    assert!(world.events().await.contains(r#""action":"consent""#));
}

async fn an_app_says_where_its_credentials_go() {
    let world = World::google().await;
    world.console.patch(&format!("{APPS}/drive"), json!({"credential_namespace":"team"})).await.expect(200);
    world.consent("ada", 1).await.says(200, "Connected");
    let all = world.console.get(&format!("{CREDENTIALS}?namespace=team")).await.data(200);
    assert_eq!(all[0]["namespace"], "team");
    assert_eq!(world.wrapper(&all[0]).await["namespace"], "team");
    let app = world.console.get(&format!("{APPS}/lookup/drive")).await.data(200);
    assert_eq!(app["minted_credentials_count"], 1);
    // One that is there stays where it is.
    world.console.patch(&format!("{APPS}/drive"), json!({"credential_namespace":"other"})).await.expect(200);
    world.consent("ada", 2).await.says(200, "Connected");
    let app = world.console.get(&format!("{APPS}/lookup/drive")).await.data(200);
    assert_eq!(app["minted_credentials_count"], 1);
}

on_both!(
    another_consent_refills_the_same_credential,
    an_account_that_was_unlinked_may_consent_again,
    consents_at_the_same_time_make_one_credential,
    a_consent_of_somebody_who_is_signed_in_is_noted_as_theirs,
    an_app_says_where_its_credentials_go,
);
