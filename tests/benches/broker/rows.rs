//! The figures, in their order.

mod fresh;
mod seeded;
mod waiters;

use std::path::Path;

use centaur_e2e::bench::text;
use centaur_e2e::real::Database;
use clap::ValueEnum;

use crate::table::{Cell, Table};
use crate::{Args, say};

/// A row, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Proxies that wait for a refresh.
    Waiters,
    /// Many credentials, kept fresh.
    Fresh,
    /// From a seed to the first token.
    Seeded,
    /// From the provider's answer to the stored outcome; measured with the seeds.
    Unsaved,
}

impl Row {
    fn title(self, args: &Args) -> String {
        match self {
            Self::Waiters => format!(
                "refresh → new token at each of {} waiting proxies, beyond the provider's 200 ms",
                text::thousands(args.waiters as f64)
            ),
            Self::Fresh => format!(
                "{} credentials with tokens of 1 h, kept fresh",
                text::thousands(args.credentials as f64)
            ),
            Self::Seeded => "seeded → first token, beyond the provider's time".to_owned(),
            Self::Unsaved => "answer received → durable".to_owned(),
        }
    }

    const fn aim(self) -> &'static str {
        match self {
            Self::Waiters => "p99 under 50 ms",
            Self::Fresh => "under 5 % of a core",
            Self::Seeded => "under 100 ms",
            Self::Unsaved => "under 5 ms",
        }
    }
}

/// Measures what the options ask for, prints the table, and writes it if it is to be written.
///
/// # Errors
/// When the table cannot be written; a row that fails has that in its cell.
pub(crate) async fn conduct(args: &Args) -> anyhow::Result<()> {
    let wanted = |row: &Row| args.only.is_empty() || args.only.contains(row);
    let mut table = Table::default();
    for row in Row::value_variants().iter().copied().filter(wanted) {
        let mut cells = Vec::new();
        for on_postgres in [false, true] {
            if on_postgres && !has_postgres() {
                continue;
            }
            let database = if on_postgres { Database::postgres().await } else { Database::sqlite() };
            let measured = match row {
                Row::Waiters => waiters::measure(args, &database).await,
                Row::Fresh => fresh::measure(args, &database).await,
                Row::Seeded => seeded::measure(args, &database).await,
                Row::Unsaved => seeded::unsaved(args, &database).await,
            };
            let cell =
                measured.unwrap_or_else(|error| Cell { text: format!("failed: {error:#}"), met: false });
            say(&format!("{}, {}: {}", row.title(args), database.name(), cell.text));
            cells.push(cell);
        }
        table.add(row.title(args), row.aim(), cells);
    }
    let page = table.markdown();
    print(&page);
    if args.write {
        text::put("performance.md", "broker", &page).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn print(page: &str) {
    println!("{page}");
}

fn has_postgres() -> bool {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql"));
    versions.is_ok_and(|mut versions| versions.next().is_some())
}
