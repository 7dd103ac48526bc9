//! Whether somebody may come in, by what the provider signed, and as what (broker.md, sections 14.2 and 14.3).

use centaur_identity::Claims;
use centaur_store::{SeenIdentity, UserStatus};
use serde_json::Value;

use crate::config::{LoginProvider, LoginProviderKind, SignInSettings, is_address};

/// Somebody whom the allow-lists let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Who it is.
    pub(super) seen: SeenIdentity,
    /// What a user is made with who was never seen before.
    pub(super) status: UserStatus,
    /// The same.
    pub(super) admin: bool,
}

/// The claim of Slack's tokens.
const SLACK_TEAM: &str = "https://slack.com/team_id";
/// The longest name that is kept.
const LONGEST: usize = 320;
/// The longest identity: an issuer's URL and a subject of 255 characters (OpenID Connect Core, section 2).
const LONGEST_IDENTITY: usize = 1024;

/// Who arrives, or the word for why not.
pub(super) fn arrival(
    settings: &SignInSettings,
    provider: &LoginProvider,
    claims: &Claims,
) -> Result<Arrival, &'static str> {
    let email = claims.email.as_deref().and_then(address);
    let verified = email.is_some() && (claims.email_verified || provider.trust_email);
    let text = |name: &str| claims.all.get(name).and_then(Value::as_str);
    let is_slack = provider.kind == LoginProviderKind::Slack;
    if !is_slack && !settings.allowed_domains.is_empty() {
        let is_allowed = |domain: &str| settings.allowed_domains.contains(&domain.to_lowercase());
        let domain = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        if !verified || !domain.is_some_and(is_allowed) {
            return Err("domain");
        }
        // An address at a domain may be an account that the domain knows nothing of.
        if provider.kind == LoginProviderKind::Google && !text("hd").is_some_and(is_allowed) {
            return Err("hosted_domain");
        }
    }
    let team = text(SLACK_TEAM).filter(|team| is_slack && !team.is_empty());
    let teams = &settings.allowed_slack_teams;
    if is_slack && !team.is_some_and(|team| teams.is_empty() || teams.iter().any(|known| known == team)) {
        return Err("slack_team");
    }
    let subject = identity(provider, team, &claims.subject).ok_or("subject")?;
    let groups: Vec<_> = claims.all.get("groups").and_then(Value::as_array).into_iter().flatten().collect();
    let is_in = |group: &String| groups.iter().any(|known| known.as_str() == Some(group));
    if provider.required_group.as_ref().is_some_and(|group| !is_in(group)) {
        return Err("group");
    }
    let is_listed = email.as_ref().is_some_and(|email| settings.bootstrap_admins.contains(email));
    let admin = verified && (is_listed || provider.admin_group.as_ref().is_some_and(is_in));
    let by_default = if has_list(settings, provider) { UserStatus::Active } else { UserStatus::Pending };
    // Who was named an administrator needs nobody's approval: there may be nobody yet.
    let status = if admin { UserStatus::Active } else { settings.new_users.unwrap_or(by_default) };
    let name =
        claims.name.as_deref().map(|name| name.chars().filter(|c| !c.is_control()).take(LONGEST).collect());
    let seen = SeenIdentity {
        provider: provider.kind.as_str().to_owned(),
        subject,
        email,
        email_verified: verified,
        slack_team: team.map(str::to_owned),
        name,
    };
    Ok(Arrival { seen, status, admin })
}

/// Whom the provider means, among all whom it could ever mean here. A subject is unique within its issuer alone
/// (OpenID Connect Core, section 2), and a setting can name another issuer tomorrow; Slack's are unique within a team.
fn identity(provider: &LoginProvider, team: Option<&str>, subject: &str) -> Option<String> {
    let whole = match (provider.kind, team, provider.issuer.as_deref()) {
        (LoginProviderKind::Google, ..) => subject.to_owned(),
        (LoginProviderKind::Slack, Some(team), _) => format!("{team}/{subject}"),
        (LoginProviderKind::Okta | LoginProviderKind::Oidc, _, Some(issuer)) => format!("{issuer} {subject}"),
        _ => return None,
    };
    (!subject.is_empty() && whole.len() <= LONGEST_IDENTITY && !whole.contains('\0')).then_some(whole)
}

/// Whether it was said who may come in by this provider.
fn has_list(settings: &SignInSettings, provider: &LoginProvider) -> bool {
    match provider.kind {
        LoginProviderKind::Slack => !settings.allowed_slack_teams.is_empty(),
        LoginProviderKind::Okta => !settings.allowed_domains.is_empty() || provider.required_group.is_some(),
        LoginProviderKind::Google | LoginProviderKind::Oidc => !settings.allowed_domains.is_empty(),
    }
}

/// An address as it is kept; what is none is none.
fn address(text: &str) -> Option<String> {
    is_address(text).then(|| text.trim().to_lowercase())
}

#[cfg(test)]
mod tests;
