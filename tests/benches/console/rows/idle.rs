//! Memory of a console that has little to do.

use std::time::Duration;

use anyhow::ensure;
use centaur_e2e::bench::text::megabytes;
use centaur_e2e::real::{Database, KEY};
use serde_json::json;

use crate::args::Args;
use crate::operator::{Operator, secret};
use crate::program::Console;
use crate::table::Cell;
use crate::wire::{self, Wire};

/// Before memory is read.
const REST: Duration = Duration::from_secs(3);
/// MB of a million bytes.
const AIM: f64 = 25.0;

/// After the first start, which makes the first user, and after a later one; each with a few requests and a rest.
///
/// # Errors
/// When a request fails.
pub(super) async fn measure(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let mut rss = [0.0; 2];
    for (at, rss) in rss.iter_mut().enumerate() {
        let console = Console::start(args, &database.address()).await?;
        let operator = Operator::new(console.address);
        operator.make("static_secrets", &secret(at, "fake-value")).await?;
        operator.make("principals", &json!({"foreign_id": format!("idle-{at}")})).await?;
        let mut wire = Wire::connect(console.address).await?;
        for path in ["principals", "static_secrets", "grants", "audit_events"] {
            let request = wire::get(console.address, &format!("/api/v1/{path}"), KEY);
            let answer = wire.exchange(&request).await?;
            ensure!(matches!(answer.status, 200 | 400), "{path}: {}", answer.status);
        }
        drop(wire);
        tokio::time::sleep(REST).await;
        *rss = megabytes(console.rss_kib() as f64);
    }
    let [first, later] = rss;
    Ok(Cell {
        text: format!("**{first:.1} MB** after the first start, **{later:.1} MB** after another"),
        met: first.max(later) < AIM,
        figures: json!({"first_start_rss_mb": first, "later_start_rss_mb": later}),
    })
}
