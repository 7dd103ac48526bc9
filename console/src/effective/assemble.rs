//! The steps, in their order.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::api_server::ApiServer;
use super::claims::Claims;
use super::deliver::{Given, deliver};
use super::entry::{Entry, entry};
use super::explain::{Explained, Outcome, Supplier};
use super::fallback::{Deliverable, merge};
use super::input::{Input, Subject};
use super::payload::Payload;
use super::piece::{Item, Piece};
use super::postgres::upstreams;
use super::standing::{Class, Standing, standings};
use crate::definition::SecretKind;

/// What a principal's proxy is sent, and the story of every credential.
#[derive(Debug)]
pub struct Effective {
    /// What the proxy is sent. Holds values.
    pub payload: Payload,
    /// Every effective grant's secret with its outcome: the served ones first, in the order in which a proxy applies
    /// them, then the others.
    pub explained: Vec<Explained>,
    /// The next moment, in microseconds since 1970, at which the passing of time alone changes the result: a grant
    /// or a token expires, or the generated token is renewed. A cached result is good until then.
    pub changes_at: Option<i64>,
}

/// Builds the payload. Deterministic: the same input gives the same bytes.
pub fn assemble(input: &Input<'_>) -> Effective {
    let mut explained = Vec::new();
    let mut candidates = Vec::new();
    let mut ranked_by_class = false;
    if let Some(subject) = input.subject {
        candidates = deliverables(subject, Supplier::Principal, input, &mut explained);
        ranked_by_class = add_fallback(subject, &mut candidates, input, &mut explained);
    }
    let rank = |standing: &Standing<'_>| {
        let class = if ranked_by_class { standing.class } else { Class::Baseline };
        (class, standing.priority)
    };
    candidates.sort_by_key(|one| (rank(&one.standing), one.standing.key.id, one.standing.key.kind));

    let withheld = conflicts(&candidates, rank);
    let mut outcomes: Vec<_> = withheld.into_iter().map(|one| one.map(Outcome::Withheld)).collect();
    let principal = input.subject.map(|subject| &subject.principal);
    let (postgres, routes) = upstreams(&candidates, principal);
    for (at, outcome) in routes {
        outcomes[at] = Some(outcome);
    }

    let (secrets, transforms) = entries(&candidates, &outcomes, input);
    let payload = Payload::new(secrets, transforms, postgres);
    let told = candidates.iter().zip(outcomes);
    let told = told.map(|(one, outcome)| one.standing.explained(outcome.unwrap_or(Outcome::Served)));
    explained.extend(told);
    explained.sort_by_key(|one| match one.outcome {
        Outcome::Served => (0, block(one.key.kind)),
        _ => (1, 0),
    });
    Effective { payload, explained, changes_at: changes_at(input) }
}

fn deliverables<'a>(
    subject: &'a Subject,
    supplier: Supplier,
    input: &Input<'a>,
    explained: &mut Vec<Explained>,
) -> Vec<Deliverable<'a>> {
    let (standings, expired) = standings(subject, supplier, input);
    explained.extend(expired);
    let mut found = Vec::with_capacity(standings.len());
    for standing in standings {
        match deliver(standing.key, standing.secret, input) {
            Ok(given) => found.push(Deliverable { standing, given }),
            Err(skip) => explained.push(standing.explained(Outcome::Skipped(skip))),
        }
    }
    found
}

/// Whether the fallback principal added something; only then does the class of a credential count.
fn add_fallback<'a>(
    subject: &Subject,
    candidates: &mut Vec<Deliverable<'a>>,
    input: &Input<'a>,
    explained: &mut Vec<Explained>,
) -> bool {
    let Some(fallback) = input.fallback else { return false };
    if fallback.subject.principal.oid == subject.principal.oid {
        return false;
    }
    let mut told = Vec::new();
    let mut extra = deliverables(fallback.subject, Supplier::Fallback, input, &mut told);
    // Default roles come from the principal, never from the fallback.
    extra.retain(|one| one.standing.is_decided());
    for one in &mut extra {
        one.standing.class = Class::Requester;
    }
    // Of what cannot be delivered, that which nothing of the principal's tells already.
    told.retain(|one| {
        let is_default = one.paths.iter().all(|path| path.via.is_role_among(input.default_roles));
        let is_told = explained.iter().any(|own| own.key == one.key);
        let is_own = candidates.iter().any(|own| own.standing.key == one.key);
        !is_default && !is_told && !is_own
    });
    explained.extend(told);
    merge(candidates, extra, fallback.mode, explained)
}

/// What of `ascending` is withheld because a stronger credential writes the same place.
fn conflicts<'a, R: Copy + Ord>(
    ascending: &[Deliverable<'a>],
    rank: impl Fn(&Standing<'a>) -> R,
) -> Vec<Option<super::explain::Withheld>> {
    let mut order: Vec<usize> = (0..ascending.len()).collect();
    order.sort_by_key(|at| {
        let standing = &ascending[*at].standing;
        (Reverse((rank(standing), standing.key.id)), standing.key.kind.type_name())
    });
    let mut claims = Claims::new();
    let mut withheld: Vec<_> = ascending.iter().map(|_| None).collect();
    for at in order {
        let standing = &ascending[at].standing;
        withheld[at] = claims.take(rank(standing), standing.secret);
    }
    withheld
}

fn entries(
    ascending: &[Deliverable<'_>],
    outcomes: &[Option<Outcome>],
    input: &Input<'_>,
) -> (Vec<Item>, Vec<Item>) {
    let (mut secrets, mut transforms, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for (one, outcome) in ascending.iter().zip(outcomes) {
        if outcome.is_some() {
            continue;
        }
        let piece = match &one.given {
            Given::Piece(piece) => piece.clone(),
            Given::Sources(sources) => match entry(&one.standing.secret.body, sources) {
                Some(entry) => Arc::new(Piece::new(entry)),
                None => continue,
            },
        };
        match piece.entry() {
            Entry::Secret(_) => secrets.push(Item::Shared(piece)),
            Entry::Transform(_) => transforms.push((block(one.standing.key.kind), Item::Shared(piece))),
            Entry::Token(token) => tokens.push(token.clone()),
        }
    }
    if let (Some(subject), Some(api_server)) = (input.subject, input.api_server) {
        secrets.extend(api_server.entry(&subject.principal, input.now).map(Item::from));
    }
    // Stable, so that each block keeps the ascending order.
    transforms.sort_by_key(|(block, _)| *block);
    let mut transforms: Vec<_> = transforms.into_iter().map(|(_, entry)| entry).collect();
    if !tokens.is_empty() {
        transforms.push(bundle(tokens).into());
    }
    (secrets, transforms)
}

/// One transform for all tokens. They are moved, for what is copied is not wiped.
fn bundle(tokens: Vec<Value>) -> Value {
    let config = Map::from_iter([("tokens".to_owned(), Value::Array(tokens))]);
    let name = ("name".to_owned(), "oauth_token".into());
    Value::Object(Map::from_iter([name, ("config".to_owned(), Value::Object(config))]))
}

/// The order of types within a payload.
fn block(kind: SecretKind) -> u8 {
    match kind {
        SecretKind::Static => 0,
        SecretKind::GcpAuth => 1,
        SecretKind::GcpIdToken => 2,
        SecretKind::AwsAuth => 3,
        SecretKind::Hmac => 4,
        SecretKind::OauthToken => 5,
        SecretKind::PgDsn => 6,
    }
}

fn changes_at(input: &Input<'_>) -> Option<i64> {
    let subjects = input.subject.into_iter().chain(input.fallback.map(|fallback| fallback.subject));
    let grants: Vec<_> = subjects.flat_map(|subject| &subject.grants).collect();
    let tokens = grants
        .iter()
        .filter_map(|grant| input.secrets.get(&grant.secret))
        .flat_map(|secret| secret.credentials())
        .filter_map(|credential| input.sources.broker(credential)?.expires_at);
    let renewal = match (input.subject, input.api_server) {
        (Some(subject), Some(_)) => ApiServer::renewed_at(&subject.principal, input.now),
        _ => None,
    };
    let expiries = grants.iter().filter_map(|grant| grant.expires_at);
    expiries.chain(tokens).chain(renewal).filter(|at| *at > input.now).min()
}
