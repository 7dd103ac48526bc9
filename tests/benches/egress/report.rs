//! The table, as Markdown: on standard output, and between two markers of `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

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

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

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

/// Writes the table between the markers of `docs/performance.md`.
///
/// # Errors
///
/// When the page or its markers are missing.
pub(crate) fn write(table: &Table) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let page = fs::read_to_string(&path).context("docs/performance.md")?;
    let (before, rest) = page.split_once(BEGIN).context("docs/performance.md lost its marker bench:begin")?;
    let (_, after) = rest.split_once(END).context("docs/performance.md lost its marker bench:end")?;
    fs::write(&path, format!("{before}{BEGIN}\n{}{END}{after}", table.markdown()))?;
    Ok(())
}

/// Digits in groups of three; no fraction.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits or so.
pub(crate) fn short(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { thousands(value) }
}

/// KiB as MB of a million bytes.
pub(crate) fn megabytes(kib: f64) -> f64 {
    kib * 1_024.0 / 1e6
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The part before the first dash names the kernel, what follows the machine's image.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    format!("{cores} cores ({model}), Linux {kernel}")
}
