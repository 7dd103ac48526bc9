//! What was measured, as Markdown.

use std::fmt::Write as _;

use centaur_e2e::bench::text;

/// A row on one database.
#[derive(Debug)]
pub(crate) struct Cell {
    /// For people.
    pub(crate) text: String,
    /// Whether the aim was reached.
    pub(crate) met: bool,
}

/// All rows, in order.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<(String, &'static str, Vec<Cell>)>);

impl Table {
    /// One row more; the cells are of SQLite and of PostgreSQL.
    pub(crate) fn add(&mut self, title: String, aim: &'static str, cells: Vec<Cell>) {
        self.0.push((title, aim, cells));
    }

    /// With one column per database.
    pub(crate) fn markdown(&self) -> String {
        let mut page = "| Measure | Aim | Met | SQLite | PostgreSQL |\n|---|---|---|---|---|\n".to_owned();
        for (title, aim, cells) in &self.0 {
            let met = if cells.iter().all(|cell| cell.met) { "yes" } else { "no" };
            let _ = write!(page, "| {title} | {aim} | {met} |");
            for at in 0..2 {
                let _ = write!(page, " {} |", cells.get(at).map_or("—", |cell| &cell.text));
            }
            page.push('\n');
        }
        let _ = writeln!(page, "\n{}.", text::machine());
        page
    }
}
