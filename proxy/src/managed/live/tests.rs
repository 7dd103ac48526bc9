use std::time::Duration;

use centaur_client::sync::Payload;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::HostPattern;
use centaur_policies::rule::{Destination, Rule, RuleSet};
use centaur_policies::spec::{AllowlistSpec, TransformSpec};
use serde_json::json;

use super::*;
use crate::harness::HarnessLogins;
use crate::managed::apply::Policy;
use crate::managed::settings::AllowHosts;
use crate::pipeline::{Gate, Reach};
use crate::sources::SourcePool;

fn allowing(host: &str) -> Arc<Pipeline> {
    let rules = RuleSet::new(vec![Rule::from(Destination::Host(HostPattern::parse(host).unwrap()))]);
    let spec = TransformSpec::Allowlist(AllowlistSpec { rules, warn: false });
    Arc::new(
        Pipeline::build(
            vec![("allowlist".to_owned(), spec)],
            &HarnessLogins::default(),
            &SourcePool::default(),
        )
        .unwrap(),
    )
}

fn any_host() -> Rule {
    Rule::from(Destination::Host(HostPattern::parse("*").unwrap()))
}

/// One credential.
fn payload() -> Payload {
    let secret = json!({
        "source": { "type": "control_plane", "value": "fake-value" },
        "rules": [{ "host": "a.test" }],
        "inject": { "header": "x-key" },
    });
    let body = json!({ "config_hash": "h1", "principal_id": "prn_a", "secrets": [secret] });
    Payload::parse(body.to_string().as_bytes()).unwrap()
}

fn tunnel(host: &str) -> Used {
    Used::of_host(&CanonicalHost::parse(host).unwrap(), 443, Reach::Tunnel)
}

async fn is_cut(ticket: &mut Ticket) -> bool {
    tokio::time::timeout(Duration::from_secs(1), ticket.revoked()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn what_a_new_pipeline_does_not_grant_is_cut_and_the_rest_goes_on() {
    let live = Arc::<Live>::default();
    let old = allowing("*");
    let mut a = live.enter(tunnel("a.test"), Connection::default(), &old, || old.clone());
    let mut b = live.enter(tunnel("b.test"), Connection::default(), &old, || old.clone());
    assert!(!is_cut(&mut a).await);
    assert_eq!(live.sweep(&allowing("b.test")), 1);
    assert!(is_cut(&mut a).await && !is_cut(&mut b).await);
    // A ticket that was cut stays so, and is not counted twice.
    assert!(is_cut(&mut a).await);
    assert_eq!(live.sweep(&allowing("b.test")), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_let_through_by_a_pipeline_that_is_gone_is_decided_again() {
    let live = Arc::<Live>::default();
    let (old, new) = (allowing("*"), allowing("b.test"));
    live.sweep(&new);
    let mut a = live.enter(tunnel("a.test"), Connection::default(), &old, || new.clone());
    let mut b = live.enter(tunnel("b.test"), Connection::default(), &old, || new.clone());
    assert!(is_cut(&mut a).await && !is_cut(&mut b).await);
}

#[tokio::test(start_paused = true)]
async fn without_credentials_what_one_was_placed_in_is_cut_whenever_it_was_noted() {
    let live = Arc::<Live>::default();
    let hosts = AllowHosts { rules: RuleSet::new(vec![any_host()]), granted: false };
    let (sources, payload) = (SourcePool::default(), payload());
    let policy = Policy::local(Vec::new(), hosts, &sources);
    let current = Arc::new(policy.update(&policy, &payload, &sources).unwrap().pipeline());
    let used = Used { epoch: current.epoch(), ..tunnel("a.test") };
    let with = Used { placed: current.credentials().collect(), ..used };
    assert_eq!(with.placed.len(), 1);
    let enter = |used: Used| live.enter(used, Connection::default(), &current, || current.clone());
    let (mut early, mut plain) = (enter(with.clone()), enter(tunnel("a.test")));
    assert!(!is_cut(&mut early).await && !is_cut(&mut plain).await);
    current.withdraw();
    assert_eq!(live.sweep(&current), 1);
    let (mut late, mut later_plain) = (enter(with), enter(tunnel("a.test")));
    assert!(is_cut(&mut early).await && is_cut(&mut late).await);
    assert!(!is_cut(&mut plain).await && !is_cut(&mut later_plain).await);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_proxy_keeps_nothing_open() {
    let live = Arc::<Live>::default();
    let old = allowing("*");
    let mut a = live.enter(tunnel("a.test"), Connection::default(), &old, || old.clone());
    assert_eq!(live.sweep(&Pipeline::closed(Gate::Revoked)), 1);
    assert!(is_cut(&mut a).await);
}

#[test]
fn what_has_ended_is_forgotten() {
    let live = Arc::<Live>::default();
    let old = allowing("*");
    let ticket = live.enter(tunnel("a.test"), Connection::default(), &old, || old.clone());
    assert_eq!(live.len(), 1);
    drop(ticket);
    assert!(live.is_empty());
    assert_eq!(live.sweep(&allowing("b.test")), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_end_by_itself_loses_its_connection() {
    let live = Arc::<Live>::default();
    let old = allowing("*");
    let (a, b) = (Connection::default(), Connection::default());
    let _deaf = live.enter(tunnel("a.test"), a.clone(), &old, || old.clone());
    let _granted = live.enter(tunnel("b.test"), b.clone(), &old, || old.clone());
    live.sweep(&allowing("b.test"));
    live.clone().finish().await;
    let told = async |connection: &Connection| {
        tokio::time::timeout(Duration::from_millis(1), connection.notified()).await.is_ok()
    };
    assert!(told(&a).await && !told(&b).await);
}
