//! Any query of a list is read within its limits or refused, and times are read back as they are written.
#![no_main]

use centaur_console::wire::{LabelFilter, Page, Query, parse_timestamp, timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let query = Query::parse(text);
    if let Ok(page) = Page::from_query(&query) {
        assert!((1..=200).contains(&page.limit) && page.number >= 1 && page.offset() >= 0, "{page:?}");
        let _ = page.meta(u64::MAX);
    }
    if let Ok(labels) = LabelFilter::from_query(&query) {
        assert!(labels.pairs().iter().all(|(key, _)| !key.is_empty()));
        let _ = labels.matches(&serde_json::Map::new());
    }
    if let Some(at) = parse_timestamp(text) {
        // Shown in milliseconds, between the years 0 and 9999.
        let shown = timestamp(at);
        let near = |again: i64| (0..1_000).contains(&(at - again)) || shown.starts_with("9999-12-31");
        assert!(shown.starts_with('-') || parse_timestamp(&shown).is_some_and(near), "{text:?}: {shown}");
    }
});
