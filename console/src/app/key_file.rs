//! The file that a made-up key is kept in. It is written before the key is registered, so that a key which cannot be
//! kept is never the only one; whatever a start that broke off has left in it is used by the next one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use centaur_base::Secret;
use zeroize::Zeroizing;

use crate::config::is_token;

/// Keeps `token` in a new file, for its owner alone. Where a file of ours with a key is already, that key is to be
/// used: the start that wrote it ended before it was registered.
///
/// # Errors
/// Those of the file; that it holds something else, or may be read by others.
pub(super) fn keep(path: &Path, token: Secret<String>) -> io::Result<Secret<String>> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => write(file, &token).map(|()| token),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => take_up(path, token),
        Err(error) => Err(error),
    }
}

fn take_up(path: &Path, token: Secret<String>) -> io::Result<Secret<String>> {
    let other = |what| Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.permissions().mode() & 0o077 != 0 || found.uid() != own_uid()? {
        return other("exists, and is not a file that only this user can read");
    }
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if is_token(line, PREFIX) {
        return Ok(Secret::new(line.to_owned()));
    }
    if !is_beginning(&text) {
        return other("exists, and holds something else than a key");
    }
    // Broken off while it was written: nobody has seen this key.
    write(OpenOptions::new().write(true).truncate(true).open(path)?, &token).map(|()| token)
}

/// Sees to it that the file holds the key that was registered, also when another start wrote to it meanwhile.
pub(super) fn confirm(path: &Path, token: &Secret<String>) -> io::Result<()> {
    if holds(path, token) {
        return Ok(());
    }
    write(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?, token)
}

/// Removes the file, when the key in it is this one.
pub(super) fn remove(path: &Path, token: &Secret<String>) -> io::Result<()> {
    if holds(path, token) { fs::remove_file(path) } else { Ok(()) }
}

fn holds(path: &Path, token: &Secret<String>) -> bool {
    fs::read_to_string(path).map(Zeroizing::new).is_ok_and(|text| text.trim_end() == token.expose())
}

/// Whether a text is a key that was not written to its end.
fn is_beginning(text: &str) -> bool {
    let whole = format!("{PREFIX}{}", "0".repeat(64));
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() < whole.len()
        && text
            .bytes()
            .zip(whole.bytes())
            .enumerate()
            .all(|(at, (found, wanted))| if at < PREFIX.len() { found == wanted } else { is_digit(found) })
}

fn own_uid() -> io::Result<u32> {
    // The standard library does not say who we are; a process belongs to its user.
    fs::metadata("/proc/self").map(|own| own.uid())
}

fn write(mut file: File, token: &Secret<String>) -> io::Result<()> {
    let line = Zeroizing::new(format!("{}\n", token.expose()));
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

const PREFIX: &str = "iak_";

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digit: char) -> Secret<String> {
        Secret::new(format!("iak_{}", digit.to_string().repeat(64)))
    }

    fn left(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        (dir, path)
    }

    #[test]
    fn what_a_start_that_broke_off_has_left_is_used_or_written_anew() {
        let one = token('1');
        for (text, kept) in [
            (format!("{}\n", one.expose()), '1'),
            (one.expose().clone(), '1'),
            (String::new(), '2'),
            ("iak".to_owned(), '2'),
            (one.expose()[..30].to_owned(), '2'),
        ] {
            let (_dir, path) = left(&text, 0o600);
            let found = keep(&path, token('2')).expect("a key");
            assert_eq!(found.expose(), token(kept).expose(), "{text:?}");
            assert!(holds(&path, &found));
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for (text, mode) in
            [("iak_zz", 0o600), ("something else", 0o600), (token('1').expose().as_str(), 0o644)]
        {
            let (_dir, path) = left(text, mode);
            assert_eq!(
                keep(&path, token('2')).err().map(|error| error.kind()),
                Some(io::ErrorKind::AlreadyExists)
            );
            assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        }
        let (dir, path) = left(token('1').expose(), 0o600);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(keep(&link, token('2')).is_err());
    }

    #[test]
    fn the_registered_key_is_what_stays() {
        let (_dir, path) = left(token('1').expose(), 0o600);
        remove(&path, &token('2')).expect("not ours");
        assert!(path.exists());
        confirm(&path, &token('2')).expect("written");
        assert!(holds(&path, &token('2')));
        remove(&path, &token('2')).expect("removed");
        assert!(!path.exists());
    }
}
