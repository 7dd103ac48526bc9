//! The figures of the simulation.

use std::fmt::Write as _;
use std::time::Duration;

use centaur_e2e::bench::text::{machine, megabytes, short, thousands};
use serde_json::{Value, json};

use super::replicas::Use;
use crate::stats::Samples;

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct Outcome {
    waiters: f64,
    lines: Vec<(String, String)>,
    /// For programs; names end in their unit.
    pub(crate) figures: Value,
}

impl Outcome {
    /// Nothing yet.
    pub(super) fn new(waiters: usize, replicas: usize) -> Self {
        let figures = json!({"waiters": waiters, "replicas": replicas});
        let waiters = waiters as f64;
        let lines =
            vec![("proxies that wait / consoles".to_owned(), format!("{} / {replicas}", thousands(waiters)))];
        Self { waiters, lines, figures }
    }

    /// As a table of two columns.
    pub(crate) fn markdown(&self) -> String {
        let mut page = "| Measure | |\n|---|---|\n".to_owned();
        for (name, value) in &self.lines {
            let _ = writeln!(page, "| {name} | {value} |");
        }
        let _ = writeln!(page, "\n{}.", machine());
        page
    }

    /// All connected, got their first configuration and wait.
    pub(super) fn joined(&mut self, took: Duration, used: Use) {
        let (seconds, cpu) = (took.as_secs_f64(), self.each(used.cpu_us));
        let text = format!("{seconds:.0} s, {cpu:.0} µs of a console's processor each");
        self.line("first configuration and first wait of all", text);
        self.figures["join"] = json!({"seconds": seconds, "cpu_us_each": cpu});
    }

    /// Memory of the consoles without and with the waiting proxies.
    pub(super) fn resting(&mut self, empty_kib: u64, rss_kib: u64) {
        let bytes = self.bytes(empty_kib, rss_kib);
        let text = format!(
            "**{} bytes** ({:.0} MB in all, {:.0} MB before)",
            thousands(bytes),
            megabytes(rss_kib as f64),
            megabytes(empty_kib as f64)
        );
        self.line("RSS per waiting proxy", text);
        self.figures["waiting_rss_bytes_each"] = json!(bytes);
    }

    /// Some time without a change: seconds, what was used, polls renewed, transactions.
    pub(super) fn waiting(&mut self, (seconds, used, renewed, transactions): (f64, Use, u64, i64)) {
        let share = used.cpu_us as f64 / 1e6 / seconds;
        let (renewed, transactions) = (renewed as f64 / seconds, transactions as f64 / seconds);
        let each = if renewed > 0.0 { share * 1e6 / renewed } else { 0.0 };
        self.line("while nothing changes: polls renewed", format!("{}/s", short(renewed)));
        self.line("… processor of the consoles", format!("{share:.2} cores: {each:.0} µs per renewed poll"));
        self.line("… transactions of the database", format!("**{}/s**", short(transactions)));
        self.figures["still"] = json!({
            "renewed_per_second": renewed, "cores": share, "cpu_us_per_renewal": each,
            "transactions_per_second": transactions,
        });
    }

    /// Proxies were woken by so many changes.
    pub(super) fn woken(&mut self, name: &str, samples: &Samples, changes: usize, used: Use) {
        let (p50, p99, last) = (samples.millis(0.5), samples.millis(0.99), samples.millis(1.0));
        let woken = samples.len() as f64;
        let cpu = used.cpu_us as f64;
        let text = format!(
            "p50 {p50:.0} / p99 {p99:.0} / **last {last:.0} ms**; {} µs of processor per change, {} per proxy woken",
            short(cpu / changes as f64),
            short(cpu / woken.max(1.0))
        );
        self.line(&format!("change → {name}"), text);
        self.figures[format!("wake {name}")] = json!({
            "changes": changes, "woken": woken, "p50_ms": p50, "p99_ms": p99, "last_ms": last,
            "cpu_us_per_change": cpu / changes as f64, "cpu_us_per_proxy": cpu / woken.max(1.0),
        });
    }

    /// Memory when all that was over.
    pub(super) fn after(&mut self, empty_kib: u64, used: &Use) {
        let (bytes, peak) = (self.bytes(empty_kib, used.rss_kib), self.bytes(empty_kib, used.peak_kib));
        let text = format!("**{} bytes**, {} at most", thousands(bytes), thousands(peak));
        self.line("RSS per waiting proxy after all that", text);
        self.figures["after_rss_bytes_each"] = json!(bytes);
        self.figures["peak_rss_bytes_each"] = json!(peak);
    }

    fn line(&mut self, name: &str, value: String) {
        self.lines.push((name.to_owned(), value));
    }

    fn each(&self, total: u64) -> f64 {
        total as f64 / self.waiters
    }

    fn bytes(&self, empty_kib: u64, kib: u64) -> f64 {
        self.each(kib.saturating_sub(empty_kib) * 1_024)
    }
}
