//! Columns for people.

use super::line;

/// Rows of cells, in columns two spaces apart; the last is not padded.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Each row begins with so many spaces.
    #[must_use]
    pub fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    /// Adds a row. A cell that is empty is shown as `-`.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let shown = |cell: S| if cell.as_ref().is_empty() { "-".to_owned() } else { line(cell.as_ref()) };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// The lines.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut text = " ".repeat(self.indent);
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }
}

/// `1 role`, `2 roles`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_an_empty_one_is_marked() {
        let mut table = Table::new().indented(2);
        table.row(["a", "", "x"]);
        table.row(["long", "b", ""]);
        assert_eq!(table.text(), "  a     -  x\n  long  b  -\n");
        assert_eq!(count(1, "role") + &count(0, "role"), "1 role0 roles");
    }
}
