//! The one place that writes to the terminal. Standard output is for results; everything said about the work goes to
//! standard error, so that it never mixes with what a program under `centaur run` prints.

use std::fmt::Display;
use std::io::{self, Write};

/// One line of a result. A reader that went away is not an error: what it wanted, it has.
pub fn out(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Text of a result that ends in its own newline.
pub fn out_raw(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// A remark.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "centaur: {line}");
}

/// What failed.
pub fn error(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "error: {line}");
}

/// What may help, under an error.
pub fn hint(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "hint: {line}");
}

/// A table with left-aligned columns, two spaces apart; the last column is not padded.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let padding = widths[column].saturating_sub(cell.chars().count()) + 2;
                line.extend(std::iter::repeat_n(' ', padding));
            }
        }
        out(line.trim_end());
    }
}
