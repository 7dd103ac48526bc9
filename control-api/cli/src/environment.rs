//! The program's environment: placeholders in place of values, the way to the proxy, and the trust bundle; without
//! anything that holds a real value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use centaur_base::Secret;

use crate::trust::{BUNDLE_VARIABLES, Trust, join};

/// Values shorter than this are only looked for as a whole variable: `1` is part of too much.
const MIN_CONTAINED: usize = 6;
/// Variables that name the proxy, in both spellings that programs read.
const PROXY_VARIABLES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// Hosts that are always reached without the proxy: the program's own loopback.
const ALWAYS_DIRECT: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// An environment under construction. Ordered, so that what the program gets does not depend on hashing.
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Starts from the caller's.
    pub fn new(caller: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(caller.into_iter().collect())
    }

    /// Removes every variable whose value is or contains one of `values`, as is, in base64 or percent-encoded.
    /// Returns their names.
    pub fn strip<'a>(&mut self, values: impl IntoIterator<Item = &'a Secret<String>>) -> Vec<OsString> {
        let needles: Vec<Needle> = values.into_iter().map(|value| Needle::new(value.expose())).collect();
        let mut removed = Vec::new();
        self.0.retain(|name, value| {
            let holds = needles.iter().any(|needle| needle.is_in(value.as_bytes()));
            if holds {
                removed.push(name.clone());
            }
            !holds
        });
        removed
    }

    /// Sets one variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Points every proxy variable at `url`, and keeps the caller's exceptions.
    pub fn route(&mut self, url: &str) {
        for name in PROXY_VARIABLES {
            self.set(name, url);
            self.set(name.to_ascii_lowercase(), url);
        }
        let exceptions = self.exceptions().join(",");
        self.set("NO_PROXY", exceptions.as_str());
        self.set("no_proxy", exceptions);
        // Node.js 22.21 and later read the variables only when told to.
        self.set("NODE_USE_ENV_PROXY", "1");
    }

    /// Points Java at the proxy, which reads properties and no variables.
    pub fn route_java(&mut self, host: &str, port: u16) {
        let ours = format!(
            "-Dhttp.proxyHost={host} -Dhttp.proxyPort={port} -Dhttps.proxyHost={host} -Dhttps.proxyPort={port}"
        );
        if let Some(options) = self.0.get(OsStr::new("JAVA_TOOL_OPTIONS")).and_then(|v| v.to_str()) {
            let joined = join(Some(options), &ours);
            self.set("JAVA_TOOL_OPTIONS", joined);
        }
    }

    /// Sets the trust variables.
    pub fn trust(&mut self, trust: &Trust) {
        let java = self.0.get(OsStr::new("JAVA_TOOL_OPTIONS")).and_then(|v| v.to_str()).map(str::to_owned);
        let php = self.0.get(OsStr::new("PHP_INI_SCAN_DIR")).cloned();
        for (name, value) in trust.variables(java.as_deref(), php.as_deref()) {
            self.set(name, value);
        }
        // A directory of hashed roots cannot be extended from here; the bundle holds what it held.
        self.0.remove(OsStr::new("SSL_CERT_DIR"));
    }

    /// Bundles that the caller's own variables name, to be merged into ours.
    pub fn bundles(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = BUNDLE_VARIABLES
            .iter()
            .filter_map(|name| self.0.get(OsStr::new(name)))
            .map(PathBuf::from)
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// `NO_PROXY` and `no_proxy` merged, with loopback, each entry once.
    pub fn exceptions(&self) -> Vec<String> {
        let mut entries: Vec<String> = Vec::new();
        for name in ["NO_PROXY", "no_proxy"] {
            let value = self.0.get(OsStr::new(name)).map(|v| v.to_string_lossy()).unwrap_or_default();
            entries.extend(value.split(',').map(|entry| entry.trim().to_owned()).filter(|e| !e.is_empty()));
        }
        entries.extend(ALWAYS_DIRECT.map(str::to_owned));
        let mut seen = std::collections::HashSet::new();
        entries.retain(|entry| seen.insert(entry.clone()));
        entries
    }

    /// The variables, for a process to be started.
    pub fn into_vec(self) -> Vec<(OsString, OsString)> {
        self.0.into_iter().collect()
    }

    /// The variables, to look at.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

/// The forms of one value that are looked for.
pub struct Needle(Vec<Vec<u8>>);

impl Needle {
    /// The value itself, and how it may stand inside something else.
    pub fn new(value: &str) -> Self {
        let mut forms = vec![value.as_bytes().to_vec()];
        if value.len() >= MIN_CONTAINED {
            let percent = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            forms.push(percent.to_string().into_bytes());
            forms.push(STANDARD_NO_PAD.encode(value).into_bytes());
            forms.push(URL_SAFE_NO_PAD.encode(value).into_bytes());
        }
        Self(forms)
    }

    /// Whether `text` holds the value.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let [value, ..] = &self.0[..] else { return false };
        if value.is_empty() {
            return false;
        }
        if value.len() < MIN_CONTAINED {
            return value == text;
        }
        self.0.iter().any(|form| text.windows(form.len()).any(|window| window == form))
    }
}

impl Drop for Needle {
    fn drop(&mut self) {
        for form in &mut self.0 {
            zeroize::Zeroize::zeroize(form);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    fn value(environment: &Environment, name: &str) -> Option<String> {
        environment.0.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned())
    }

    #[test]
    fn variables_that_hold_a_value_in_any_form_go_and_others_stay() {
        let secret = Secret::new("fake+value/1234".to_owned());
        let mut env = environment(&[
            ("A", "fake+value/1234"),
            ("B", "https://u:fake%2Bvalue%2F1234@h/"),
            ("C", "Basic ZmFrZSt2YWx1ZS8xMjM0"),
            ("D", "fake value"),
        ]);
        assert_eq!(env.strip([&secret]), ["A", "B", "C"]);
        assert_eq!(value(&env, "D").as_deref(), Some("fake value"));
    }

    #[test]
    fn a_very_short_value_only_takes_the_variable_that_equals_it() {
        let secret = Secret::new("1".to_owned());
        let mut env = environment(&[("A", "1"), ("B", "10")]);
        assert_eq!(env.strip([&secret]), ["A"]);
    }

    #[test]
    fn existing_exceptions_are_merged_and_not_lost() {
        let mut env = environment(&[("NO_PROXY", "a.test, b.test"), ("no_proxy", "b.test,localhost")]);
        env.route("http://x:y@127.0.0.1:1");
        assert_eq!(value(&env, "no_proxy").unwrap(), "a.test,b.test,localhost,127.0.0.1,::1");
        assert_eq!(value(&env, "NO_PROXY"), value(&env, "no_proxy"));
        assert_eq!(value(&env, "https_proxy").unwrap(), "http://x:y@127.0.0.1:1");
    }
}
