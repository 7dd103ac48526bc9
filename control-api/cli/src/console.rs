//! Which console a command talks to, and with which key.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use centaur_base::Secret;
use centaur_base::oid::PrincipalId;
use centaur_client::api::{ApiClient, ApiError, Options};
use centaur_client::base::BaseUrl;
use centaur_client::token::TokenSource;

use crate::home::{self, Secrets};

/// The console, for those who do not run their own. The names are those of `centaur-perms`.
const URL: &str = "IRON_CONTROL_URL";
/// Its API key.
const KEY: &str = "IRON_CONTROL_API_KEY";
/// A file with it.
const KEY_FILE: &str = "IRON_CONTROL_API_KEY_FILE";
/// The namespace of foreign ids.
const NAMESPACE: &str = "IRON_CONTROL_NAMESPACE";

/// A console, the key to it, and what of it no program may see.
pub struct Access {
    /// Its address.
    pub base: BaseUrl,
    /// Namespace of foreign ids, `default` unless `IRON_CONTROL_NAMESPACE` says another.
    pub namespace: String,
    /// The data directory, if there is a place for one.
    pub data: Option<PathBuf>,
    /// The API key.
    key: Secret<String>,
    /// The other values in the data directory.
    values: Vec<Secret<String>>,
    /// The file that the key was read from.
    file: Option<PathBuf>,
}

impl Access {
    /// The console of `url` or `IRON_CONTROL_URL` with the key in the environment; without an address, the one that
    /// `centaur up` runs from the data directory `dir`.
    ///
    /// # Errors
    /// What is missing and what to do about it; never a value.
    pub fn find(
        url: Option<&str>,
        dir: Option<&Path>,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let var = |name: &str| env(name).and_then(|v| v.into_string().ok()).filter(|v| !v.trim().is_empty());
        let namespace = var(NAMESPACE).unwrap_or_else(|| "default".to_owned());
        // A directory that is named is meant, whatever the environment says.
        let (name, named) = match url {
            Some(url) => ("--console", Some(url.to_owned())),
            None => (URL, var(URL).filter(|_| dir.is_none())),
        };
        if let Some(url) = named {
            let base = BaseUrl::parse(&url).map_err(|error| format!("{name} {error}"))?;
            let (key, file) = key(var(KEY), var(KEY_FILE))?;
            return Ok(Self { base, namespace, data: home::locate(dir, env), key, values: Vec::new(), file });
        }
        let dir = home::locate(dir, env).ok_or("there is no data directory: set HOME, or give --data-dir")?;
        let Some(addresses) = home::running(&dir) else {
            return Err(format!(
                "no `centaur up` runs in {}; start it, or name another console with --console or {URL}",
                dir.display()
            ));
        };
        let secrets = Secrets::read(&dir.join("secrets.env")).map_err(|error| error.to_string())?;
        let base = BaseUrl::parse(&addresses.console).map_err(|error| format!("running.json: {error}"))?;
        let values = secrets.values().map(|value| Secret::new(value.expose().clone())).collect();
        Ok(Self { base, namespace, data: Some(dir), key: secrets.api_key(), values, file: None })
    }

    /// A client of it.
    ///
    /// # Errors
    /// When the TLS library refuses its settings.
    pub fn client(&self) -> Result<ApiClient, String> {
        client(self.base.clone(), Secret::new(self.key.expose().clone()))
    }

    /// Everything that gives access to the console.
    pub fn values(&self) -> impl Iterator<Item = &Secret<String>> {
        std::iter::once(&self.key).chain(&self.values)
    }

    /// The file that the key was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// A client of the console at `base`.
///
/// # Errors
/// When the TLS library refuses its settings.
pub fn client(base: BaseUrl, key: Secret<String>) -> Result<ApiClient, String> {
    let options = Options::new(concat!("centaur/", env!("CARGO_PKG_VERSION")));
    ApiClient::new(base, TokenSource::Value(key), options).map_err(|error| error.to_string())
}

/// The id of a principal by its id or foreign id.
///
/// # Errors
/// That there is none, or why it is not known.
pub async fn principal(api: &ApiClient, namespace: &str, name: &str) -> Result<PrincipalId, String> {
    let found = match name.parse::<PrincipalId>() {
        Ok(id) => api.principal(id).await,
        Err(_) => api.principal_named(namespace, name).await,
    };
    match found.map_err(|error| failed(api, &error))? {
        Some(principal) => Ok(principal.id),
        None => Err(format!("there is no principal {name:?} (namespace {namespace:?}) at {}", api.base())),
    }
}

/// A failed call, with the console it went to.
pub fn failed(api: &ApiClient, error: &ApiError) -> String {
    format!("the console at {}: {error}", api.base())
}

fn key(value: Option<String>, file: Option<String>) -> Result<(Secret<String>, Option<PathBuf>), String> {
    match (value, file) {
        (Some(value), None) => Ok((Secret::new(value.trim().to_owned()), None)),
        (None, Some(path)) => {
            let text = fs::read_to_string(&path).map_err(|error| format!("{KEY_FILE}: {path}: {error}"))?;
            let text = zeroize::Zeroizing::new(text);
            Ok((Secret::new(text.trim().to_owned()), Some(path.into())))
        }
        (Some(_), Some(_)) => Err(format!("{KEY} and {KEY_FILE} are mutually exclusive")),
        (None, None) => Err(format!("the console needs a key: set {KEY_FILE} or {KEY}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(url: Option<&str>, dir: Option<&Path>, vars: &[(&str, &str)]) -> Result<Access, String> {
        let env = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| OsString::from(v));
        Access::find(url, dir, &env)
    }

    #[test]
    fn a_console_that_is_named_wants_a_key_from_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "fake-key-2\n").unwrap();
        let by_value = find(Some("http://a.test/"), None, &[(KEY, "fake-key-1")]).unwrap();
        assert_eq!(
            (by_value.key.expose().as_str(), by_value.base.to_string().as_str()),
            ("fake-key-1", "http://a.test")
        );
        let by_file =
            find(None, None, &[(URL, "http://b.test"), (KEY_FILE, file.to_str().unwrap())]).unwrap();
        assert_eq!((by_file.key.expose().as_str(), by_file.file()), ("fake-key-2", Some(file.as_path())));
        for (vars, problem) in [
            (vec![], "needs a key"),
            (vec![(KEY, "fake-key-1"), (KEY_FILE, "/x")], "mutually exclusive"),
            (vec![(KEY_FILE, "/nonexistent/key")], "/nonexistent/key"),
        ] {
            let error = find(Some("http://a.test"), None, &vars).err().unwrap();
            assert!(error.contains(problem) && !error.contains("fake-key"), "{error}");
        }
        assert!(find(Some("a.test"), None, &[(KEY, "fake")]).err().unwrap().starts_with("--console is not"));
    }

    #[test]
    fn without_an_address_it_is_the_one_of_the_data_directory_if_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(None, Some(dir.path()), &[(URL, "http://b.test")]).err().unwrap();
        assert!(error.starts_with("no `centaur up` runs in ") && error.contains("--console"), "{error}");
    }
}
