//! Which credentials would write the same place of the same request. A proxy runs `secrets` before `transforms`, so
//! the order of the lists alone cannot make a strong static secret beat a weak transform; losers are withheld.

use regex::{Regex, RegexBuilder};

use super::explain::Withheld;
use super::input::StoredSecret;
use super::overlap::Reach;
use crate::definition::{Body, Placement, Scope};

/// A place that a credential writes.
#[derive(Debug)]
pub(super) enum Place {
    /// In lower case.
    Header(String),
    /// Headers that a regular expression finds.
    HeaderPattern(String, Option<Regex>),
    /// As written.
    Query(String),
}

impl Place {
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Header(name) | Self::HeaderPattern(name, _) => format!("header:{name}"),
            Self::Query(name) => format!("query:{name}"),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header(one), Self::Header(two)) | (Self::Query(one), Self::Query(two)) => one == two,
            (Self::HeaderPattern(one, regex), Self::HeaderPattern(two, _)) => {
                // A pattern that finds the empty name alone is how a definition says "no header".
                one == two && regex.as_ref().is_some_and(|regex| !regex.is_match(""))
            }
            (Self::HeaderPattern(_, regex), Self::Header(name))
            | (Self::Header(name), Self::HeaderPattern(_, regex)) => {
                regex.as_ref().is_some_and(|regex| regex.is_match(name))
            }
            _ => false,
        }
    }
}

/// What a credential writes, and for which requests.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) places: Vec<Place>,
    pub(super) reaches: Vec<Reach>,
}

impl Claim {
    pub(super) fn of(body: &Body) -> Self {
        Self { places: places(body), reaches: reaches(body) }
    }
}

/// The places that a credential writes.
pub(super) fn places(body: &Body) -> Vec<Place> {
    let header = |name: &str| Place::Header(name.to_lowercase());
    let header_or = |name: Option<&String>| header(name.map_or(AUTHORIZATION, String::as_str));
    match body {
        Body::Static(secret) => match &secret.placement {
            Placement::Inject(inject) => {
                let query = inject.query_param.iter().cloned().map(Place::Query);
                inject.header.iter().map(|name| header(name)).chain(query).collect()
            }
            Placement::Replace(replace) => {
                replace.match_headers.iter().flatten().filter_map(|text| header_or_pattern(text)).collect()
            }
        },
        Body::GcpAuth(_) | Body::AwsAuth(_) => vec![header(AUTHORIZATION)],
        Body::GcpIdToken(secret) => vec![header_or(secret.header.as_ref())],
        Body::OauthToken(secret) => vec![header_or(secret.header.as_ref())],
        Body::Hmac(secret) => secret.headers.iter().map(|one| header(&one.name)).collect(),
        Body::PgDsn(_) => Vec::new(),
    }
}

/// Where a credential applies.
fn reaches(body: &Body) -> Vec<Reach> {
    body.rules().iter().map(|rule| Reach::of(&rule.scope)).collect()
}

/// The claims of all credentials that were let through so far.
#[derive(Default)]
pub(super) struct Claims<'a, R> {
    taken: Vec<(R, &'a StoredSecret)>,
}

impl<'a, R: Copy + Ord> Claims<'a, R> {
    /// Nothing claimed.
    pub(super) fn new() -> Self {
        Self { taken: Vec::new() }
    }

    /// Takes the claims of a credential, unless one of strictly higher rank has one that overlaps; then it takes
    /// none. Credentials have to come from the strongest to the weakest.
    pub(super) fn take(&mut self, rank: R, secret: &'a StoredSecret) -> Option<Withheld> {
        let Claim { places, reaches } = secret.claim();
        let stronger = self.taken.iter().filter(|(taken, _)| *taken > rank);
        for (_, winner) in stronger {
            let claim = winner.claim();
            let Some(place) = places.iter().find(|place| claim.places.iter().any(|taken| taken.meets(place)))
            else {
                continue;
            };
            let meets = |reach: &Reach| claim.reaches.iter().any(|taken| taken.overlaps(reach));
            if let Some(at) = reaches.iter().position(meets) {
                let scope = secret.body.rules().get(at).map(|rule| match &rule.scope {
                    Scope::Host(text) | Scope::Cidr(text) => text.clone(),
                });
                return Some(Withheld::Conflict {
                    by: winner.oid.clone(),
                    place: place.shown(),
                    scope: scope.unwrap_or_default(),
                });
            }
        }
        if !places.is_empty() && !reaches.is_empty() {
            self.taken.push((rank, secret));
        }
        None
    }
}

fn header_or_pattern(text: &str) -> Option<Place> {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        // How a definition says "no header"; common enough not to be compiled each time.
        Some("^$") => None,
        Some(pattern) => {
            let regex = RegexBuilder::new(pattern).case_insensitive(true).build().ok();
            Some(Place::HeaderPattern(text.to_owned(), regex))
        }
        None => Some(Place::Header(text.to_lowercase())),
    }
}

const AUTHORIZATION: &str = "authorization";
