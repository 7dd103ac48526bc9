//! What a consent writes into a credential that is there.

use std::time::Duration;

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, OauthAppId};

use super::on_both;
use super::world::{World, read, write};
use crate::*;

on_both!(
    a_refresh_token_that_was_refused_is_not_sent_again,
    what_died_for_another_reason_keeps_its_refresh_token,
    a_name_that_is_taken_gets_a_number_and_stays_short_enough,
);

fn text(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn app(world: &World) -> OauthAppId {
    let patch = &AppPatch {
        provider: Some("google".to_owned()),
        client_id: Some("client".to_owned()),
        client_secret: Some(text("fake-cs")),
        ..AppPatch::default()
    };
    write!(world, tx => tx.create_app("drive", patch).await).expect("an app").id
}

async fn consent(
    world: &World,
    app: OauthAppId,
    subject: &str,
    foreign_id: &str,
    refresh_token: Option<&str>,
) -> BrokerCredential {
    let consent = &Consent {
        app,
        subject: subject.to_owned(),
        email: None,
        labels: Labels::new(),
        scopes: vec!["drive".to_owned()],
        access_token: text("fake-at"),
        refresh_token: refresh_token.map(text),
        asked_at: world.clock.now(),
        lifetime: Some(Duration::from_hours(1)),
        spread: 0.0,
        new: NewCredential {
            namespace: "lab".to_owned(),
            foreign_id: foreign_id.to_owned(),
            name: "Google".to_owned(),
            token_endpoint: "https://idp.example/token".to_owned(),
            external_user_key: format!("key-{subject}"),
        },
    };
    write!(world, tx => tx.consent(consent).await).expect("written").credential
}

async fn die(world: &World, id: BrokerCredentialId, reason: &str) {
    world.pass(3_000);
    let now = world.clock.now();
    let claim = world.store.claim_refresh(id, "one", now, Duration::from_secs(90)).await;
    let claim = &claim.expect("an answer").expect("claimed");
    let outcome = &Outcome::Dead { reason: reason.to_owned(), client_rejected: false };
    assert!(write!(world, tx => tx.conclude_refresh(claim, outcome, now).await).expect("concluded"));
    assert!(read!(world, tx => tx.credential(id).await).expect("a credential").dead);
}

async fn refresh_token(world: &World, id: BrokerCredentialId) -> Option<String> {
    let material = read!(world, tx => tx.credential_material(id).await).expect("material");
    material.refresh_token.map(|token| token.expose().clone())
}

async fn a_refresh_token_that_was_refused_is_not_sent_again(world: World) {
    let app = app(&world).await;
    for (number, reason) in ["invalid_grant", "interrupted_refresh_token_reused"].into_iter().enumerate() {
        let subject = format!("s{number}");
        let made = consent(&world, app, &subject, &subject, Some("fake-rt")).await;
        die(&world, made.id, reason).await;
        let now = world.clock.now();
        assert!(read!(world, tx => tx.due_notice(now).await).is_some());
        let again = consent(&world, app, &subject, "other", None).await;
        assert_eq!((again.id, again.dead, again.next_attempt_at), (made.id, false, None), "{reason}");
        assert!(again.seed_version > made.seed_version && again.interrupted_at.is_none());
        assert_eq!(refresh_token(&world, made.id).await, None, "{reason}");
        assert!(read!(world, tx => tx.due_notice(now).await).is_none(), "nobody is told any more");
    }
}

async fn what_died_for_another_reason_keeps_its_refresh_token(world: World) {
    let app = app(&world).await;
    let made = consent(&world, app, "s", "a", Some("fake-rt")).await;
    die(&world, made.id, "invalid_client").await;
    let again = consent(&world, app, "s", "a", None).await;
    assert!(!again.dead && again.next_attempt_at.is_some());
    assert_eq!(refresh_token(&world, made.id).await.as_deref(), Some("fake-rt"));
    // And a new one takes its place.
    consent(&world, app, "s", "a", Some("fake-rt-2")).await;
    assert_eq!(refresh_token(&world, made.id).await.as_deref(), Some("fake-rt-2"));
}

async fn a_name_that_is_taken_gets_a_number_and_stays_short_enough(world: World) {
    let app = app(&world).await;
    let long = "a".repeat(255);
    let mut names = Vec::new();
    for subject in ["s1", "s2", "s3"] {
        names.extend(consent(&world, app, subject, &long, None).await.foreign_id);
    }
    assert_eq!(names, [long.clone(), format!("{}-2", &long[..253]), format!("{}-3", &long[..253])]);
}
