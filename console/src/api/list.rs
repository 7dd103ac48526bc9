//! Lists.

use centaur_store::{Filter, Listed};
use serde_json::{Map, Value};

use super::answer::{Answer, Result};
use super::call::Call;
use crate::wire::{self, LabelFilter, Page};

/// The page that is asked for, in both its forms.
pub(super) fn page(call: &Call) -> Result<(Page, centaur_store::Page)> {
    let page = Page::from_query(&call.query)?;
    let number = i64::try_from(page.number).unwrap_or(i64::MAX);
    Ok((page, centaur_store::Page::new(number, page.limit.into())))
}

/// The filter of lists that are kept by namespace.
pub(super) fn filter(call: &Call) -> Result<Filter> {
    let text = |key: &str| call.query.value(key).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Filter {
        namespace: Some(call.query.required("namespace")?.to_owned()),
        foreign_id: text("foreign_id"),
        labels: LabelFilter::from_query(&call.query)?.pairs().to_vec(),
        q: text("q"),
    })
}

/// A page of rows.
pub(super) fn listed<T>(page: Page, found: Listed<T>, shown: impl Fn(&T) -> Map<String, Value>) -> Answer {
    let resources = found.rows.iter().map(shown).collect();
    Answer::body(wire::list(resources, page.meta(found.total)))
}
