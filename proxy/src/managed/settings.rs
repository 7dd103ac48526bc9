//! What selects managed mode, from flags and the environment.

use std::path::PathBuf;

use centaur_base::Secret;
use centaur_client::base::{BaseUrl, BaseUrlError};
use centaur_client::token::{TokenError, TokenSource};
use centaur_policies::pattern::HostPattern;
use centaur_policies::rule::{Destination, Rule, RuleSet};

use crate::config::Env;

/// Variable of the token.
pub const TOKEN: &str = "IRON_PROXY_TOKEN";
/// Variable that names a file with the token.
pub const TOKEN_FILE: &str = "IRON_PROXY_TOKEN_FILE";
/// Variable of the control plane's address.
pub const URL: &str = "IRON_CONTROL_PLANE_URL";
/// Variable of the hosts that are allowed while neither the control plane nor the file has an allowlist.
pub const ALLOW_HOSTS: &str = "IRON_PROXY_ALLOW_HOSTS";
/// Among the hosts: wherever a credential of the configuration in force is bound to. No host can be called that.
pub const GRANTED: &str = "@granted";
/// Where the control plane is, unless it is said.
const DEFAULT_URL: &str = "https://api.iron.sh";

/// How to reach the control plane, and what to allow until it says.
#[derive(Debug)]
pub struct Settings {
    /// Its address.
    pub base: BaseUrl,
    /// What to identify with.
    pub token: TokenSource,
    /// `IRON_PROXY_ALLOW_HOSTS`
    pub allow_hosts: AllowHosts,
}

/// `IRON_PROXY_ALLOW_HOSTS`: what is allowed while neither the control plane nor the file has an allowlist.
#[derive(Debug, Default)]
pub struct AllowHosts {
    /// The patterns.
    pub rules: RuleSet,
    /// [`GRANTED`] is among them.
    pub granted: bool,
}

/// Settings that contradict each other or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Token and file.
    #[error("{0} and {1} are mutually exclusive")]
    Both(&'static str, &'static str),
    /// A control plane and nothing to identify with: alone, that would be a proxy without any policy.
    #[error(
        "{URL} is set, but there is no token: set {TOKEN} or {TOKEN_FILE}, or unset {URL} to run stand-alone"
    )]
    NoToken,
    /// The token cannot be read.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The address cannot be used.
    #[error("{URL} {0}")]
    Url(#[from] BaseUrlError),
    /// A pattern that could never match.
    #[error("{ALLOW_HOSTS}: {0}")]
    AllowHosts(String),
}

impl Settings {
    /// Reads them; `None` is stand-alone mode. A flag wins over both variables.
    ///
    /// # Errors
    /// [`SettingsError`]
    pub fn read(token: &str, token_file: &str, env: Env<'_>) -> Result<Option<Self>, SettingsError> {
        let var = |name: &str| env(name).filter(|value| !value.is_empty());
        let url = var(URL);
        let Some(token) = self::token(token, token_file, var(TOKEN), var(TOKEN_FILE))? else {
            return if url.is_some() { Err(SettingsError::NoToken) } else { Ok(None) };
        };
        token.read()?;
        let base = BaseUrl::parse(url.as_deref().unwrap_or(DEFAULT_URL))?;
        let allow_hosts = allow_hosts(&var(ALLOW_HOSTS).unwrap_or_default())?;
        Ok(Some(Self { base, token, allow_hosts }))
    }
}

fn token(
    flag: &str,
    flag_file: &str,
    var: Option<String>,
    var_file: Option<String>,
) -> Result<Option<TokenSource>, SettingsError> {
    match (flag, flag_file) {
        ("", "") => {}
        (value, "") => return Ok(Some(TokenSource::Value(Secret::new(value.to_owned())))),
        ("", file) => return Ok(Some(TokenSource::File(PathBuf::from(file)))),
        _ => return Err(SettingsError::Both("-token", "-token-file")),
    }
    match (var, var_file) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some(TokenSource::Value(Secret::new(value)))),
        (None, Some(file)) => Ok(Some(TokenSource::File(PathBuf::from(file)))),
        (Some(_), Some(_)) => Err(SettingsError::Both(TOKEN, TOKEN_FILE)),
    }
}

fn allow_hosts(list: &str) -> Result<AllowHosts, SettingsError> {
    let items = || list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let granted = items().any(|item| item == GRANTED);
    let rule = |item: &str| {
        HostPattern::parse(item)
            .map(|pattern| Rule::from(Destination::Host(pattern)))
            .map_err(|error| SettingsError::AllowHosts(format!("{item:?} {error}")))
    };
    let rules = items().filter(|item| *item != GRANTED).map(rule).collect::<Result<_, _>>()?;
    Ok(AllowHosts { rules, granted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: (&str, &str), vars: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let env =
            |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::read(flags.0, flags.1, &env).map_err(|error| error.to_string())
    }

    fn token_of(settings: &Settings) -> String {
        settings.token.read().unwrap().expose().clone()
    }

    #[test]
    fn a_token_selects_managed_mode_and_a_flag_wins() {
        assert!(read(("", ""), &[]).unwrap().is_none());
        assert!(read(("", ""), &[(TOKEN, "")]).unwrap().is_none());
        let settings = read(("", ""), &[(TOKEN, "fake-a")]).unwrap().unwrap();
        assert_eq!(
            (token_of(&settings).as_str(), settings.base.to_string().as_str()),
            ("fake-a", DEFAULT_URL)
        );
        let settings =
            read(("fake-b", ""), &[(TOKEN, "fake-a"), (URL, "http://10.0.0.1:3000/")]).unwrap().unwrap();
        assert_eq!(token_of(&settings), "fake-b");
        assert_eq!(settings.base.to_string(), "http://10.0.0.1:3000");
    }

    #[test]
    fn the_token_can_be_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "fake-c\n").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(token_of(&read(("", path), &[]).unwrap().unwrap()), "fake-c");
        assert_eq!(token_of(&read(("", ""), &[(TOKEN_FILE, path)]).unwrap().unwrap()), "fake-c");
        let error = read(("", ""), &[(TOKEN_FILE, "/nonexistent/token")]).unwrap_err();
        assert!(error.contains("/nonexistent/token"), "{error}");
    }

    #[test]
    fn what_contradicts_itself_is_an_error() {
        for (flags, vars, error) in [
            (("", ""), vec![(URL, "https://c.test")], "IRON_CONTROL_PLANE_URL is set, but there is no token"),
            (("a", "b"), vec![], "-token and -token-file are mutually exclusive"),
            (
                ("", ""),
                vec![(TOKEN, "a"), (TOKEN_FILE, "b")],
                "IRON_PROXY_TOKEN and IRON_PROXY_TOKEN_FILE are mutually exclusive",
            ),
            (("", ""), vec![(TOKEN, "a"), (URL, "c.test")], "IRON_CONTROL_PLANE_URL is not a URL"),
            (
                ("", ""),
                vec![(TOKEN, "a"), (ALLOW_HOSTS, "a.test, a.com:443")],
                "IRON_PROXY_ALLOW_HOSTS: \"a.com:443\"",
            ),
        ] {
            let found = read(flags, &vars).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
    }

    #[test]
    fn hosts_are_a_list_with_commas() {
        let settings =
            read(("", ""), &[(TOKEN, "fake"), (ALLOW_HOSTS, " a.test ,, *.b.test,")]).unwrap().unwrap();
        assert_eq!((settings.allow_hosts.rules.len(), settings.allow_hosts.granted), (2, false));
        let settings =
            read(("", ""), &[(TOKEN, "fake"), (ALLOW_HOSTS, "@granted, a.test")]).unwrap().unwrap();
        assert_eq!((settings.allow_hosts.rules.len(), settings.allow_hosts.granted), (1, true));
    }
}
