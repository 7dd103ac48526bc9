//! The page at the end of a run.

use std::fmt::Write as _;

use super::run::{Played, Verdict};

/// Counts and lines of a run.
#[derive(Debug)]
pub struct Report {
    text: String,
    broken: usize,
}

impl Report {
    /// Puts a run on a page: a line per class, then one per broken entry.
    pub fn new(target: &str, played: &[Played]) -> Self {
        let mut text = format!("centaur attack: {target}\n\n");
        let mut titles: Vec<&str> = Vec::new();
        for entry in played {
            if !titles.contains(&entry.class.as_str()) {
                titles.push(&entry.class);
            }
        }
        let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or(5).max(8);
        let _ = writeln!(text, "{:width$}  held  broken  n/a", "class");
        let row = |name: &str, entries: &[&Played]| {
            let [held, broken, other] = count(entries);
            format!("{name:width$}  {held:>4}  {broken:>6}  {other:>3}\n")
        };
        let attacks: Vec<&Played> = played.iter().filter(|entry| !entry.attack.control).collect();
        for title in titles {
            let these: Vec<&Played> = attacks.iter().copied().filter(|entry| entry.class == title).collect();
            text.push_str(&row(title, &these));
        }
        text.push_str(&row("total", &attacks));
        let controls: Vec<&Played> = played.iter().filter(|entry| entry.attack.control).collect();
        text.push_str(&row("controls", &controls));

        let mut broken = 0;
        for entry in played {
            if let Verdict::Broken(reason) = &entry.verdict {
                if broken == 0 {
                    text.push_str("\nbroken:\n");
                }
                broken += 1;
                let _ = writeln!(text, "  {}: {}: {reason}", entry.attack.id, entry.attack.about);
            }
        }
        Self { text, broken }
    }

    /// The page.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many did not hold, controls included.
    pub fn broken(&self) -> usize {
        self.broken
    }
}

fn count(entries: &[&Played]) -> [usize; 3] {
    let mut counts = [0; 3];
    for entry in entries {
        let at = match entry.verdict {
            Verdict::Held => 0,
            Verdict::Broken(_) => 1,
            Verdict::NotApplicable(_) => 2,
        };
        counts[at] += 1;
    }
    counts
}
