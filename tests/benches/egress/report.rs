//! The table, as Markdown: on standard output, and between two markers of `docs/performance.md`.

use std::fmt::Write as _;

use centaur_e2e::bench::text::{self, machine};
pub(crate) use centaur_e2e::bench::text::{megabytes, short, thousands};

/// What was measured.
pub(crate) struct Table {
    names: Vec<String>,
    private: bool,
    /// In the order of the table.
    pub(crate) lines: Vec<Line>,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    title: &'static str,
    aim: &'static str,
    /// One per contender.
    pub(crate) cells: Vec<String>,
    /// Whether ours reached the aim; `None` when it was not measured.
    pub(crate) met: Option<bool>,
    /// A remark under the table.
    pub(crate) note: Option<String>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(names: Vec<String>, private: bool) -> Self {
        Self { names, private, lines: Vec::new() }
    }

    fn markdown(&self) -> String {
        let mut text = String::from("| Measure | Aim | Met |");
        for name in &self.names {
            let _ = write!(text, " {name} |");
        }
        text += "\n|---|---|---|";
        text += &"---|".repeat(self.names.len());
        text.push('\n');
        for line in &self.lines {
            let met = match line.met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            };
            let _ = writeln!(text, "| {} | {} | {met} | {} |", line.title, line.aim, line.cells.join(" | "));
        }
        let place = if self.private { "network namespaces" } else { "plain loopback, no namespaces" };
        let _ = writeln!(text, "\n{}; {place}.", machine());
        for note in self.lines.iter().filter_map(|line| line.note.as_ref()) {
            let _ = writeln!(text, "Here {note}.");
        }
        text
    }
}

impl Line {
    /// A line with empty cells.
    pub(crate) fn new(title: &'static str, aim: &'static str, columns: usize) -> Self {
        Self { title, aim, cells: vec!["—".to_owned(); columns], met: None, note: None }
    }
}

/// Prints the table.
///
/// # Errors
///
/// Never so far.
#[expect(clippy::print_stdout, reason = "the table is this program's output")]
#[expect(clippy::unnecessary_wraps, reason = "stands beside `write`")]
pub(crate) fn print(table: &Table) -> anyhow::Result<()> {
    println!("{}", table.markdown());
    Ok(())
}

/// Writes the table into `docs/performance.md`.
///
/// # Errors
///
/// When the page or its markers are missing.
pub(crate) fn write(table: &Table) -> anyhow::Result<()> {
    text::put("performance.md", "bench", &table.markdown()).map_err(anyhow::Error::msg)
}
