//! From a seed to the first token, and what an interruption could cost.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use centaur_e2e::real::{Console, Database};
use centaur_e2e::strict::Provider;

use crate::stats::Samples;
use crate::table::Cell;
use crate::{Args, world};

const PROVIDER: Duration = Duration::from_millis(50);

/// Seeds one credential after the other; how long each took beyond the provider's time.
async fn seeds(args: &Args, database: &Database) -> anyhow::Result<(Console, Samples)> {
    let provider = Provider::start();
    provider.delay(PROVIDER);
    let console = world::console(database, true).await;
    let api = console.api();
    let mut beyond = Samples::default();
    for number in 0..args.repeats {
        let seeded = Instant::now();
        let credential = world::credential(&api, &provider, &format!("f{number}")).await;
        let path = format!("broker_credentials/{credential}");
        while api.get(&path).await["status"] != "live" {}
        beyond.add(seeded.elapsed().saturating_sub(PROVIDER));
    }
    Ok((console, beyond))
}

pub(super) async fn measure(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let (console, beyond) = seeds(args, database).await?;
    console.stop().await;
    Ok(Cell { text: beyond.text(), met: beyond.millis(0.99) < 100.0 })
}

pub(super) async fn unsaved(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let (console, _) = seeds(args, database).await?;
    let (_, log) = console.stop().await;
    let mut window = Samples::default();
    for micros in world::unsaved(&log) {
        window.add(Duration::from_micros(micros));
    }
    let most = window.millis(1.0);
    (most > 0.0).then_some(()).context("no refresh in the log")?;
    Ok(Cell { text: format!("{}, at most {most:.1} ms", window.text()), met: most < 5.0 })
}
