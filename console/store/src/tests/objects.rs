//! Principals, roles, assignments, lists.

use centaur_base::oid::{Oid, PrincipalId};
use serde_json::json;

use super::on_both;
use super::world::{World, name, object, read, write};
use crate::*;

on_both!(
    a_new_principal_has_the_defaults_of_the_settings,
    a_patch_keeps_what_it_does_not_name,
    a_patch_that_changes_nothing_writes_nothing,
    the_label_of_the_repository_cache_always_shows_it,
    twenty_upserts_of_one_name_make_one_row,
    a_name_is_free_in_another_namespace,
    slack_rows_are_replaced_or_written_singly,
    a_stale_revision_is_refused,
    a_deleted_principal_leaves_its_proxies_unassigned,
    roles_are_assigned_once_and_within_a_namespace,
    pages_are_stable_and_complete,
    labels_filter_by_their_text,
    q_finds_parts_of_names,
);

fn patch() -> PrincipalPatch {
    PrincipalPatch::default()
}

async fn principal(world: &World, foreign_id: &str) -> Principal {
    write!(world, tx => tx.create_principal("lab", Some(foreign_id), &patch()).await).expect("a principal")
}

async fn role(world: &World, namespace: &str, foreign_id: &str) -> Role {
    write!(world, tx => tx.create_role(namespace, Some(foreign_id), &RolePatch::default()).await)
        .expect("a role")
}

async fn a_new_principal_has_the_defaults_of_the_settings(world: World) {
    let first = principal(&world, "first").await;
    assert_eq!(first.id.to_string(), "prn_5CO4fITZ", "ids count from one");
    assert_eq!(
        (first.repo_cache, first.observability_enabled, first.api_server_enabled),
        (RepoCache::All, true, true)
    );

    let defaults = PrincipalDefaults {
        repo_cache: RepoCache::None,
        observability_enabled: false,
        api_server_enabled: false,
    };
    write!(world, tx => tx.set_principal_defaults(defaults).await).expect("set");
    let second = principal(&world, "second").await;
    assert_eq!(
        (second.repo_cache, second.observability_enabled, second.api_server_enabled),
        (RepoCache::None, false, false)
    );
    let explicit = &PrincipalPatch { repo_cache: Some(RepoCache::Public), ..patch() };
    let third = write!(world, tx => tx.create_principal("lab", None, explicit).await).expect("a principal");
    assert_eq!((third.repo_cache, third.observability_enabled), (RepoCache::Public, false));
    assert_eq!(read!(world, tx => tx.principal(first.id).await), Some(first), "existing ones stay");
}

async fn a_patch_keeps_what_it_does_not_name(world: World) {
    let labels = object(json!({ "kind": "user", "n": 7 }));
    let full = &PrincipalPatch {
        name: Some(Some("Ada".to_owned())),
        labels: Some(labels.clone()),
        api_server_enabled: Some(false),
        ..patch()
    };
    let made = write!(world, tx => tx.upsert_principal(&name("ada"), full, None).await).expect("made");
    assert!(made.created);
    let renamed = &PrincipalPatch { name: Some(None), ..patch() };
    let written =
        write!(world, tx => tx.upsert_principal(&name("ada"), renamed, None).await).expect("written");
    assert!(!written.created);
    assert_eq!((written.row.id, written.row.name.as_deref()), (made.row.id, None));
    assert_eq!(written.row.labels["n"], json!(7));
    assert!(!written.row.api_server_enabled);
    assert_eq!(written.row.revision, 2);
    assert!(written.row.config_version > made.row.config_version);
    assert_eq!(read!(world, tx => tx.principal_named(&name("ada")).await), Some(written.row));
}

async fn a_patch_that_changes_nothing_writes_nothing(world: World) {
    let named = &PrincipalPatch { name: Some(Some("Ada".to_owned())), ..patch() };
    let made = write!(world, tx => tx.upsert_principal(&name("ada"), named, None).await).expect("made").row;
    world.pass(10);
    let again = write!(world, tx => tx.upsert_principal(&name("ada"), named, None).await).expect("written");
    assert_eq!(again.row, made);
    assert!(matches!(read!(world, tx => tx.verify_audit().await), Chain::Whole { seq: 1, .. }));
}

async fn the_label_of_the_repository_cache_always_shows_it(world: World) {
    let conflicting = object(json!({ REPO_CACHE_LABEL: "all", "kind": "user" }));
    let sent = &PrincipalPatch { labels: Some(conflicting), repo_cache: Some(RepoCache::Public), ..patch() };
    let made = write!(world, tx => tx.create_principal("lab", Some("p"), sent).await).expect("made");
    assert_eq!(made.labels[REPO_CACHE_LABEL], json!("public"));

    let by = |value: &str| Filter {
        labels: vec![(REPO_CACHE_LABEL.to_owned(), value.to_owned())],
        ..Filter::default()
    };
    assert_eq!(read!(world, tx => tx.principals(&by("public"), Page::default()).await).total, 1);
    assert_eq!(read!(world, tx => tx.principals(&by("all"), Page::default()).await).total, 0);
}

async fn twenty_upserts_of_one_name_make_one_row(world: World) {
    // Half of them by another replica.
    let other = world.again(&["a"]).await.expect("a store");
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { world.store.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            let named = &PrincipalPatch { name: Some(Some(format!("Ada {number}"))), ..patch() };
            let actor = Actor::system();
            let name = &name("ada");
            store
                .write(&actor, |tx| Box::pin(async move { tx.upsert_principal(name, named, None).await }))
                .await
        }));
    }
    let mut created = 0;
    for task in tasks {
        let written: Result<_, StoreError> = task.await.expect("a task");
        created += i32::from(written.expect("no caller sees the race").created);
    }
    assert_eq!(created, 1);
    let all = read!(world, tx => tx.principals(&Filter::default(), Page::default()).await);
    assert_eq!((all.total, all.rows[0].revision), (1, 20));
    assert!(matches!(read!(world, tx => tx.verify_audit().await), Chain::Whole { seq: 20, .. }));
}

async fn a_name_is_free_in_another_namespace(world: World) {
    principal(&world, "ada").await;
    let again = write!(world, tx => tx.create_principal("lab", Some("ada"), &patch()).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "foreign_id" })), "{again:?}");
    write!(world, tx => tx.create_principal("other", Some("ada"), &patch()).await)
        .expect("another namespace");
    for _ in 0..2 {
        write!(world, tx => tx.create_principal("lab", None, &patch()).await)
            .expect("no name does not collide");
    }
    let lab = Filter { namespace: Some("lab".to_owned()), ..Filter::default() };
    assert_eq!(read!(world, tx => tx.principals(&lab, Page::default()).await).total, 3);
}

fn channel(id: &str, upload: bool, history: bool) -> SlackPermission {
    SlackPermission {
        channel_id: id.to_owned(),
        channel_name: None,
        upload_enabled: upload,
        download_enabled: false,
        history_enabled: history,
    }
}

async fn slack_rows_are_replaced_or_written_singly(world: World) {
    let rows = vec![channel("C00000002", true, false), channel("C00000001", true, true)];
    let sent = &PrincipalPatch { slack: Some(rows), ..patch() };
    let made = write!(world, tx => tx.create_principal("lab", Some("p"), sent).await).expect("made");
    assert_eq!(made.slack.iter().map(|row| &*row.channel_id).collect::<Vec<_>>(), ["C00000001", "C00000002"]);
    assert_eq!(read!(world, tx => tx.principal(made.id).await).as_ref(), Some(&made));

    let single = |row: SlackPermission| {
        let (world, id) = (&world, made.id);
        async move {
            let row = &row;
            write!(world, tx => tx.upsert_slack_permission(id, row.clone()).await)
        }
    };
    assert!(single(channel("C00000003", false, true)).await.expect("written").created);
    assert!(!single(channel("C00000003", true, true)).await.expect("written").created);
    let invalid = single(channel("C00000004", false, false)).await;
    assert!(matches!(invalid, Err(StoreError::Invalid { rule }) if rule == "slack_permissions_some"));
    assert_eq!(read!(world, tx => tx.principal(made.id).await).expect("a principal").slack.len(), 3);

    let twice = vec![channel("C00000005", true, true), channel("C00000005", true, true)];
    let twice = &PrincipalPatch { slack: Some(twice), name: Some(Some("Lost".to_owned())), ..patch() };
    let refused = write!(world, tx => tx.update_principal(made.id, twice, None).await);
    assert!(matches!(refused, Err(StoreError::Taken { field: "channel_id" })), "{refused:?}");
    assert_eq!(
        read!(world, tx => tx.principal(made.id).await).expect("a principal").name,
        None,
        "rolled back"
    );

    let cleared = &PrincipalPatch { slack: Some(Vec::new()), ..patch() };
    let cleared = write!(world, tx => tx.update_principal(made.id, cleared, None).await).expect("cleared");
    assert!(cleared.slack.is_empty());
}

async fn a_stale_revision_is_refused(world: World) {
    let made = principal(&world, "ada").await;
    let renamed = &PrincipalPatch { name: Some(Some("Ada".to_owned())), ..patch() };
    let stale = write!(world, tx => tx.update_principal(made.id, renamed, Some(2)).await);
    assert!(matches!(stale, Err(StoreError::Stale)));
    let fresh = write!(world, tx => tx.update_principal(made.id, renamed, Some(1)).await).expect("written");
    assert_eq!(fresh.revision, 2);
    let nobody = PrincipalId::new(99).expect("an id");
    let missing = write!(world, tx => tx.update_principal(nobody, renamed, None).await);
    assert!(matches!(missing, Err(StoreError::Missing { what: "principal" })));
}

async fn a_deleted_principal_leaves_its_proxies_unassigned(world: World) {
    let (ada, bob) = (principal(&world, "ada").await, principal(&world, "bob").await);
    let sent = &ProxyPatch {
        name: Some("edge".to_owned()),
        principal: Some(Some(bob.id)),
        fallback_principal: Some(Some(ada.id)),
        ..ProxyPatch::default()
    };
    let token = TokenHash::of("iprx_fake");
    let proxy = write!(world, tx => tx.create_proxy(sent, &token).await).expect("a proxy");
    write!(world, tx => tx.delete_principal(ada.id).await).expect("deleted");
    let without_fallback = read!(world, tx => tx.proxy(proxy.id).await).expect("a proxy");
    assert_eq!((without_fallback.principal_id, without_fallback.fallback_principal_id), (Some(bob.id), None));
    assert_eq!(without_fallback.principal_assigned_at, proxy.principal_assigned_at);
    assert!(without_fallback.assignment > proxy.assignment);

    write!(world, tx => tx.delete_principal(bob.id).await).expect("deleted");
    let unassigned = read!(world, tx => tx.proxy(proxy.id).await).expect("a proxy");
    assert_eq!((unassigned.principal_id, unassigned.principal_assigned_at), (None, None));
    let auth = read!(world, tx => tx.proxy_by_token(&token).await);
    assert!(
        matches!(auth, ProxyAuth::Live { proxy: found, .. } if found.id == proxy.id),
        "it keeps its token"
    );
    assert_eq!(read!(world, tx => tx.principal(ada.id).await), None);
    let missing = write!(world, tx => tx.delete_principal(ada.id).await);
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
}

async fn roles_are_assigned_once_and_within_a_namespace(world: World) {
    let ada = principal(&world, "ada").await;
    let (infra, tools) = (role(&world, "lab", "infra").await, role(&world, "lab", "tools").await);
    let foreign = role(&world, "other", "tools").await;
    let given = write!(world, tx => tx.assign_role(ada.id, tools.id).await).expect("given");
    assert!(given.created);
    assert!(!write!(world, tx => tx.assign_role(ada.id, tools.id).await).expect("held").created);
    write!(world, tx => tx.assign_role(ada.id, infra.id).await).expect("given");
    let refused = write!(world, tx => tx.assign_role(ada.id, foreign.id).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == SAME_NAMESPACE));

    let held = read!(world, tx => tx.roles_of(ada.id).await);
    assert_eq!(held.iter().map(|role| role.id).collect::<Vec<_>>(), [infra.id, tools.id]);
    let holders = read!(world, tx => tx.holders_of(tools.id, Page::default()).await);
    assert_eq!((holders.total, holders.rows[0].id), (1, ada.id));

    let version = read!(world, tx => tx.config_version(ada.id).await).expect("a version");
    write!(world, tx => tx.unassign_role(ada.id, tools.id).await).expect("taken");
    let twice = write!(world, tx => tx.unassign_role(ada.id, tools.id).await);
    assert!(matches!(twice, Err(StoreError::Missing { what: "role assignment" })));
    let taken = read!(world, tx => tx.config_version(ada.id).await).expect("a version");
    assert!(taken > version);
    write!(world, tx => tx.delete_role(infra.id).await).expect("deleted");
    assert!(read!(world, tx => tx.roles_of(ada.id).await).is_empty());
    assert!(read!(world, tx => tx.config_version(ada.id).await) > Some(taken));
}

async fn pages_are_stable_and_complete(world: World) {
    write!(world, tx => {
        for number in 0..7 {
            // All at one time: the row decides.
            tx.create_role("lab", Some(&format!("r{number}")), &RolePatch::default()).await?;
        }
        Ok::<_, StoreError>(())
    })
    .expect("roles");
    let mut seen = Vec::new();
    for number in 1..=4 {
        let page = Page::new(number, 3);
        let listed = read!(world, tx => tx.roles(&Filter::default(), page).await);
        assert_eq!((listed.total, listed.total_pages(page)), (7, 3));
        seen.extend(listed.rows.into_iter().filter_map(|role| role.foreign_id));
    }
    assert_eq!(seen, ["r0", "r1", "r2", "r3", "r4", "r5", "r6"]);
    let none = Filter { namespace: Some("unused".to_owned()), ..Filter::default() };
    let empty = read!(world, tx => tx.roles(&none, Page::default()).await);
    assert_eq!((empty.total, empty.total_pages(Page::default()), empty.rows.len()), (0, 0, 0));
    assert_eq!((Page::new(0, 0).number(), Page::new(0, 0).limit()), (1, 1));
    assert_eq!((Page::new(-3, 9999).number(), Page::new(-3, 9999).limit()), (1, 200));
    let far = read!(world, tx => tx.roles(&Filter::default(), Page::new(i64::MAX, 200)).await);
    assert_eq!((far.total, far.rows.len()), (7, 0));
}

async fn labels_filter_by_their_text(world: World) {
    for (foreign_id, namespace, labels) in [
        ("one", "lab", json!({ "tier": "1", "centaur.kind": "tool" })),
        ("two", "lab", json!({ "tier": 1, "centaur.kind": "tool" })),
        ("three", "lab", json!({ "tier": true })),
        ("four", "other", json!({ "tier": "1", "centaur.kind": "tool" })),
    ] {
        let labels = object(labels);
        let sent = &RolePatch { labels: Some(labels.clone()), ..RolePatch::default() };
        let made =
            write!(world, tx => tx.create_role(namespace, Some(foreign_id), sent).await).expect("a role");
        assert_eq!(made.labels, labels, "echoed as sent");
    }
    let count = |pairs: &[(&str, &str)]| {
        let labels = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let filter = Filter { namespace: Some("lab".to_owned()), labels, ..Filter::default() };
        let world = &world;
        async move { read!(world, tx => tx.roles(&filter, Page::default()).await).total }
    };
    assert_eq!(count(&[("tier", "1")]).await, 2);
    assert_eq!(count(&[("tier", "true")]).await, 1);
    assert_eq!(count(&[("tier", "1"), ("centaur.kind", "tool")]).await, 2);
    assert_eq!(count(&[("tier", "true"), ("centaur.kind", "tool")]).await, 0);
    assert_eq!(count(&[("tier", "%")]).await, 0);

    let without = &RolePatch { labels: Some(Labels::new()), ..RolePatch::default() };
    write!(world, tx => tx.upsert_role(&name("one"), without, None).await).expect("written");
    assert_eq!(count(&[("tier", "1")]).await, 1);
}

async fn q_finds_parts_of_names(world: World) {
    for (foreign_id, title) in [("tool-linear", "Linear"), ("tool-git", "GIT_Hub 100%"), ("infra", "Größe")]
    {
        let sent = &RolePatch { name: Some(Some(title.to_owned())), ..RolePatch::default() };
        write!(world, tx => tx.create_role("lab", Some(foreign_id), sent).await).expect("a role");
    }
    let count = |q: &str| {
        let filter = Filter { q: Some(q.to_owned()), ..Filter::default() };
        let world = &world;
        async move { read!(world, tx => tx.roles(&filter, Page::default()).await).total }
    };
    assert_eq!(count("TOOL-").await, 2);
    assert_eq!(count("GRÖ").await, 1);
    assert_eq!(count("100%").await, 1);
    assert_eq!((count("%").await, count("_").await), (1, 1), "no wildcards");
    assert_eq!(count("nothing").await, 0);
    assert_eq!(count("").await, 3);
    let exact = Filter { foreign_id: Some("infra".to_owned()), ..Filter::default() };
    assert_eq!(read!(world, tx => tx.roles(&exact, Page::default()).await).total, 1);
}
