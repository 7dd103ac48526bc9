//! Who may sign in, and how (docs/sign-in.md).

use std::time::Duration;

use centaur_base::Secret;
use centaur_store::{SessionLimits, UserStatus};
use http::Uri;
use ipnet::IpNet;

use super::Env;

/// How people sign in to the console.
#[derive(Debug)]
pub struct SignInSettings {
    /// With a password: `CENTAUR_CONSOLE_PASSWORD_LOGIN`, default yes.
    pub password: bool,
    /// How long sessions live: `CENTAUR_CONSOLE_SESSION_IDLE_SECONDS`, default 12 hours, and
    /// `CENTAUR_CONSOLE_SESSION_MAX_SECONDS`, default 7 days.
    pub sessions: SessionLimits,
    /// The providers, in the order of their buttons.
    pub providers: Vec<LoginProvider>,
    /// Domains of e-mail addresses that may sign in by Google, Okta and OIDC: `CENTAUR_CONSOLE_ALLOWED_DOMAINS`; empty
    /// is all.
    pub allowed_domains: Vec<String>,
    /// Teams that may sign in by Slack: `CENTAUR_CONSOLE_ALLOWED_SLACK_TEAMS`; empty is all.
    pub allowed_slack_teams: Vec<String>,
    /// What new users are: `CENTAUR_CONSOLE_NEW_USER_STATUS`.
    pub new_users: Option<UserStatus>,
    /// Addresses that are made administrators when they first sign in: `CENTAUR_CONSOLE_BOOTSTRAP_ADMINS`.
    pub bootstrap_admins: Vec<String>,
    /// Whom those who wait may ask: `CENTAUR_CONSOLE_SUPPORT_CONTACT`.
    pub support_contact: Option<String>,
    /// Whose `X-Forwarded-For` is believed: `CENTAUR_CONSOLE_TRUSTED_PROXIES`, CIDRs.
    pub trusted_proxies: Vec<IpNet>,
}

/// Who says who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginProviderKind {
    /// Google.
    Google,
    /// Slack.
    Slack,
    /// Okta.
    Okta,
    /// Any other OpenID Connect provider.
    Oidc,
}

impl LoginProviderKind {
    /// In the order of their buttons.
    pub const ALL: [Self; 4] = [Self::Google, Self::Slack, Self::Okta, Self::Oidc];

    /// The name in addresses and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Slack => "slack",
            Self::Okta => "okta",
            Self::Oidc => "oidc",
        }
    }
}

/// A provider that is configured.
#[derive(Debug)]
pub struct LoginProvider {
    /// Which one.
    pub kind: LoginProviderKind,
    /// What its button calls it.
    pub label: String,
    /// `CENTAUR_CONSOLE_<PROVIDER>_CLIENT_ID`
    pub client_id: String,
    /// `CENTAUR_CONSOLE_<PROVIDER>_CLIENT_SECRET`
    pub client_secret: Secret<String>,
    /// `CENTAUR_CONSOLE_<PROVIDER>_ISSUER`, for Okta and OIDC.
    pub issuer: Option<String>,
    /// Addresses count as verified whatever the token says: `CENTAUR_CONSOLE_OKTA_TRUST_EMAIL`.
    pub trust_email: bool,
    /// Who is not in this group is refused: `CENTAUR_CONSOLE_OKTA_REQUIRED_GROUP`.
    pub required_group: Option<String>,
    /// Who is in this group is made an administrator at the first sign-in: `CENTAUR_CONSOLE_OKTA_ADMIN_GROUP`.
    pub admin_group: Option<String>,
}

pub(super) fn read(env: &mut Env<'_>) -> SignInSettings {
    let sessions = SessionLimits {
        idle: seconds(env, "SESSION_IDLE_SECONDS", 43_200, 300, 2_592_000),
        absolute: seconds(env, "SESSION_MAX_SECONDS", 604_800, 300, 31_536_000),
    };
    let words = |env: &Env<'_>, name: &str| -> Vec<String> {
        let (_, text) = env.prefixed(name).unwrap_or_default();
        let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let lower = |words: Vec<String>| words.iter().map(|word| word.to_lowercase()).collect();
    let allowed_domains: Vec<String> = lower(words(env, "ALLOWED_DOMAINS"));
    if let Some((variable, _)) = env.prefixed("ALLOWED_DOMAINS")
        && allowed_domains
            .iter()
            .any(|domain| domain.contains(['@', '*', '/', ':']) || domain.starts_with('.'))
    {
        env.reject(variable, "must be domains, as example.com");
    }
    SignInSettings {
        password: env.switch("PASSWORD_LOGIN", true),
        sessions,
        providers: LoginProviderKind::ALL.into_iter().filter_map(|kind| provider(env, kind)).collect(),
        allowed_domains,
        allowed_slack_teams: words(env, "ALLOWED_SLACK_TEAMS"),
        new_users: new_users(env),
        bootstrap_admins: lower(words(env, "BOOTSTRAP_ADMINS")),
        support_contact: env.prefixed("SUPPORT_CONTACT").map(|(_, text)| text.trim().to_owned()),
        trusted_proxies: trusted(env, &words(env, "TRUSTED_PROXIES")),
    }
}

fn seconds(env: &mut Env<'_>, name: &str, default: u64, least: u64, most: u64) -> Duration {
    let mut seconds = default;
    if let Some((variable, text)) = env.prefixed(name) {
        match text.trim().parse::<u64>() {
            Ok(given) if (least..=most).contains(&given) => seconds = given,
            _ => env.reject(variable, format!("must be a number of seconds, {least} to {most}")),
        }
    }
    Duration::from_secs(seconds)
}

fn new_users(env: &mut Env<'_>) -> Option<UserStatus> {
    let (variable, text) = env.prefixed("NEW_USER_STATUS")?;
    let status = UserStatus::parse(text.trim()).filter(|status| *status != UserStatus::Disabled);
    if status.is_none() {
        env.reject(variable, "must be one of pending, active");
    }
    status
}

fn trusted(env: &mut Env<'_>, words: &[String]) -> Vec<IpNet> {
    let read =
        |word: &String| word.parse().or_else(|_| word.parse().map(|ip: std::net::IpAddr| IpNet::from(ip)));
    let nets: Result<Vec<IpNet>, _> = words.iter().map(read).collect();
    nets.unwrap_or_else(|_| {
        let variable = env.prefixed("TRUSTED_PROXIES").map(|(variable, _)| variable).unwrap_or_default();
        env.reject(variable, "must be addresses and CIDRs");
        Vec::new()
    })
}

/// A provider is offered when its client's id and secret are set; one without the other is a mistake.
fn provider(env: &mut Env<'_>, kind: LoginProviderKind) -> Option<LoginProvider> {
    let upper = kind.as_str().to_ascii_uppercase();
    let named = |name: &str| format!("{upper}_{name}");
    let (id, secret) = (env.prefixed(&named("CLIENT_ID")), env.prefixed(&named("CLIENT_SECRET")));
    let (client_id, client_secret) = match (id, secret) {
        (None, None) => return None,
        (Some((_, id)), Some((_, secret))) => (id.trim().to_owned(), Secret::new(secret.trim().to_owned())),
        (Some((variable, _)), None) | (None, Some((variable, _))) => {
            env.reject(variable, format!("needs both CENTAUR_CONSOLE_{upper}_CLIENT_ID and …_CLIENT_SECRET"));
            return None;
        }
    };
    let text = |env: &Env<'_>, name: &str| env.prefixed(&named(name)).map(|(_, text)| text.trim().to_owned());
    let issuer = match kind {
        LoginProviderKind::Google | LoginProviderKind::Slack => None,
        LoginProviderKind::Okta | LoginProviderKind::Oidc => Some(issuer(env, &named("ISSUER"))?),
    };
    let label = match kind {
        LoginProviderKind::Google => "Google".to_owned(),
        LoginProviderKind::Slack => "Slack".to_owned(),
        LoginProviderKind::Okta => "Okta".to_owned(),
        LoginProviderKind::Oidc => text(env, "NAME").unwrap_or_else(|| "single sign-on".to_owned()),
    };
    let is_okta = kind == LoginProviderKind::Okta;
    let group = |env: &Env<'_>, name: &str| text(env, name).filter(|_| is_okta);
    Some(LoginProvider {
        kind,
        label,
        client_id,
        client_secret,
        issuer,
        trust_email: is_okta && env.switch(&named("TRUST_EMAIL"), false),
        required_group: group(env, "REQUIRED_GROUP"),
        admin_group: group(env, "ADMIN_GROUP"),
    })
}

/// As it stands in tokens, so nothing of it is changed.
fn issuer(env: &mut Env<'_>, name: &str) -> Option<String> {
    let Some((variable, issuer)) = env.prefixed(name) else {
        env.reject(format!("CENTAUR_CONSOLE_{name}"), "is required together with the client");
        return None;
    };
    let issuer = issuer.trim().to_owned();
    let is_url = issuer.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    if !is_url {
        env.reject(variable, "must be the issuer's URL, exactly as it stands in its tokens");
    }
    Some(issuer)
}
