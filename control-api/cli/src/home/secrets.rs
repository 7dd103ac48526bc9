//! `secrets.env`: what is generated at the first start, as lines `NAME=value` that a shell can read too.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use centaur_base::Secret;
use zeroize::Zeroizing;

use super::files::{check_mode, write_private};

/// Sealing keys of the console.
const KEYS: &str = "CENTAUR_CONSOLE_ENCRYPTION_KEYS";
/// Keys the hashes of configurations.
const BASE: &str = "CENTAUR_CONSOLE_SECRET_KEY_BASE";
/// The operator's address.
const EMAIL: &str = "CENTAUR_CONSOLE_INITIAL_USER_EMAIL";
/// The operator's password.
const PASSWORD: &str = "CENTAUR_CONSOLE_INITIAL_USER_PASSWORD";
/// The API key.
const API_KEY: &str = "CENTAUR_CONSOLE_INITIAL_API_KEY";
/// The operator of an embedded console.
const OPERATOR: &str = "operator@localhost";

/// The variables of the file, each with a value.
pub struct Secrets {
    variables: Vec<(String, Secret<String>)>,
    /// They were made just now.
    pub new: bool,
}

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Readable by others; says what to do.
    #[error("{0}")]
    Mode(String),
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// A line without a variable.
    #[error("{path}, line {line}: write NAME=value")]
    Line {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// A variable that every file of this kind has.
    #[error("{path}: {variable} is missing; restore the file")]
    Missing {
        /// The file.
        path: String,
        /// The variable.
        variable: &'static str,
    },
    /// New keys would not open what is there.
    #[error("{database} is there without {path}, which holds its keys; restore the file, or remove both")]
    Lost {
        /// The file.
        path: String,
        /// The database.
        database: String,
    },
    /// There are no random numbers.
    #[error("random numbers: {0}")]
    Random(io::Error),
}

impl Secrets {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SecretsError`]; texts hold no value.
    pub fn read(path: &Path) -> Result<Self, SecretsError> {
        let shown = || path.display().to_string();
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|e| SecretsError::Io(shown(), e))?);
        check_mode(path).map_err(SecretsError::Mode)?;
        let mut variables: Vec<(String, Secret<String>)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once('=').filter(|(name, _)| crate::binding::is_variable(name));
            let (name, value) = pair.ok_or_else(|| SecretsError::Line { path: shown(), line: at + 1 })?;
            variables.push((name.to_owned(), Secret::new(value.to_owned())));
        }
        let secrets = Self { variables, new: false };
        match [KEYS, BASE, EMAIL, PASSWORD, API_KEY].into_iter().find(|name| secrets.find(name).is_none()) {
            Some(variable) => Err(SecretsError::Missing { path: shown(), variable }),
            None => Ok(secrets),
        }
    }

    /// Reads the file, or makes it where there is neither file nor database.
    ///
    /// # Errors
    /// [`SecretsError`]
    pub fn read_or_make(path: &Path, database: &Path) -> Result<Self, SecretsError> {
        let shown = path.display().to_string();
        if path.exists() {
            return Self::read(path);
        }
        if database.exists() {
            return Err(SecretsError::Lost { path: shown, database: database.display().to_string() });
        }
        let secrets = Self::make().map_err(SecretsError::Random)?;
        let mut text = Zeroizing::new("# Made at the first start. Keep it with the database.".to_owned());
        for (name, value) in &secrets.variables {
            for part in ["\n", name, "=", value.expose()] {
                text.push_str(part);
            }
        }
        write_private(path, &text).map_err(|e| SecretsError::Io(shown, e))?;
        Ok(secrets)
    }

    fn make() -> io::Result<Self> {
        let key = Secret::new(format!("k1:{}", STANDARD.encode(random::<32>()?)));
        let api_key =
            random::<32>()?.iter().fold("iak_".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let variable = |name: &str, value: Secret<String>| (name.to_owned(), value);
        let variables = vec![
            variable(KEYS, key),
            variable(BASE, Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?))),
            variable(EMAIL, Secret::new(OPERATOR.to_owned())),
            variable(PASSWORD, Secret::new(URL_SAFE_NO_PAD.encode(random::<15>()?))),
            variable(API_KEY, Secret::new(api_key)),
        ];
        Ok(Self { variables, new: true })
    }

    /// The value of a variable.
    pub fn find(&self, name: &str) -> Option<&Secret<String>> {
        let found = self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        found.filter(|value| !value.expose().is_empty())
    }

    /// The operator's address, password and API key.
    pub fn operator(&self) -> [&str; 3] {
        [EMAIL, PASSWORD, API_KEY].map(|name| self.find(name).map_or("", |value| value.expose().as_str()))
    }

    /// The API key.
    pub fn api_key(&self) -> Secret<String> {
        Secret::new(self.operator()[2].to_owned())
    }

    /// All values that give access to something.
    pub fn values(&self) -> impl Iterator<Item = &Secret<String>> {
        self.variables.iter().filter(|(name, _)| name != EMAIL).map(|(_, value)| value)
    }
}

fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_once_is_read_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let (path, database) = (dir.path().join("secrets.env"), dir.path().join("centaur.db"));
        let made = Secrets::read_or_make(&path, &database).unwrap();
        fs::write(&database, "").unwrap();
        let read = Secrets::read_or_make(&path, &database).unwrap();
        assert!(made.new && !read.new && made.operator() == read.operator());
        let [email, password, api_key] = made.operator();
        assert_eq!((email, password.len() >= 12, api_key.len()), (OPERATOR, true, 68));
        assert!(!made.values().any(|value| value.expose() == OPERATOR));
        let other = Secrets::read_or_make(&dir.path().join("b.env"), &dir.path().join("b.db")).unwrap();
        assert!(made.operator() != other.operator());
    }

    #[test]
    fn a_file_that_is_not_whole_or_not_private_is_refused_without_its_values() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (path, database) = (dir.path().join("secrets.env"), dir.path().join("centaur.db"));
        let error = |path: &Path| Secrets::read_or_make(path, &database).err().unwrap().to_string();
        drop(Secrets::read_or_make(&path, &database).unwrap());
        let whole = fs::read_to_string(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(error(&path).contains("has mode 644; run: chmod 600 "));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, whole.replace(API_KEY, "OTHER")).unwrap();
        assert!(error(&path).contains(API_KEY));
        fs::write(&path, format!("{whole}fake value\n")).unwrap();
        assert!(error(&path).contains("line 7") && !error(&path).contains("fake"), "{}", error(&path));
        // New keys beside an old database would lock it for ever.
        fs::remove_file(&path).unwrap();
        fs::write(&database, "").unwrap();
        assert!(error(&path).contains("restore the file") && !path.exists());
    }
}
