//! Counting, and the text of a scrape.

use centaur_store::{KeyRing, Options};

use super::capped::MOST_SERIES;
use super::*;

async fn metrics() -> Metrics {
    let keys = KeyRing::single("one", &centaur_base::Secret::new([7; 32])).expect("keys");
    Metrics::new(&Store::open("sqlite::memory:", Options::new(keys)).await.expect("a store"))
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test]
async fn what_is_counted_is_told_in_the_text_form() {
    let metrics = metrics().await;
    let took = Duration::from_millis(2);
    metrics.answered(&Method::GET, "/api/v1/roles/{id}", StatusCode::NOT_FOUND, took);
    metrics.answered(&"BREW".parse().expect("a method"), "unmatched", StatusCode::NOT_FOUND, took);
    let guard = metrics.in_flight();
    let text = metrics.render();
    let labels = r#"{method="GET",route="/api/v1/roles/{id}",status_class="4xx"}"#;
    assert_eq!(line(&text, &format!("http_server_requests_total{labels}")), "1");
    let labels = r#"{method="other",route="unmatched",status_class="4xx"}"#;
    assert_eq!(line(&text, &format!("http_server_requests_total{labels}")), "1");
    assert_eq!(line(&text, "http_server_requests_in_flight"), "1");
    assert_eq!(line(&text, "centaur_migration_version"), SCHEMA_VERSION.to_string());
    assert!(line(&text, "process_resident_memory_bytes").parse::<u64>().expect("a number") > 1_000_000);
    drop(guard);
    assert_eq!(line(&metrics.render(), "http_server_requests_in_flight"), "0");
}

#[tokio::test]
async fn a_metric_has_no_more_series_than_it_may() {
    let metrics = metrics().await;
    for number in 0..MOST_SERIES + 5 {
        metrics.answered(&Method::GET, &format!("/{number}"), StatusCode::OK, Duration::ZERO);
    }
    metrics.answered(&Method::GET, "/0", StatusCode::OK, Duration::ZERO);
    let text = metrics.render();
    let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(series("http_server_requests_total{"), MOST_SERIES + 1);
    assert_eq!(series("http_server_request_duration_seconds_count{"), MOST_SERIES + 1);
    let other = r#"{method="other",route="other",status_class="2xx"}"#;
    assert_eq!(line(&text, &format!("http_server_requests_total{other}")), "5");
    let known = r#"{method="GET",route="/0",status_class="2xx"}"#;
    assert_eq!(line(&text, &format!("http_server_requests_total{known}")), "2");
    let dropped = r#"centaur_metric_series_dropped_total{metric="http_server_requests"}"#;
    assert_eq!(line(&text, dropped), "5");
}

#[tokio::test]
async fn a_sync_counts_once_by_what_came_of_it() {
    let metrics = metrics().await;
    let sync = &metrics.sync;
    sync.answering().answered(true);
    sync.answering().answered(false);
    let mut put_off = sync.answering();
    put_off.put_off();
    put_off.answered(true);
    drop(put_off);
    sync.answering().refused("revoked");
    drop(sync.answering());
    let waiting = sync.waiting();
    let text = metrics.render();
    for outcome in ["changed", "unchanged", "woken", "revoked", "abandoned"] {
        assert_eq!(line(&text, &format!("console_sync_requests_total{{outcome=\"{outcome}\"}}")), "1");
    }
    assert_eq!(line(&text, "console_sync_duration_seconds_count"), "4", "not the one that was put off");
    assert_eq!(line(&text, "console_sync_waiting"), "1");
    drop(waiting);
    assert_eq!(line(&metrics.render(), "console_sync_waiting"), "0");
}
