//! `principals …`

use centaur_client::api::Expect;
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn an_empty_namespace_is_named_and_no_failure() {
    let world = World::new().await;
    world.run(&["principals", "list"]).await.is(0, "no principals in namespace default\n", "");
    world.run(&["--namespace", "lab", "principals", "list"]).await.is(
        0,
        "no principals in namespace lab\n",
        "",
    );
}

#[tokio::test]
async fn a_grant_makes_the_principal_and_a_second_run_only_reads() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "create", "support"]).await;
    let words = ["principals", "grant", "slack-user-u5", "--role", "support", "--secret", "static/key"];
    let (outcome, calls) = world.calls(&words).await;
    outcome.is(
        0,
        "principal  slack-user-u5  prn_5CO4fITZ    created\n\
         role       support        role_1Uc5uCJR   assigned\n\
         grant      key            grant_VURnYeSg  granted\n",
        "",
    );
    assert_eq!(
        calls,
        [
            "GET principals/lookup/default/slack-user-u5",
            "GET roles/lookup/default/support",
            "GET static_secrets/lookup/default/key",
            "PUT principals/slack-user-u5",
            "POST principals/prn_5CO4fITZ/roles",
            "POST grants",
        ]
    );
    let bodies: Vec<_> = world.relay.seen().into_iter().map(|seen| seen.body).collect();
    let made = json!({"data": {"namespace": "default", "foreign_id": "slack-user-u5", "name": "slack-user-u5",
        "labels": {"managed-by": "centaur"}}});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&bodies[3]).unwrap(), made);

    let (outcome, calls) = world.calls(&words).await;
    outcome.is(
        0,
        "principal  slack-user-u5  prn_5CO4fITZ    in place\n\
         role       support        role_1Uc5uCJR   in place\n\
         grant      key            grant_VURnYeSg  in place\n\
         everything is in place\n",
        "",
    );
    assert_eq!(
        calls,
        [
            "GET principals/lookup/default/slack-user-u5",
            "GET roles/lookup/default/support",
            "GET static_secrets/lookup/default/key",
            "GET principals/prn_5CO4fITZ/roles",
            "GET principals/prn_5CO4fITZ/grants?page=1&limit=100",
        ]
    );
}

#[tokio::test]
async fn everything_is_read_before_anything_is_written() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let words = ["principals", "grant", "slack-user-u5", "--secret", "key", "--role", "nope"];
    world.run(&words).await.fails(3, "role nope does not exist in namespace default");
    let words = ["principals", "grant", "slack-user-u5", "--secret", "key", "--secret", "nope"];
    world.run(&words).await.fails(3, "secret nope does not exist in namespace default");
    assert!(world.relay.lines().iter().all(|line| line.starts_with("GET ")));
    world.run(&["principals", "list"]).await.is(0, "no principals in namespace default\n", "");
}

#[tokio::test]
async fn a_principal_is_shown_with_what_it_may_really_use() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.secret("other", "a.test").await;
    world.done(&["roles", "create", "infra", "--name", "Infra"]).await;
    world.done(&["roles", "grant", "infra", "--secret", "other"]).await;
    world.done(&["principals", "create", "slack-user-u5", "--name", "Ada", "--seed-defaults"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "key"]).await;
    let (outcome, mut calls) = world.calls(&["principals", "show", "slack-user-u5"]).await;
    outcome.is(
        0,
        "slack-user-u5  prn_5CO4fITZ  Ada\n\
         labels\n  centaur.defaults-seeded=infra, managed-by=centaur, centaur.sandbox_repo_cache=all\n\
         roles\n  infra *  1 secret  other\n\
         direct grants\n  static  key  grant_dhzRNiku\n\
         effective\n  \
           TYPE    NAME       PLACEMENT                     HOSTS   VIA     STATE\n  \
           static  Key key    replace header:authorization  a.test  direct  active\n  \
           static  Key other  replace header:authorization  a.test  infra   shadowed by key\n\
         * default role\n",
        "",
    );
    // Secrets are read several at a time, in no order.
    calls[4..6].sort_unstable();
    assert_eq!(
        calls,
        [
            "GET principals/lookup/default/slack-user-u5",
            "GET principals/prn_5CO4fITZ/roles",
            "GET roles/role_1Uc5uCJR/grants?page=1&limit=100",
            "GET principals/prn_5CO4fITZ/grants?page=1&limit=100",
            "GET static_secrets/ssr_5v76bSur",
            "GET static_secrets/ssr_kxIQLCuJ",
            "GET principals/prn_5CO4fITZ/explain",
        ]
    );
    let data = world.data(&["principals", "show", "prn_5CO4fITZ"]).await;
    assert_eq!(data["principal"]["kind"], "user");
    assert_eq!(data["roles"][0]["baseline"], true);
    assert_eq!(data["direct_grants"][0]["secret"]["foreign_id"], "key");
    let want = json!({
        "secret": {"id": "ssr_5v76bSur", "type": "static", "foreign_id": "other", "name": "Key other", "tool": null},
        "placement": "replace",
        "placeholder": "PLACEHOLDER_other",
        "locations": ["header:authorization"],
        "hosts": ["a.test"],
        "database": null,
        "via": [{"grant": "grant_VURnYeSg", "role": "infra", "baseline": true}],
        "supplied_by": "self",
        "state": "shadowed",
        "state_reason": "ssr_kxIQLCuJ is stronger and writes header:authorization for requests that a.test matches too",
    });
    assert_eq!(data["effective"][1], want);
}

#[tokio::test]
async fn a_principal_goes_by_every_name_that_people_use() {
    let world = World::new().await;
    let create = async |id: &str, name: &str| world.done(&["principals", "create", id, "--name", name]).await;
    create("slack-user-u07abc", "Slack DM @Ada").await;
    create("slack-channel-c0ab12", "Slack Channel #eng-oncall").await;
    create("slack-channel-c0ab13", "Slack Channel #eng-oncall").await;
    for (words, id) in [
        (&["U07ABC"][..], "slack-user-u07abc"),
        (&["@ada"], "slack-user-u07abc"),
        (&["C0AB12"], "slack-channel-c0ab12"),
        (&["slack:C0AB12:1717.000100"], "slack-channel-c0ab12"),
        (&["slack:D0420:1717.0001", "--slack-user", "U07ABC"], "slack-user-u07abc"),
    ] {
        let words: Vec<_> = ["principals", "show"].iter().chain(words).copied().collect();
        assert_eq!(world.data(&words).await["principal"]["foreign_id"], id, "{words:?}");
    }
    let outcome = world.run(&["principals", "show", "slack-user-U07ABC"]).await;
    assert!(outcome.status.success());
    assert_eq!(outcome.err, "warning: slack-user-U07ABC is spelt slack-user-u07abc; that one is meant\n");
    let outcome = world.run(&["principals", "show", "slack:D0420:1717.0001"]).await;
    assert!(outcome.err.starts_with(
        "warning: slack:D0420:1717.0001 is a direct message; without --slack-user it names the conversation, not the user\n"
    ));
    let text = "#eng-oncall matches 2 principals: slack-channel-c0ab12, slack-channel-c0ab13";
    world.run(&["principals", "show", "#eng-oncall"]).await.fails(2, text);
    world.run(&["principals", "show", "@bob"]).await.fails(3, "@bob matches no principal");
    world
        .run(&["principals", "show", "role_1Uc5uCJR"])
        .await
        .fails(2, "role_1Uc5uCJR is not the id of a principal; expected prn_");
    let missing = "principal prn_4OgdAYTJx does not exist in namespace default";
    world.run(&["principals", "show", "prn_4OgdAYTJx"]).await.fails(3, missing);
}

#[tokio::test]
async fn a_principal_that_no_session_acts_as_is_made_only_when_that_is_said() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let text = "ci-bot is not a known principal form; add --create to make it anyway";
    world.run(&["principals", "grant", "ci-bot", "--secret", "key"]).await.fails(2, text);
    world.done(&["principals", "grant", "ci-bot", "--secret", "key", "--create"]).await;
    // One that is there needs no permission.
    world.done(&["principals", "grant", "ci-bot", "--secret", "key"]).await;
    // Upper case is repaired, so no second principal appears.
    world.done(&["principals", "grant", "slack-user-U5", "--secret", "key"]).await;
    let data = world.data(&["principals", "list"]).await;
    let ids: Vec<_> =
        data["items"].as_array().unwrap().iter().map(|item| item["foreign_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ci-bot", "slack-user-u5"]);
    world
        .run(&["principals", "grant", "prn_AJxF0Qkg", "--secret", "key"])
        .await
        .fails(3, "principal prn_AJxF0Qkg does not exist in namespace default");
}

#[tokio::test]
async fn a_grant_may_have_an_end_and_a_priority() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    let grant = ["principals", "grant", "slack-user-u5", "--secret", "key"];
    let with = |more: &[&'static str]| grant.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    world.done(&with(&["--expires", "2999-01-01T00:00:00Z", "--priority", "7"])).await;
    let data = world.data(&["principals", "show", "slack-user-u5"]).await;
    assert_eq!(data["direct_grants"][0]["priority"], 7);
    assert_eq!(data["direct_grants"][0]["expires_at"], "2999-01-01T00:00:00.000Z");
    // The same end again is in place; another priority is set; another end needs another grant.
    let (outcome, calls) =
        world.calls(&with(&["--expires", "2999-01-01T01:00:00+01:00", "--priority", "9"])).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert_eq!(calls.last().map(String::as_str), Some("PATCH grants/grant_VURnYeSg"));
    let (outcome, calls) = world.calls(&with(&["--expires", "7d"])).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert_eq!(calls[calls.len() - 2..], ["DELETE grants/grant_VURnYeSg", "POST grants"]);
    let data = world.data(&["principals", "show", "slack-user-u5"]).await;
    assert_eq!(data["direct_grants"].as_array().unwrap().len(), 1);
    assert_eq!(data["direct_grants"][0]["priority"], 9);
    assert!(data["direct_grants"][0]["expires_at"].as_str().unwrap() < "2999");
    for (when, problem) in [
        ("soon", "soon is no point in time; write 2030-01-31T12:00:00Z, or 12h, 7d from now"),
        ("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z has passed"),
    ] {
        world
            .run(&[&grant[..], &["--expires", when]].concat())
            .await
            .fails(2, &format!("--expires: {problem}"));
    }
    let text = "--expires and --priority are of grants; add --secret";
    world
        .run(&["principals", "grant", "slack-user-u5", "--role", "r", "--priority", "1"])
        .await
        .fails(2, text);
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_noted_and_granting_it_clears_the_note() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "support"]).await;
    let (outcome, calls) = world.calls(&["principals", "revoke", "slack-user-u5", "--role", "support"]).await;
    outcome.is(
        0,
        "principal  slack-user-u5  prn_5CO4fITZ   updated labels\n\
         role       support        role_1Uc5uCJR  unassigned\n",
        "",
    );
    assert_eq!(
        calls,
        [
            "GET principals/lookup/default/slack-user-u5",
            "GET principals/prn_5CO4fITZ/roles",
            "PUT principals/prn_5CO4fITZ",
            "DELETE principals/prn_5CO4fITZ/roles/role_1Uc5uCJR",
        ]
    );
    assert_eq!(world.relay.seen()[2].if_match.as_deref(), Some("\"1\""));
    let label = async || {
        let data = world.data(&["principals", "show", "slack-user-u5"]).await;
        data["principal"]["labels"]["centaur.revoked-roles"].clone()
    };
    assert_eq!(label().await, "support");
    world.done(&["principals", "grant", "slack-user-u5", "--role", "role_1Uc5uCJR"]).await;
    assert_eq!(label().await, serde_json::Value::Null);
}

#[tokio::test]
async fn what_is_absent_already_is_told_and_no_failure() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "create", "support"]).await;
    world.done(&["principals", "create", "slack-user-u5"]).await;
    let words = [
        "principals",
        "revoke",
        "slack-user-u5",
        "--role",
        "support",
        "--role",
        "never-was",
        "--secret",
        "key",
    ];
    let (outcome, calls) = world.calls(&words).await;
    assert_eq!(outcome.status.code(), Some(0));
    assert_eq!(
        outcome.err,
        "slack-user-u5 has no role support\nslack-user-u5 has no role never-was\nslack-user-u5 has no secret key\n"
    );
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    let text = "principal slack-user-u9 does not exist in namespace default";
    world.run(&["principals", "revoke", "slack-user-u9", "--role", "support"]).await.fails(3, text);
}

#[tokio::test]
async fn a_grant_is_withdrawn_by_its_id_only_from_whom_it_belongs_to() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "grant", "support", "--secret", "key"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "key"]).await;
    world.done(&["principals", "create", "slack-user-u6"]).await;
    let revoke =
        async |who: &str, grant: &str| world.run(&["principals", "revoke", who, "--grant-id", grant]).await;
    let text = "grant_VURnYeSg belongs to role_1Uc5uCJR, not to slack-user-u5";
    revoke("slack-user-u5", "grant_VURnYeSg").await.fails(5, text);
    let text = "grant_dhzRNiku belongs to prn_5CO4fITZ, not to slack-user-u6";
    revoke("slack-user-u6", "grant_dhzRNiku").await.fails(5, text);
    revoke("slack-user-u5", "ssr_kxIQLCuJ")
        .await
        .fails(2, "ssr_kxIQLCuJ is not the id of a grant; expected grant_");
    revoke("slack-user-u5", "grant_dhzRNiku").await.is(0, "grant  grant_dhzRNiku  -  revoked\n", "");
    assert_eq!(
        revoke("slack-user-u5", "grant_dhzRNiku").await.err,
        "slack-user-u5 has no grant grant_dhzRNiku\n"
    );
}

#[tokio::test]
async fn a_secret_that_stays_reachable_through_a_role_is_told() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "grant", "support", "--secret", "key"]).await;
    let both = ["principals", "grant", "slack-user-u5", "--role", "support", "--secret", "key"];
    world.done(&both).await;
    let outcome =
        world.run(&["principals", "revoke", "slack-user-u5", "--secret", "key", "--everywhere"]).await;
    outcome.is(
        0,
        "grant  key  grant_dhzRNiku  revoked\nnext: centaur-perms principals revoke slack-user-u5 --role support\n",
        "warning: key is still reachable through role support\n",
    );
    world.done(&both).await;
    let outcome =
        world.run(&["principals", "revoke", "slack-user-u5", "--secret", "key", "--role", "support"]).await;
    assert_eq!((outcome.status.code(), outcome.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_selector_is_needed_and_each_belongs_to_its_verb() {
    let world = World::new().await;
    let text = "no change requested; add --tool, --role or --secret";
    world.run(&["principals", "grant", "slack-user-u5"]).await.fails(2, text);
    let text = "no change requested; add --tool, --role, --secret or --grant-id";
    world.run(&["principals", "revoke", "slack-user-u5"]).await.fails(2, text);
    let text = "--grant-id works only with revoke";
    world.run(&["principals", "grant", "slack-user-u5", "--grant-id", "grant_VURnYeSg"]).await.fails(2, text);
    assert_eq!(world.relay.lines(), [""; 0]);
}

#[tokio::test]
async fn a_role_of_another_namespace_is_not_assigned() {
    let world = World::new().await;
    world.done(&["--namespace", "lab", "roles", "create", "support"]).await;
    let text = "role support does not exist in namespace default";
    world.run(&["principals", "grant", "slack-user-u5", "--role", "role_1Uc5uCJR"]).await.fails(3, text);
    // A secret of another namespace is shared on purpose.
    let shared = world.secret_in("lab", "key", "a.test").await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", &shared]).await;
}

#[tokio::test]
async fn one_that_is_there_is_changed_only_when_that_is_said() {
    let world = World::new().await;
    world.done(&["principals", "create", "slack-user-u5", "--label", "team=a", "--no-default-roles"]).await;
    let text = "principal slack-user-u5 exists already; add --update to change it";
    world.run(&["principals", "create", "slack-user-u5", "--name", "Ada"]).await.fails(2, text);
    let words = ["principals", "create", "slack-user-u5", "--name", "Ada", "--label", "team=b", "--update"];
    let data = world.data(&words).await;
    let want = json!([{"action": "update", "kind": "principal", "id": "prn_5CO4fITZ", "foreign_id": "slack-user-u5",
        "applied": true, "reason": "asked for with --update",
        "before": {"name": "slack-user-u5", "labels": {"team": "a"}}, "after": {"name": "Ada", "labels": {"team": "b"}}}]);
    assert_eq!(data["changes"], want);
    let row = world.api.principal_named("default", "slack-user-u5").await.unwrap().unwrap();
    assert_eq!(row.labels["centaur.defaults-seeded"], "none");
    assert_eq!(row.labels["managed-by"], "centaur");
}

#[tokio::test]
async fn deleting_tells_what_goes_with_it_and_needs_consent() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["principals", "grant", "slack-user-u5", "--secret", "key"]).await;
    let row = world.api.principal_named("default", "slack-user-u5").await.unwrap().unwrap();
    world.api.create_proxy("edge", Some(row.id)).await.unwrap();
    let lost = "slack-user-u5: 1 direct grant and 0 assignments go with it; 1 proxy will be without a principal\n  \
         grant grant_VURnYeSg of key\n  proxy prx_42w9YMR0 edge\n";
    let outcome = world.run(&["principals", "delete", "slack-user-u5"]).await;
    outcome.is(2, "", &format!("{lost}error: this removes 1 item(s); add --yes\n"));
    assert!(world.api.principal(row.id).await.unwrap().is_some());
    let outcome = world.run(&["--yes", "principals", "delete", "slack-user-u5"]).await;
    outcome.is(0, "principal  slack-user-u5  prn_5CO4fITZ  deleted\n", lost);
    assert_eq!(world.api.principal(row.id).await.unwrap(), None);
}

#[tokio::test]
async fn lists_are_filtered_here_and_there() {
    let world = World::new().await;
    for (id, name) in
        [("slack-user-u5", "Ada"), ("slack-channel-c1", "Eng"), ("thread-x", "X"), ("bot", "Bot")]
    {
        world.done(&["principals", "create", id, "--name", name, "--label", "odd=a=b & [c]"]).await;
    }
    // One without a foreign id comes first.
    let nameless = json!({"name": "Nameless"});
    let base = world.api.put_principal("plain", &nameless, Expect::Anything).await.unwrap();
    assert!(base.created);
    let ids = async |words: &[&str]| {
        let words: Vec<_> = ["principals", "list"].iter().chain(words).copied().collect();
        let data = world.data(&words).await;
        let ids: Vec<_> =
            data["items"].as_array().unwrap().iter().map(|item| item["foreign_id"].clone()).collect();
        (ids, data["total"].as_u64().unwrap())
    };
    assert_eq!(ids(&["--kind", "user"]).await.0, [json!("slack-user-u5")]);
    assert_eq!(ids(&["--filter", "ENG"]).await.0, [json!("slack-channel-c1")]);
    assert_eq!(ids(&["--label", "odd=a=b & [c]"]).await.0.len(), 4);
    assert_eq!(ids(&["--managed"]).await.0.len(), 4);
    assert_eq!(ids(&["--limit", "2"]).await, (vec![json!("bot"), json!("plain")], 5));
    assert_eq!(ids(&["--sort", "name", "--limit", "1"]).await.0, [json!("slack-user-u5")]);
    world.run(&["principals", "list", "--label", "=x"]).await.fails(2, "--label wants KEY=VALUE, not =x");
    let outcome = world.run(&["principals", "list", "--kind", "thread", "-o", "wide"]).await;
    assert!(outcome.out.starts_with("FOREIGN ID  ID"), "{}", outcome.out);
}

#[tokio::test]
async fn a_thread_key_is_resolved_without_asking_anybody() {
    let world = World::new().await;
    let words = ["principals", "resolve", "slack:T77:C0AB12:1717.0001", "--slack-user", "U9"];
    let outcome = crate::support::Outcome::of(
        crate::support::bare(world.dir.path()).args(words).output().await.unwrap(),
    );
    outcome.is(
        0,
        "slack-channel-c0ab12  channel  Slack Channel C0AB12\n  \
           managed-by        centaur\n  \
           slack_channel_id  C0AB12\n  \
           slack_team_id     T77\n\
         requester  slack-user-u9\n",
        "",
    );
}

#[tokio::test]
async fn what_is_effective_is_told_also_by_a_console_that_cannot_explain() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.secret("weak", "a.test").await;
    world.done(&["roles", "grant", "support", "--secret", "weak"]).await;
    world.done(&["principals", "grant", "slack-user-u5", "--role", "support", "--secret", "key"]).await;
    let path = "GET /api/v1/principals/prn_5CO4fITZ/explain";
    world.relay.fail(path, 1, crate::relay::answer(404, r#"{"error":{"message":"not found"}}"#));
    let shown = world.run(&["principals", "show", "slack-user-u5", "-o", "json"]).await.json(0);
    assert_eq!(shown["warnings"][0]["code"], "no_explain");
    let states: Vec<_> =
        shown["data"]["effective"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, [json!("active"), json!("not_delivered")]);
}
