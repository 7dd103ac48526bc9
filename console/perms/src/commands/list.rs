//! What all `list` verbs have in common.

use centaur_client::api::ListFilter;

use crate::address;
use crate::args::{ListArgs, SortKey};
use crate::failure::Failure;
use crate::session::Session;
use crate::shape::{Identity, MANAGED};

/// What the console is asked for.
///
/// # Errors
/// [`Failure::BadPair`]
pub(super) fn filter(session: &Session, args: &ListArgs) -> Result<ListFilter, Failure> {
    let mut filter = session.everything();
    for text in &args.label {
        let (key, value) = address::pair("--label", text)?;
        filter = filter.label(key, value);
    }
    Ok(if args.managed { filter.label(MANAGED.0, MANAGED.1) } else { filter })
}

/// What is left of it here, in order, and how many there were before `--limit`.
pub(super) fn select<T: Identity>(mut rows: Vec<T>, args: &ListArgs) -> (Vec<T>, usize) {
    if let Some(text) = &args.filter {
        let text = text.to_lowercase();
        let has = |part: Option<&str>| part.is_some_and(|part| part.to_lowercase().contains(&text));
        rows.retain(|row| has(row.foreign_id()) || has(row.name()));
    }
    let by = |row: &T| match args.sort {
        SortKey::ForeignId => row.foreign_id().map(str::to_owned),
        SortKey::Name => row.name().map(str::to_owned),
        SortKey::Id => Some(row.id()),
    };
    // The sort is stable: equal ones stay in the order of the console, that is of their age.
    rows.sort_by_cached_key(by);
    let total = rows.len();
    rows.truncate(args.limit.unwrap_or(usize::MAX));
    (rows, total)
}

/// `3 roles`, or `2 of 3 roles`.
pub(super) fn summary(shown: usize, total: usize, noun: &str) -> String {
    if shown == total {
        format!("{}\n", crate::printer::count(total, noun))
    } else {
        format!("{shown} of {}\n", crate::printer::count(total, noun))
    }
}

/// `managed-by=centaur, team=a`
pub(super) fn labels(labels: &centaur_client::api::Labels) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    pairs.join(", ")
}
