//! Harness logins: an agent's own program asks for a new token, and the proxy answers.
//!
//! A harness (Codex, Claude Code) that is logged in with a person's account holds an access token and a refresh token,
//! and renews them by itself. In a sandbox both are stand-ins: the proxy sets the real access token on the requests to
//! the API ([`crate::pipeline`]), and the real refresh token is somewhere else. A program that renews its stand-ins is
//! given new ones here, nothing goes upstream, and it carries on. [`config`](crate::config) reads which calls these
//! are, [`call`] reads what was asked, [`answer`] has what is said.

pub mod answer;
pub mod call;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use centaur_policies::host::CanonicalHost;
use percent_encoding::percent_decode_str;

/// Name of its trace in the audit line, and of its line in `explain`.
pub const TRACE: &str = "harness_logins";

/// `proxy.harness_logins`
#[derive(Debug, Clone)]
pub struct HarnessLogins {
    /// `answer`
    pub when: When,
    /// `logins`
    pub logins: Vec<Arc<Login>>,
    /// Names of logins that are answered though nothing is bound now, because something was.
    pub kept: BTreeSet<String>,
}

/// What a program holds in the place of the value that the proxy sets in this header, where every program holds the same.
/// The value comes back as that: Codex looks for its own account in what the API says of accounts.
pub fn stand_in(header: &str) -> Option<&'static str> {
    header.eq_ignore_ascii_case("chatgpt-account-id").then_some(answer::NOBODY)
}

/// When the token calls of a login are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// While a credential is bound that sets `Authorization` on one of the login's API hosts.
    #[default]
    Bound,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// One kind of login.
#[derive(Debug)]
pub struct Login {
    /// What it is called in audit lines.
    pub name: String,
    /// The form of its answers.
    pub shape: answer::Shape,
    /// Where its access token is used.
    pub api_hosts: Vec<CanonicalHost>,
    /// Where its tokens are renewed.
    pub token_urls: Vec<Endpoint>,
}

/// Where tokens are renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Canonical host.
    pub host: CanonicalHost,
    /// The port, when it is named; else every port is meant.
    pub port: Option<u16>,
    /// Decoded path.
    pub path: String,
}

/// The logins whose token calls one pipeline answers.
#[derive(Debug, Default)]
pub struct Active(Vec<Reason>);

/// A login and why it is answered.
#[derive(Debug)]
pub struct Reason {
    /// The login.
    pub login: Arc<Login>,
    /// Why it is answered.
    pub why: Why,
}

/// Why the token calls of a login are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// This credential sets `Authorization` on this one of its hosts.
    Bound(String, CanonicalHost),
    /// One did, for the same principal.
    WasBound,
    /// All are answered.
    All,
}

impl Default for HarnessLogins {
    /// The logins that sandboxes have a mode for. Claude Code has moved its endpoint, so the former ones are there too.
    fn default() -> Self {
        static LOGINS: LazyLock<Vec<Arc<Login>>> = LazyLock::new(|| {
            let login = |name: &str, shape, api: &str, endpoints: &[(&str, &str)]| {
                let endpoint = |(host, path): &(&str, &str)| {
                    let host = CanonicalHost::parse(host).ok()?;
                    Some(Endpoint { host, port: None, path: (*path).to_owned() })
                };
                Arc::new(Login {
                    name: name.to_owned(),
                    shape,
                    api_hosts: CanonicalHost::parse(api).into_iter().collect(),
                    token_urls: endpoints.iter().filter_map(endpoint).collect(),
                })
            };
            vec![
                login(
                    "openai-codex",
                    answer::Shape::OpenAi,
                    "chatgpt.com",
                    &[("auth.openai.com", "/oauth/token")],
                ),
                login(
                    "anthropic-claude",
                    answer::Shape::Claude,
                    "api.anthropic.com",
                    &[
                        ("platform.claude.com", "/v1/oauth/token"),
                        ("console.anthropic.com", "/v1/oauth/token"),
                        ("api.anthropic.com", "/v1/oauth/token"),
                    ],
                ),
            ]
        });
        Self { when: When::default(), logins: LOGINS.clone(), kept: BTreeSet::new() }
    }
}

impl HarnessLogins {
    /// Those whose token calls are answered where `binds` names the credential that sets `Authorization` on a host.
    pub fn active(&self, binds: impl Fn(&CanonicalHost) -> Option<String>) -> Active {
        let reason = |login: &Arc<Login>| {
            let bound =
                || login.api_hosts.iter().find_map(|host| Some(Why::Bound(binds(host)?, host.clone())));
            let was_bound = || self.kept.contains(&login.name).then_some(Why::WasBound);
            let why = match self.when {
                When::Never => return None,
                When::Always => Why::All,
                When::Bound => bound().or_else(was_bound)?,
            };
            Some(Reason { login: login.clone(), why })
        };
        Active(self.logins.iter().filter_map(reason).collect())
    }
}

impl Active {
    /// All of them.
    pub fn all(&self) -> &[Reason] {
        &self.0
    }

    /// The login whose token call a request to this host, port and decoded path is.
    pub fn at(&self, host: &CanonicalHost, port: u16, path: &str) -> Option<&Reason> {
        let reads = |endpoint: &Endpoint| endpoint.is_at(host, port) && same_path(&endpoint.path, path);
        self.0.iter().find(|reason| reason.login.token_urls.iter().any(reads))
    }

    /// The login for whose token calls a tunnel to this host and port is opened.
    pub fn opens(&self, host: &CanonicalHost, port: u16) -> Option<&Reason> {
        self.0.iter().find(|reason| reason.login.token_urls.iter().any(|at| at.is_at(host, port)))
    }
}

impl Endpoint {
    fn is_at(&self, host: &CanonicalHost, port: u16) -> bool {
        self.host == *host && self.port.is_none_or(|own| own == port)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "https://{}", self.host.to_authority())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token call of {}", self.login.name)?;
        match &self.why {
            Why::Bound(credential, host) => write!(f, ", since {credential} sets Authorization on {host}"),
            Why::WasBound => f.write_str(", since its token was set before"),
            Why::All => f.write_str(", since all are answered"),
        }
    }
}

/// Whether a server could take a decoded path for that of an endpoint: letter case, doubled, closing and back slashes,
/// parameters of a segment, and a second encoding do not count.
fn same_path(endpoint: &str, path: &str) -> bool {
    fn segments(path: &str) -> impl Iterator<Item = &str> {
        path.split(['/', '\\'])
            .map(|segment| segment.split(';').next().unwrap_or_default())
            .filter(|s| !s.is_empty())
    }
    let path = percent_decode_str(path).decode_utf8_lossy();
    let (mut one, mut other) = (segments(endpoint), segments(&path));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> CanonicalHost {
        name.parse().unwrap()
    }

    fn bound_to(name: &'static str) -> impl Fn(&CanonicalHost) -> Option<String> {
        move |asked| (*asked == host(name)).then(|| "TOKEN".to_owned())
    }

    fn names(active: &Active) -> Vec<&str> {
        active.all().iter().map(|reason| reason.login.name.as_str()).collect()
    }

    #[test]
    fn a_login_is_answered_where_its_token_is_set_unless_said_otherwise() {
        let logins = HarnessLogins::default();
        assert_eq!(names(&logins.active(bound_to("chatgpt.com"))), ["openai-codex"]);
        assert_eq!(names(&logins.active(bound_to("api.anthropic.com"))), ["anthropic-claude"]);
        assert_eq!(names(&logins.active(bound_to("api.openai.com"))), [""; 0]);
        let kept = HarnessLogins { kept: ["openai-codex".to_owned()].into(), ..logins.clone() };
        assert_eq!(names(&kept.active(|_| None)), ["openai-codex"]);
        assert_eq!(names(&kept.active(bound_to("api.anthropic.com"))), ["openai-codex", "anthropic-claude"]);
        let never = HarnessLogins { when: When::Never, ..kept };
        assert_eq!(names(&never.active(|_| None)), [""; 0]);
        let always = HarnessLogins { when: When::Always, ..logins.clone() };
        assert_eq!(names(&always.active(|_| None)).len(), 2);
        let never = HarnessLogins { when: When::Never, ..logins };
        assert_eq!(names(&never.active(bound_to("chatgpt.com"))).len(), 0);
    }

    #[test]
    fn a_call_is_found_by_host_and_path_on_every_port() {
        let active = HarnessLogins::default().active(bound_to("chatgpt.com"));
        let at = |name: &str, port, path| active.at(&host(name), port, path).is_some();
        assert!(at("auth.openai.com", 443, "/oauth/token") && at("AUTH.openai.com.", 80, "/oauth/token"));
        for path in [
            "/oauth/token/",
            "//oauth/token",
            "/oauth//token",
            "/OAuth/Token",
            "/oauth;a=b/token;x",
            "/%6fauth/token",
            "/oauth\\token",
        ] {
            assert!(at("auth.openai.com", 443, path), "{path}");
        }
        for path in ["/", "/oauth", "/oauth/token/x", "/oauth/tokens", "/x/oauth/token", "/oauth/revoke"] {
            assert!(!at("auth.openai.com", 443, path), "{path}");
        }
        assert!(
            !at("chatgpt.com", 443, "/oauth/token") && !at("platform.claude.com", 443, "/v1/oauth/token")
        );
        assert!(active.opens(&host("auth.openai.com"), 443).is_some());
        assert!(active.opens(&host("chatgpt.com"), 443).is_none());
    }

    #[test]
    fn a_port_that_is_named_is_the_only_one() {
        let endpoint = Endpoint { host: host("id.test"), port: Some(8443), path: "/token".to_owned() };
        assert_eq!(endpoint.to_string(), "https://id.test:8443/token");
        let login = Login {
            name: "own".to_owned(),
            shape: answer::Shape::Claude,
            api_hosts: vec![host("api.test")],
            token_urls: vec![endpoint],
        };
        let logins = HarnessLogins { logins: vec![Arc::new(login)], ..HarnessLogins::default() };
        let active = logins.active(bound_to("api.test"));
        assert!(active.at(&host("id.test"), 8443, "/token").is_some());
        assert!(active.at(&host("id.test"), 443, "/token").is_none());
        assert!(active.opens(&host("id.test"), 443).is_none());
    }
}
