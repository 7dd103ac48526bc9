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
        assert_eq!(parse_timestamp(&timestamp(at)), Some(at), "{text:?}");
    }
});
