//! The order of things.

mod effective;
mod equal;
mod idle;
mod obey;
mod restart;
mod simulation;

use std::path::Path;

use anyhow::Context as _;
use centaur_e2e::bench::text;
use centaur_e2e::real::Database;
use serde_json::{Value, json};

use crate::args::{Args, Engine};
use crate::row::Row;
use crate::say;
use crate::seed::{self, Plan};
use crate::table::{Cell, Table};

/// Principals of the large database, each with 10 grants and a proxy.
const PRINCIPALS: usize = 10_000;
/// Further ones with 100 grants.
const WIDE: usize = 320;

/// Measures what the options ask for, prints the table, and writes what is to be written.
///
/// # Errors
/// When a table cannot be written; a row that fails has that in its cell.
pub(crate) async fn conduct(args: &Args, descriptors: u64) -> anyhow::Result<()> {
    let mut bench = Bench { args, large: Vec::new() };
    let mut engines = args.engines();
    if !has_postgres() {
        say("no PostgreSQL here (apt-get install postgresql): its column and the simulation are left out");
        engines.retain(|engine| *engine != Engine::Postgres);
    }
    let (mut table, mut simulated) = (Table::default(), None);
    for row in args.rows() {
        if row == Row::Simulation {
            if engines.contains(&Engine::Postgres) {
                say("simulation:");
                match simulation::run(args, descriptors).await {
                    Ok(outcome) => simulated = Some(outcome),
                    Err(error) => say(&format!("  failed: {error:#}")),
                }
            }
            continue;
        }
        let mut cells = Vec::new();
        for engine in engines.iter().copied().filter(|engine| takes(row, *engine)) {
            let cell = bench.measure(row, engine).await.unwrap_or_else(|error| Cell {
                text: format!("failed: {error:#}"),
                met: false,
                figures: Value::Null,
            });
            say(&format!("{}, {engine:?}: {}", row.title(), cell.text));
            cells.push((engine, cell));
        }
        if !cells.is_empty() {
            table.add(row, cells);
        }
    }
    report(args, &table, simulated.as_ref())
}

fn report(args: &Args, table: &Table, simulated: Option<&simulation::Outcome>) -> anyhow::Result<()> {
    if !table.is_empty() {
        print(&table.markdown());
    }
    if let Some(simulated) = simulated {
        print(&simulated.markdown());
    }
    if args.write {
        if !table.is_empty() {
            text::put("performance.md", "console", &table.markdown()).map_err(anyhow::Error::msg)?;
        }
        if let Some(simulated) = simulated {
            text::put("scale.md", "simulation", &simulated.markdown()).map_err(anyhow::Error::msg)?;
        }
    }
    if let Some(path) = &args.json {
        let simulated = simulated.map(|outcome| outcome.figures.clone());
        let all = json!({"machine": text::machine(), "rows": table.json(), "simulation": simulated});
        std::fs::write(path, format!("{all:#}\n")).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn print(page: &str) {
    println!("{page}");
}

/// Memory is that of the default database; the rest is measured on both.
fn takes(row: Row, engine: Engine) -> bool {
    row != Row::Idle || engine == Engine::Sqlite
}

fn has_postgres() -> bool {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).into_iter().flatten().flatten();
    versions.map(|entry| entry.path().join("bin/initdb")).any(|program| program.exists())
}

/// What rows share.
struct Bench<'a> {
    args: &'a Args,
    large: Vec<(Engine, Database)>,
}

impl Bench<'_> {
    async fn measure(&mut self, row: Row, engine: Engine) -> anyhow::Result<Cell> {
        let args = self.args;
        match row {
            Row::Obey1 => obey::measure(args, &empty(engine).await, 1, 200.0).await,
            Row::Obey100 => obey::measure(args, &empty(engine).await, 100, 500.0).await,
            Row::Obey1000 => obey::measure(args, &empty(engine).await, 1_000, 1_000.0).await,
            Row::Equal32 => equal::measure(args, self.large(engine).await?, 32).await,
            Row::Equal256 => equal::measure(args, self.large(engine).await?, 256).await,
            Row::Effective10 => effective::measure(args, self.large(engine).await?, 0).await,
            Row::Effective100 => effective::measure(args, self.large(engine).await?, PRINCIPALS).await,
            Row::Restart => restart::measure(args, self.large(engine).await?).await,
            Row::Idle => idle::measure(args, &empty(engine).await).await,
            Row::Simulation => anyhow::bail!("is no cell"),
        }
    }

    /// The database of 10,000 principals, made when it is first asked for.
    async fn large(&mut self, engine: Engine) -> anyhow::Result<&Database> {
        let at = if let Some(at) = self.large.iter().position(|(of, _)| *of == engine) {
            at
        } else {
            let database = empty(engine).await;
            let plan = Plan {
                principals: PRINCIPALS,
                grants: 10,
                wide: WIDE,
                stride: 0,
                proxies: PRINCIPALS,
                secrets: 202,
            };
            seed::fill(self.args, &database, plan).await?;
            self.large.push((engine, database));
            self.large.len() - 1
        };
        Ok(&self.large[at].1)
    }
}

async fn empty(engine: Engine) -> Database {
    match engine {
        Engine::Sqlite => Database::sqlite(),
        Engine::Postgres => Database::postgres().await,
    }
}
