//! Figures as text, and where tables are kept.

use std::fs;
use std::path::Path;

/// Digits in groups of three; no fraction.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits or so.
pub fn short(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { thousands(value) }
}

/// KiB as MB of a million bytes.
pub fn megabytes(kib: f64) -> f64 {
    kib * 1_024.0 / 1e6
}

/// Cores, processor and kernel.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The part before the first dash names the kernel, what follows the machine's image.
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    format!("{cores} cores ({model}), Linux {kernel}")
}

/// Puts `text` between the comments `NAME:begin` and `NAME:end` of a page of `docs/`.
///
/// # Errors
/// A sentence, when the page or its markers are missing.
pub fn put(page: &str, name: &str, text: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let old = fs::read_to_string(&path).map_err(|error| format!("docs/{page}: {error}"))?;
    let lost = || format!("docs/{page} lost its markers {name}:begin and {name}:end");
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = old.split_once(&begin).ok_or_else(lost)?;
    let (_, after) = rest.split_once(&end).ok_or_else(lost)?;
    fs::write(&path, format!("{before}{begin}\n{text}{end}{after}"))
        .map_err(|error| format!("docs/{page}: {error}"))
}
