//! `roles …`

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_role_is_made_filled_shown_and_emptied() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let words = ["roles", "create", "support", "--name", "Support desk"];
    world.run(&words).await.is(0, "role  support  role_1Uc5uCJR  created\n", "");
    world.run(&words).await.fails(2, "role support exists already; add --update to change it");
    let (outcome, calls) = world.calls(&["roles", "grant", "support", "--secret", "key"]).await;
    outcome.is(0, "role   support  role_1Uc5uCJR   in place\ngrant  key      grant_VURnYeSg  granted\n", "");
    assert_eq!(calls.iter().filter(|call| !call.starts_with("GET ")).count(), 1);
    assert_eq!(calls.last().map(String::as_str), Some("POST grants"));
    world.run(&["roles", "show", "support"]).await.is(
        0,
        "support  role_1Uc5uCJR  Support desk\n  \
           TYPE    NAME  ID            GRANT           SOURCE    HOSTS   TOOL\n  \
           static  key   ssr_kxIQLCuJ  grant_VURnYeSg  env:FAKE  a.test  -\n\
         1 secret\n",
        "",
    );
    world.run(&["roles", "list"]).await.is(0, "support  role_1Uc5uCJR  Support desk\n1 role\n", "");
    let (outcome, calls) =
        world.calls(&["roles", "revoke", "role_1Uc5uCJR", "--secret", "ssr_kxIQLCuJ"]).await;
    outcome.is(0, "grant  key  grant_VURnYeSg  revoked\n", "");
    assert_eq!(
        calls,
        [
            "GET roles/role_1Uc5uCJR",
            "GET static_secrets/ssr_kxIQLCuJ",
            "GET roles/role_1Uc5uCJR/grants?page=1&limit=100",
            "DELETE grants/grant_VURnYeSg",
        ]
    );
    let outcome = world.run(&["roles", "revoke", "support", "--secret", "key"]).await;
    outcome.is(0, "grant  key  -  not there\nthere is nothing to take away\n", "support has no secret key\n");
    world.run(&["roles", "show", "support"]).await.is(
        0,
        "support  role_1Uc5uCJR  Support desk\n  no secrets\n0 secrets\n",
        "",
    );
}

#[tokio::test]
async fn a_role_that_is_granted_something_is_made_unless_that_is_refused() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let text = "role support does not exist in namespace default";
    world.run(&["roles", "grant", "support", "--secret", "key", "--no-create"]).await.fails(3, text);
    let outcome = world.run(&["roles", "grant", "support", "--secret", "key"]).await;
    outcome.is(
        0,
        "role   support  role_1Uc5uCJR   created\ngrant  key      grant_VURnYeSg  granted\n",
        "warning: there is no role support; it is made\n",
    );
    let row = world.api.role_named("default", "support").await.unwrap().unwrap();
    assert_eq!((row.name.as_deref(), &row.labels["managed-by"]), (Some("support"), &json!("centaur")));
    // An id that nothing has is never made.
    let text = "role role_E7oP5Nps does not exist in namespace default";
    world.run(&["roles", "grant", "role_E7oP5Nps", "--secret", "key"]).await.fails(3, text);
    world.run(&["roles", "grant", "support"]).await.fails(2, "no change requested; add --secret or --tool");
    world.run(&["roles", "revoke", "support"]).await.fails(2, "no change requested; add --secret or --tool");
}

#[tokio::test]
async fn a_secret_of_another_namespace_goes_into_no_role() {
    let world = World::new().await;
    let other = world.secret_in("lab", "key", "a.test").await;
    let text = "secret key does not exist in namespace default";
    world.run(&["roles", "grant", "support", "--secret", &other]).await.fails(3, text);
    assert!(world.relay.lines().iter().all(|line| line.starts_with("GET ")));
}

#[tokio::test]
async fn members_are_listed_also_by_a_console_that_does_not_list_them() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "support"]).await;
    world.done(&["principals", "create", "slack-user-u6"]).await;
    let want = "slack-user-u5  prn_5CO4fITZ  slack-user-u5\n1 member of support\n";
    world.run(&["roles", "members", "support"]).await.is(0, want, "");
    let path = "GET /api/v1/roles/role_1Uc5uCJR/principals";
    world.relay.fail(path, 1, crate::relay::answer(404, r#"{"error":{"message":"not found"}}"#));
    let note = "this control plane does not list members of a role; asking every principal\n";
    world.run(&["roles", "members", "support"]).await.is(0, want, note);
}

#[tokio::test]
async fn deleting_needs_consent_and_roles_that_sessions_rely_on_need_force() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "grant", "infra", "--secret", "key"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "infra"]).await;
    let text = "role infra is one that sessions rely on; add --force to delete it";
    world.run(&["--yes", "roles", "delete", "infra"]).await.fails(2, text);
    let lost = "infra: 1 grant and 1 assignment go with it\n";
    let outcome = world.run(&["--force", "roles", "delete", "infra"]).await;
    outcome.is(2, "", &format!("{lost}error: this removes 1 item(s); add --yes\n"));
    let outcome = world.run(&["--force", "--yes", "roles", "delete", "infra"]).await;
    outcome.is(0, "role  infra  role_1Uc5uCJR  deleted\n", lost);
    world.run(&["roles", "show", "infra"]).await.fails(3, "role infra does not exist in namespace default");
}

#[tokio::test]
async fn priority_and_end_are_of_the_grants_of_a_role_too() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world
        .done(&[
            "roles",
            "grant",
            "r",
            "--secret",
            "key",
            "--priority",
            "-5",
            "--expires",
            "2999-01-01T00:00:00Z",
        ])
        .await;
    let data = world.data(&["roles", "show", "r"]).await;
    assert_eq!(data["grants"][0]["priority"], -5);
    assert_eq!(data["grants"][0]["expires_at"], "2999-01-01T00:00:00.000Z");
}
