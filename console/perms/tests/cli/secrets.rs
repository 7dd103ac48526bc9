//! `secrets …`

use centaur_base::oid::SecretKind;
use centaur_client::api::Expect;
use serde_json::json;

use crate::relay::answer;
use crate::support::World;

async fn gcp(world: &World, foreign_id: &str) {
    let data = json!({"scopes": ["s"], "rules": [{"host": "*.googleapis.com"}],
        "keyfile": {"source_type": "1password", "config": {"secret_ref": "op://v/i/credential", "ttl": "10m"}},
        "labels": {"centaur-tool": "gsuite"}});
    world.api.put_secret(SecretKind::GcpAuth, foreign_id, &data, Expect::Anything).await.expect("a secret");
}

#[tokio::test]
async fn all_seven_collections_are_one_list() {
    let world = World::new().await;
    world.run(&["secrets", "list"]).await.is(0, "no secrets in namespace default\n", "");
    world.secret("b-key", "a.test").await;
    gcp(&world, "a-key").await;
    let (outcome, calls) = world.calls(&["secrets", "list"]).await;
    outcome.is(
        0,
        "gcp_auth  a-key  gas_IUGwQISc  -\nstatic    b-key  ssr_kxIQLCuJ  Key b-key\n2 secrets\n",
        "",
    );
    let collections: Vec<_> = calls.iter().filter_map(|call| call.split(['?', ' ']).nth(1)).collect();
    assert_eq!(
        collections,
        [
            "static_secrets",
            "oauth_token_secrets",
            "gcp_auth_secrets",
            "gcp_id_token_secrets",
            "pg_dsn_secrets",
            "hmac_secrets",
            "aws_auth_secrets",
        ]
    );
    let outcome = world.run(&["secrets", "list", "--tool", "gsuite", "-o", "wide"]).await;
    outcome.is(
        0,
        "TYPE      FOREIGN ID  ID            NAME  SOURCE                         HOSTS             PLACEMENT                 TOOL\n\
         gcp_auth  a-key       gas_IUGwQISc  -     1password:op://v/i/credential  *.googleapis.com  gcp header:authorization  gsuite\n\
         1 secret\n",
        "",
    );
}

#[tokio::test]
async fn one_collection_that_fails_is_a_warning_and_the_rest_is_shown() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.relay.fail("GET /api/v1/hmac_secrets", 1, answer(500, r#"{"error":{"message":"internal error"}}"#));
    let outcome = world.run(&["secrets", "list"]).await;
    outcome.is(
        6,
        "static  key  ssr_kxIQLCuJ  Key key\n1 secret\n",
        "warning: hmac_secrets cannot be listed: GET /api/v1/hmac_secrets?namespace=default&page=1&limit=100: \
         internal error (HTTP 500) after 1 attempt(s)\n",
    );
    world.relay.reset();
    world.relay.fail("GET /api/v1/hmac_secrets", 1, answer(500, ""));
    let shown = world.run(&["secrets", "list", "-o", "json"]).await.json(6);
    assert_eq!(shown["data"]["total"], 1);
    assert_eq!(shown["warnings"][0]["code"], "collection_failed");
}

#[tokio::test]
async fn a_secret_is_found_by_any_of_its_names_and_one_name_of_two_is_refused() {
    let world = World::new().await;
    let id = world.secret("key", "a.test").await;
    for name in ["key", "static/key", &id] {
        let data = world.data(&["secrets", "show", name]).await;
        assert_eq!((&data["type"], &data["record"]["id"]), (&json!("static"), &json!(id)), "{name}");
    }
    gcp(&world, "key").await;
    let text = format!("key names several secrets: static/{id}, gcp_auth/gas_IUGwQISc");
    let outcome = world.run(&["secrets", "show", "key"]).await;
    outcome.fails(2, &text);
    assert!(outcome.err.ends_with("hint: name one as TYPE/FOREIGN_ID\n"));
    let (outcome, calls) = world.calls(&["secrets", "show", "gcp_auth/key"]).await;
    assert!(outcome.out.starts_with("gcp_auth\n{\n  \"id\": \"gas_IUGwQISc\","), "{}", outcome.out);
    assert_eq!(calls, ["GET gcp_auth_secrets/lookup/default/key"]);
    for (name, code, text) in [
        (
            "prn_5CO4fITZ",
            2,
            "prn_5CO4fITZ is not a secret id; expected ssr_, ots_, gas_, gid_, pgs_, hms_ or aas_",
        ),
        (
            "bcr_9M4ZKJbu",
            2,
            "bcr_9M4ZKJbu is not a secret id; expected ssr_, ots_, gas_, gid_, pgs_, hms_ or aas_",
        ),
        ("ssr_garbage", 3, "secret ssr_garbage does not exist in namespace default"),
        ("ssr_rRm8kDX9", 3, "secret ssr_rRm8kDX9 does not exist in namespace default"),
        ("hmac/key", 3, "secret hmac/key does not exist in namespace default"),
    ] {
        world.run(&["secrets", "show", name]).await.fails(code, text);
    }
    // Any other failure than 404 stops the search.
    world.relay.fail("GET /api/v1/pg_dsn_secrets/lookup", 1, answer(500, ""));
    let outcome = world.run(&["secrets", "show", "key"]).await;
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.err);
}

#[tokio::test]
async fn who_may_use_a_secret_is_shown_and_deleting_it_tells_what_goes() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "grant", "support", "--secret", "key"]).await;
    world.done(&["roles", "grant", "empty", "--secret", "key"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "support"]).await;
    world.done(&["principals", "grant", "slack-user-u6", "--secret", "key"]).await;
    world.run(&["secrets", "grants", "key"]).await.is(
        0,
        "role       support        grant_VURnYeSg  slack-user-u5\n\
         role       empty          grant_dhzRNiku  no members\n\
         principal  slack-user-u6  grant_QeghHU6i  direct\n\
         3 grants of key\n"
            .replace("grant_QeghHU6i", &third(&world).await)
            .as_str(),
        "",
    );
    let outcome = world.run(&["secrets", "delete", "key"]).await;
    assert_eq!(outcome.status.code(), Some(2));
    assert!(
        outcome.err.starts_with("key: 3 grants go with it\n  grant_VURnYeSg to role_1Uc5uCJR\n"),
        "{}",
        outcome.err
    );
    assert!(outcome.err.ends_with("error: this removes 1 item(s); add --yes\n"));
    let outcome = world.run(&["secrets", "delete", "key", "--yes", "--quiet"]).await;
    outcome.is(0, "secret  key  ssr_kxIQLCuJ  deleted\n", "");
    world
        .run(&["secrets", "show", "ssr_kxIQLCuJ"])
        .await
        .fails(3, "secret ssr_kxIQLCuJ does not exist in namespace default");
}

async fn third(world: &World) -> String {
    let row =
        world.api.principal_named("default", "slack-user-u6").await.expect("an answer").expect("a principal");
    world.api.grants_of_principal(row.id).await.expect("an answer")[0].id.to_string()
}

#[tokio::test]
async fn a_record_is_shown_as_it_is_served_and_wide_with_one_member_a_line() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let outcome = world.run(&["secrets", "show", "key"]).await;
    assert!(outcome.out.starts_with("static\n{\n  \"id\": \"ssr_"), "{}", outcome.out);
    let outcome = world.run(&["secrets", "show", "key", "-o", "wide"]).await;
    let lines: Vec<Vec<&str>> = outcome
        .out
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
        .collect();
    for want in [
        &["type", "static"][..],
        &["name", "Key key"],
        &["description", "-"],
        &["replace_config.match_headers", "Authorization"],
        &["source.config.var", "FAKE"],
        &["rules.0.host", "a.test"],
        &["rules.0.paths", "-"],
    ] {
        assert!(lines.iter().any(|line| line == want), "{want:?}: {}", outcome.out);
    }
}
