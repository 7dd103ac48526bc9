//! Files for their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Writes `text` and a newline to a file of mode 0600, whole or not at all: what is there is replaced in one step, and a
/// loss of power leaves one or the other.
///
/// # Errors
/// What failed; the file is as it was.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    // A leftover of a start that was killed may have another mode.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Refuses a file with secrets that other users can read or write.
///
/// # Errors
/// What to do about it.
pub fn check_mode(path: &Path) -> Result<(), String> {
    let mode =
        fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.permissions().mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(format!("{path} has mode {:o}; run: chmod 600 {path}", mode & 0o777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_whatever_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(dir.path().join("a.new"), "left over").unwrap();
        fs::write(&path, "old").unwrap();
        assert!(check_mode(&path).unwrap_err().ends_with(&format!("run: chmod 600 {}", path.display())));
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(check_mode(&path), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
