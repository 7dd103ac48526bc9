//! What was measured: as Markdown for people and as JSON for programs.

use std::fmt::Write as _;

use centaur_e2e::bench::text;
use clap::ValueEnum as _;
use serde_json::{Value, json};

use crate::args::Engine;
use crate::row::Row;

/// A row on one database.
#[derive(Debug)]
pub(crate) struct Cell {
    /// For people.
    pub(crate) text: String,
    /// Whether the aim was reached.
    pub(crate) met: bool,
    /// For programs; names end in their unit.
    pub(crate) figures: Value,
}

/// All rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<(Row, Vec<(Engine, Cell)>)>);

impl Table {
    /// One row more.
    pub(crate) fn add(&mut self, row: Row, cells: Vec<(Engine, Cell)>) {
        self.0.push((row, cells));
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With one column per database.
    pub(crate) fn markdown(&self) -> String {
        let mut page = "| Measure | Aim | Met | SQLite | PostgreSQL |\n|---|---|---|---|---|\n".to_owned();
        for (row, cells) in &self.0 {
            let met = if cells.iter().all(|(_, cell)| cell.met) { "yes" } else { "no" };
            let _ = write!(page, "| {} | {} | {met} |", row.title(), row.aim());
            for engine in [Engine::Sqlite, Engine::Postgres] {
                let cell = cells.iter().find(|(of, _)| *of == engine);
                let _ = write!(page, " {} |", cell.map_or("—", |(_, cell)| &cell.text));
            }
            page.push('\n');
        }
        let _ = writeln!(page, "\n{}.", text::machine());
        page
    }

    /// One object per row and database.
    pub(crate) fn json(&self) -> Value {
        let name = |value: Option<clap::builder::PossibleValue>| value.map(|it| it.get_name().to_owned());
        let mut all = Vec::new();
        for (row, cells) in &self.0 {
            for (engine, cell) in cells {
                all.push(json!({
                    "row": name(row.to_possible_value()), "title": row.title(), "aim": row.aim(),
                    "database": name(engine.to_possible_value()), "met": cell.met, "figures": cell.figures,
                }));
            }
        }
        Value::Array(all)
    }
}
