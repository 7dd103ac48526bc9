//! Broker credentials, their refreshes, and OAuth apps.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, Oid};
use serde_json::json;

use super::on_both;
use super::world::{World, document, inline, name, object, read, write};
use crate::*;

on_both!(
    material_is_sealed_and_kept_unless_it_is_sent,
    fresh_material_revives,
    a_credential_in_use_stays,
    one_claim_wins,
    a_success_is_stored_and_reaches_those_who_use_it,
    fresh_material_outdates_an_attempt,
    a_lost_lease_writes_nothing,
    a_failure_waits_and_a_death_stays,
    only_the_last_attempts_are_kept,
    an_app_with_credentials_stays,
    an_app_keeps_its_secret_unless_it_is_sent,
);

fn text(value: &str) -> Secret<String> {
    Secret::new(value.to_owned())
}

fn seeded(token: &str) -> CredentialPatch {
    CredentialPatch {
        token_endpoint: Some("https://idp.example/token".to_owned()),
        client_id: Some(Some("client".to_owned())),
        refresh_token: Some(text(token)),
        ..CredentialPatch::default()
    }
}

async fn credential(world: &World, foreign_id: &str) -> BrokerCredential {
    let (name, patch) = (&name(foreign_id), &seeded("fake-rt-0"));
    write!(world, tx => tx.upsert_credential(name, patch, None).await).expect("a credential").row
}

async fn claim(world: &World, id: BrokerCredentialId, attempt: &str) -> Option<Claim> {
    let now = world.clock.now();
    world.store.claim_refresh(id, attempt, now, Duration::from_secs(90)).await.expect("an answer")
}

fn minted(world: &World, number: u32) -> Outcome {
    let now = world.clock.now();
    Outcome::Minted(Minted {
        access_token: text(&format!("fake-at-{number}")),
        refresh_token: Some(text(&format!("fake-rt-{number}"))),
        forget_refresh_token: false,
        expires_at: now.after(Duration::from_hours(1)),
        last_refresh: now,
        next_attempt_at: Some(now.after(Duration::from_mins(48))),
    })
}

fn dead(reason: String) -> Outcome {
    Outcome::Dead { reason, client_rejected: false }
}

async fn conclude(world: &World, claim: &Claim, outcome: Outcome) -> bool {
    let (outcome, ended) = (&outcome, world.clock.now());
    write!(world, tx => tx.conclude_refresh(claim, outcome, ended).await).expect("concluded")
}

async fn due(world: &World) -> Vec<BrokerCredentialId> {
    let now = world.clock.now();
    read!(world, tx => tx.due_credentials(now, 10, &[]).await).into_iter().map(|(id, _)| id).collect()
}

async fn refresh_tokens(world: &World, id: BrokerCredentialId) -> (Option<String>, Option<String>) {
    let material = read!(world, tx => tx.credential_material(id).await).expect("material");
    let shown = |value: Option<Secret<String>>| value.map(|value| value.expose().clone());
    (shown(material.refresh_token), shown(material.previous_refresh_token))
}

async fn material_is_sealed_and_kept_unless_it_is_sent(world: World) {
    let patch = &CredentialPatch {
        grant: Some(GrantType::Password),
        client_secret: Some(Some(text("fake-cs"))),
        username: Some(text("fake-user")),
        password: Some(text("fake-pw")),
        token_endpoint_headers: Some(Some((
            vec!["x-b".to_owned(), "x-a".to_owned()],
            text("{\"x-b\":\"fake\"}"),
        ))),
        scopes: Some(vec!["read".to_owned()]),
        labels: Some(object(json!({ "kind": "idp" }))),
        ..seeded("fake-rt")
    };
    let made = write!(world, tx => tx.create_credential("lab", Some("c"), patch).await).expect("made");
    assert_eq!(made.token_endpoint_header_names, ["x-b", "x-a"]);
    assert_eq!(read!(world, tx => tx.credential(made.id).await).as_ref(), Some(&made));
    assert_eq!(read!(world, tx => tx.credential_named(&name("c")).await).as_ref(), Some(&made));

    let rename = &CredentialPatch {
        name: Some(Some("IdP".to_owned())),
        client_secret: Some(None),
        ..CredentialPatch::default()
    };
    let written = write!(world, tx => tx.update_credential(made.id, rename, Some(1)).await).expect("written");
    assert_eq!((written.revision, written.seed_version), (2, made.seed_version));
    let material = read!(world, tx => tx.credential_material(made.id).await).expect("material");
    assert!(material.client_secret.is_none(), "taken away");
    assert_eq!(material.username.expect("kept").expose(), "fake-user");
    assert_eq!(material.password.expect("kept").expose(), "fake-pw");
    assert_eq!(material.refresh_token.expect("kept").expose(), "fake-rt");
    assert_eq!(material.token_endpoint_headers.expect("kept").expose(), "{\"x-b\":\"fake\"}");
    let events = read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await);
    assert!(!format!("{events:?} {written:?} {patch:?}").contains("fake"), "nowhere in the open");

    let by_label = Filter { labels: vec![("kind".to_owned(), "idp".to_owned())], ..Filter::default() };
    assert_eq!(read!(world, tx => tx.credentials(None, &by_label, Page::default()).await).total, 1);
    let again = write!(world, tx => tx.create_credential("lab", Some("c"), patch).await);
    assert!(matches!(again, Err(StoreError::Taken { field: "foreign_id" })));
}

async fn fresh_material_revives(world: World) {
    let made = credential(&world, "c").await;
    let attempt = claim(&world, made.id, "a").await.expect("claimed");
    assert!(conclude(&world, &attempt, dead("invalid_grant".to_owned())).await);
    let dead = read!(world, tx => tx.credential(made.id).await).expect("a credential");
    assert_eq!((dead.dead, dead.dead_reason.as_deref()), (true, Some("invalid_grant")));
    assert!(due(&world).await.is_empty());

    let patch = &CredentialPatch { refresh_token: Some(text("fake-rt-9")), ..CredentialPatch::default() };
    let alive = write!(world, tx => tx.update_credential(made.id, patch, None).await).expect("written");
    assert_eq!((alive.dead, alive.dead_reason, alive.failure_count), (false, None, 0));
    assert_eq!(alive.next_attempt_at, Some(world.clock.now()));
    assert_eq!(alive.seed_version, made.seed_version + 1);
    assert_eq!(due(&world).await, [made.id]);
}

async fn a_credential_in_use_stays(world: World) {
    let made = credential(&world, "c").await;
    let source = || NewSource {
        source_type: SourceType::TokenBroker,
        config: object(json!({ "credential_id": made.id })),
        value: SourceValue::Elsewhere,
        broker_credential: Some(made.id),
        ..inline("source", "")
    };
    let (document, sources) = (&document("Wrapper"), &[source()]);
    let wrapper =
        write!(world, tx => tx.create_secret(SecretKind::Static, "lab", None, document, sources).await);
    let wrapper = wrapper.expect("a secret");
    write!(world, tx => tx.link_secret(wrapper.id, Some(made.id)).await).expect("linked");
    assert_eq!(read!(world, tx => tx.secrets_using(made.id).await).len(), 1);
    let refused = write!(world, tx => tx.delete_credential(made.id).await);
    assert!(matches!(refused, Err(StoreError::StillReferred { by: "secret sources" })));

    write!(world, tx => tx.update_secret(wrapper.id, document, &[], None).await).expect("written");
    write!(world, tx => tx.delete_credential(made.id).await).expect("deleted");
    let left = read!(world, tx => tx.secret(wrapper.id).await).expect("the wrapper stays");
    assert_eq!(left.broker_credential, None);
    assert_eq!(read!(world, tx => tx.credential(made.id).await), None);
}

async fn one_claim_wins(world: World) {
    let made = credential(&world, "c").await;
    let other = world.again(&["a"]).await.expect("a store");
    let (now, lease) = (world.clock.now(), Duration::from_secs(90));
    let (one, two) = tokio::join!(
        world.store.claim_refresh(made.id, "one", now, lease),
        other.claim_refresh(made.id, "two", now, lease),
    );
    let won: Vec<_> = [one, two].into_iter().filter_map(|claim| claim.expect("an answer")).collect();
    assert_eq!(won.len(), 1);
    assert!(!won[0].after_interruption);
    assert!(due(&world).await.is_empty());
    assert_eq!(claim(&world, made.id, "three").await, None);

    world.pass(91);
    assert_eq!(due(&world).await, [made.id], "the lease has ended");
    let next = claim(&world, made.id, "three").await.expect("claimed");
    assert!(next.after_interruption);
    let interrupted = read!(world, tx => tx.credential(made.id).await).expect("a credential").interrupted_at;
    assert_eq!(interrupted, Some(world.clock.now()));
}

async fn a_success_is_stored_and_reaches_those_who_use_it(world: World) {
    let made = credential(&world, "c").await;
    let patch = &PrincipalPatch::default();
    let ada = write!(world, tx => tx.create_principal("lab", None, patch).await).expect("a principal");
    let source = &[NewSource {
        source_type: SourceType::TokenBroker,
        value: SourceValue::Elsewhere,
        broker_credential: Some(made.id),
        ..inline("source", "")
    }];
    let document = &document("Wrapper");
    let wrapper =
        write!(world, tx => tx.create_secret(SecretKind::Static, "lab", None, document, source).await);
    let wrapper = wrapper.expect("a secret").id;
    write!(world, tx => tx.create_grant(Grantee::Principal(ada.id), wrapper, None, None).await)
        .expect("a grant");
    let token = || {
        let (world, id) = (&world, made.id);
        async move {
            let tokens = read!(world, tx => tx.access_tokens(&[id]).await);
            tokens[&id].usable(world.clock.now()).map(|token| token.expose().clone())
        }
    };
    assert_eq!(token().await, None, "bootstrapping");
    let nobody = Oid::new(99).expect("an id");
    assert!(read!(world, tx => tx.access_tokens(&[nobody]).await).is_empty());

    let since = read!(world, tx => tx.last_change().await);
    let attempt = claim(&world, made.id, "one").await.expect("claimed");
    assert!(conclude(&world, &attempt, minted(&world, 1)).await);
    assert_eq!(token().await.as_deref(), Some("fake-at-1"));
    let changed = read!(world, tx => tx.principals_changed_since(since).await);
    assert_eq!(changed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ada.id]);
    assert_eq!(
        refresh_tokens(&world, made.id).await,
        (Some("fake-rt-1".to_owned()), Some("fake-rt-0".to_owned()))
    );
    assert!(due(&world).await.is_empty());

    world.pass(3600);
    assert_eq!(token().await, None, "past its end");
    let attempt = claim(&world, made.id, "two").await.expect("claimed");
    let Outcome::Minted(kept) = minted(&world, 2) else { unreachable!("a success") };
    assert!(conclude(&world, &attempt, Outcome::Minted(Minted { refresh_token: None, ..kept })).await);
    assert_eq!(token().await.as_deref(), Some("fake-at-2"));
    assert_eq!(refresh_tokens(&world, made.id).await, (Some("fake-rt-1".to_owned()), None));
    let log = read!(world, tx => tx.attempts(made.id).await);
    assert_eq!(log.iter().map(|attempt| attempt.rotated).collect::<Vec<_>>(), [false, true]);

    world.pass(2880);
    let attempt = claim(&world, made.id, "three").await.expect("claimed");
    assert!(conclude(&world, &attempt, dead("invalid_grant".to_owned())).await);
    assert_eq!(token().await, None, "dead");
}

async fn fresh_material_outdates_an_attempt(world: World) {
    let made = credential(&world, "c").await;
    let attempt = claim(&world, made.id, "one").await.expect("claimed");
    let patch = &CredentialPatch { refresh_token: Some(text("fake-rt-9")), ..CredentialPatch::default() };
    write!(world, tx => tx.update_credential(made.id, patch, None).await).expect("written");
    assert!(!conclude(&world, &attempt, minted(&world, 1)).await);
    assert_eq!(refresh_tokens(&world, made.id).await.0.as_deref(), Some("fake-rt-9"));
    assert_eq!(due(&world).await, [made.id], "the lease was given back");
}

async fn a_lost_lease_writes_nothing(world: World) {
    let made = credential(&world, "c").await;
    let lost = claim(&world, made.id, "one").await.expect("claimed");
    world.pass(91);
    let owner = claim(&world, made.id, "two").await.expect("claimed");
    assert!(!conclude(&world, &lost, minted(&world, 1)).await);
    assert!(conclude(&world, &owner, minted(&world, 2)).await);
    assert_eq!(refresh_tokens(&world, made.id).await.0.as_deref(), Some("fake-rt-2"));
    assert!(!conclude(&world, &owner, minted(&world, 3)).await, "an attempt ends once");
}

async fn a_failure_waits_and_a_death_stays(world: World) {
    let made = credential(&world, "c").await;
    for count in 1..=2 {
        let attempt = claim(&world, made.id, &format!("a{count}")).await.expect("claimed");
        let next_attempt_at = world.clock.now().after(Duration::from_secs(5));
        assert!(
            conclude(
                &world,
                &attempt,
                Outcome::Failed { next_attempt_at, code: "http".to_owned(), uncertain: false }
            )
            .await
        );
        let failed = read!(world, tx => tx.credential(made.id).await).expect("a credential");
        assert_eq!((failed.failure_count, failed.dead), (count, false));
        assert!(due(&world).await.is_empty());
        world.pass(5);
        assert_eq!(due(&world).await, [made.id]);
    }
    let events = read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await).len();
    let attempt = claim(&world, made.id, "last").await.expect("claimed");
    assert!(conclude(&world, &attempt, dead("invalid_grant".to_owned())).await);
    assert_eq!(read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await).len(), events + 1);
    world.pass(86_400);
    assert!(due(&world).await.is_empty());
    assert_eq!(claim(&world, made.id, "more").await, None);
    let log = read!(world, tx => tx.attempts(made.id).await);
    let results: Vec<_> =
        log.iter().map(|attempt| (attempt.result.as_str(), attempt.code.as_deref())).collect();
    assert_eq!(
        results,
        [("dead", Some("invalid_grant")), ("retryable", Some("http")), ("retryable", Some("http"))]
    );
}

async fn only_the_last_attempts_are_kept(world: World) {
    let made = credential(&world, "c").await;
    for number in 0..52 {
        let attempt = claim(&world, made.id, &format!("a{number}")).await.expect("claimed");
        let outcome =
            Outcome::Failed { next_attempt_at: world.clock.now(), code: "http".to_owned(), uncertain: false };
        assert!(conclude(&world, &attempt, outcome).await);
        world.pass(1);
    }
    let log = read!(world, tx => tx.attempts(made.id).await);
    assert_eq!((log.len(), log[0].id.as_str(), log[49].id.as_str()), (50, "a51", "a2"));
}

fn app_patch() -> AppPatch {
    AppPatch {
        provider: Some("google".to_owned()),
        client_id: Some("client".to_owned()),
        client_secret: Some(text("fake-cs")),
        allowed_scopes: Some(vec!["drive".to_owned()]),
        ..AppPatch::default()
    }
}

async fn an_app_with_credentials_stays(world: World) {
    let app = write!(world, tx => tx.create_app("drive", &app_patch()).await).expect("an app");
    let linked = || CredentialPatch {
        oauth_app: Some(Some(app.id)),
        provider_subject: Some(Some("subject".to_owned())),
        ..seeded("fake-rt")
    };
    let made = write!(world, tx => tx.create_credential("lab", None, &linked()).await).expect("a credential");
    let twice = write!(world, tx => tx.create_credential("lab", None, &linked()).await);
    assert!(matches!(twice, Err(StoreError::Taken { field: "provider_subject" })), "{twice:?}");
    assert_eq!(
        read!(world, tx => tx.credentials(Some(app.id), &Filter::default(), Page::default()).await).total,
        1
    );

    let refused = write!(world, tx => tx.delete_app(app.id).await);
    assert!(matches!(refused, Err(StoreError::StillReferred { by: "minted credentials" })));
    let moved = &AppPatch { provider: Some("slack".to_owned()), ..AppPatch::default() };
    let refused = write!(world, tx => tx.update_app(app.id, moved, None).await);
    assert!(matches!(refused, Err(StoreError::StillReferred { .. })));

    write!(world, tx => tx.delete_credential(made.id).await).expect("deleted");
    write!(world, tx => tx.update_app(app.id, moved, None).await).expect("moved");
    write!(world, tx => tx.delete_app(app.id).await).expect("deleted");
    assert_eq!(read!(world, tx => tx.app(app.id).await), None);
    let orphan = write!(world, tx => tx.create_credential("lab", None, &linked()).await);
    assert!(matches!(orphan, Err(StoreError::Missing { what: "OAuth app" })));
}

async fn an_app_keeps_its_secret_unless_it_is_sent(world: World) {
    let without = &AppPatch { client_secret: None, ..app_patch() };
    let refused = write!(world, tx => tx.upsert_app("drive", without, None).await);
    assert!(matches!(refused, Err(StoreError::Invalid { rule }) if rule == "client_secret"));
    let made = write!(world, tx => tx.upsert_app("drive", &app_patch(), None).await).expect("made");
    assert!(made.created && made.row.enabled);
    write!(world, tx => tx.reject_client(made.row.id).await).expect("noted");
    let off = &AppPatch { enabled: Some(false), ..AppPatch::default() };
    let written = write!(world, tx => tx.upsert_app("drive", off, None).await).expect("written");
    assert!(!written.created && !written.row.enabled);
    assert!(written.row.client_rejected_at.is_some());
    let secret = |id| {
        let world = &world;
        async move { read!(world, tx => tx.app_secret(id).await).expect("a secret").expose().clone() }
    };
    assert_eq!(secret(made.row.id).await, "fake-cs");
    let renewed = &AppPatch { client_secret: Some(text("fake-new")), ..AppPatch::default() };
    let renewed = write!(world, tx => tx.upsert_app("drive", renewed, None).await).expect("written").row;
    assert_eq!((secret(renewed.id).await.as_str(), renewed.client_rejected_at), ("fake-new", None));
    assert_eq!(read!(world, tx => tx.app_by_slug("drive").await), Some(renewed));
    assert_eq!(read!(world, tx => tx.apps(&Filter::default(), Page::default()).await).total, 1);
    let events = read!(world, tx => tx.audit_events(&AuditFilter::default(), 10).await);
    assert!(!format!("{events:?}").contains("fake"));
}
