//! The name of the repository that a tool came with.

use std::path::{Path, PathBuf};

use crate::slug::slug;

/// The overlay of a directory: the last component of the longest root above it, or of that root's parent when the
/// root is called `tools`; as a slug. `unknown` when nothing is left. Roots are absolute.
pub fn overlay(roots: &[PathBuf], dir: &Path) -> String {
    let above = roots.iter().filter(|root| dir.starts_with(root));
    let longest = above.max_by_key(|root| root.components().count());
    longest.and_then(|root| named_by(root)).unwrap_or_else(|| "unknown".to_owned())
}

fn named_by(root: &Path) -> Option<String> {
    let last = root.file_name()?;
    let name = if last == "tools" { root.parent()?.file_name()? } else { last };
    let name = name.to_string_lossy();
    // A slug is never empty; this one would be made of nothing.
    name.chars().any(|c| c.to_lowercase().any(|c| c.is_ascii_alphanumeric())).then(|| slug(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_is_named_by_its_repository() {
        for (roots, dir, expected) in [
            (
                &["/srv/checkouts/acme-overlay/tools"][..],
                "/srv/checkouts/acme-overlay/tools/a/b",
                "acme-overlay",
            ),
            (&["/srv/checkouts/acme-overlay"], "/srv/checkouts/acme-overlay/ledger", "acme-overlay"),
            (&["/srv/checkouts/acme-overlay/"], "/srv/checkouts/acme-overlay/ledger", "acme-overlay"),
            (&["/srv/Acme Overlay/tools/"], "/srv/Acme Overlay/tools/ledger", "acme-overlay"),
            (&["/tools"], "/tools/ledger", "unknown"),
            (&["/"], "/ledger", "unknown"),
            (&["/srv/---"], "/srv/---/ledger", "unknown"),
            (&["/srv", "/srv/acme"], "/srv/acme/ledger", "acme"),
            (&["/srv/acme", "/srv"], "/srv/acme/ledger", "acme"),
            (&["/srv/acm"], "/srv/acme/ledger", "unknown"),
        ] {
            let roots: Vec<_> = roots.iter().map(PathBuf::from).collect();
            assert_eq!(overlay(&roots, Path::new(dir)), expected, "{roots:?} {dir}");
        }
    }
}
