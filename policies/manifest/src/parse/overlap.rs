//! Entries of one tool that get in each other's way.

use centaur_policies::pattern::HostPattern;

use super::fields::Fields;
use super::log::Place;
use crate::manifest::{Binding, Entry, Inject, Placement};
use crate::problem::Code;

/// Warns of the later entry of each pair that overlaps.
pub(super) fn note(fields: &Fields<'_>, required: &[(Entry, usize)], optional: &[(Entry, usize)]) {
    let all: Vec<&(Entry, usize)> = required.iter().chain(optional).collect();
    for (index, (later, at)) in all.iter().enumerate() {
        for (earlier, _) in &all[..index] {
            if let Some((code, what)) = conflict(earlier, later).filter(|_| share_a_host(earlier, later)) {
                let place = Place { list: later.list, index: later.index, name: Some(later.name.clone()) };
                let text = format!("{what} {}[{}] {}", earlier.list, earlier.index, earlier.name);
                fields.log.report(Some(&place), None, *at, code, text);
            }
        }
    }
}

/// What two entries do to one request, if it is the same.
fn conflict(earlier: &Entry, later: &Entry) -> Option<(Code, &'static str)> {
    if let (Some(one), Some(two)) = (replacer(earlier), replacer(later)) {
        if one == two {
            return Some((Code::DuplicateBinding, "replaces the same placeholder as"));
        }
        return (one.contains(two) || two.contains(one))
            .then_some((Code::PlaceholderOverlap, "has a placeholder that is part of, or holds, that of"));
    }
    let same = match (target(earlier)?, target(later)?) {
        (Target::Header(one), Target::Header(two)) => one.eq_ignore_ascii_case(two),
        (Target::Query(one), Target::Query(two)) => one == two,
        _ => false,
    };
    same.then_some((Code::DuplicateBinding, "writes the same place as"))
}

fn replacer(entry: &Entry) -> Option<&str> {
    match &entry.binding {
        Binding::Http(http) => match &http.placement {
            Placement::Replace(replace) => Some(&replace.replacer),
            Placement::Inject(_) => None,
        },
        _ => None,
    }
}

enum Target<'a> {
    Header(&'a str),
    Query(&'a str),
}

/// What the entry writes into every request.
fn target(entry: &Entry) -> Option<Target<'_>> {
    match &entry.binding {
        Binding::Http(http) => match &http.placement {
            Placement::Inject(Inject::Header { inject_header, .. }) => Some(Target::Header(inject_header)),
            Placement::Inject(Inject::Query { inject_query_param }) => {
                Some(Target::Query(inject_query_param))
            }
            Placement::Replace(_) => None,
        },
        Binding::BrokeredToken(token) => Some(Target::Header(&token.inject_header)),
        Binding::OauthToken(_) | Binding::GcpAuth(_) => Some(Target::Header("Authorization")),
        Binding::GcpIdToken(token) => {
            Some(Target::Header(token.header.as_deref().unwrap_or("Authorization")))
        }
        Binding::AwsAuth(_) | Binding::HmacSign(_) | Binding::PgDsn(_) | Binding::Plain(_) => None,
    }
}

fn share_a_host(one: &Entry, two: &Entry) -> bool {
    let patterns = |entry: &Entry| -> Vec<HostPattern> {
        entry.binding.hosts().iter().filter_map(|host| HostPattern::parse(host).ok()).collect()
    };
    let (one, two) = (patterns(one), patterns(two));
    one.iter().any(|one| two.iter().any(|two| one.may_overlap(two)))
}
