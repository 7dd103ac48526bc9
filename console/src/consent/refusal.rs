//! Why a flow ends without a credential, and what a person is told (broker.md, sections 11.1 to 11.3).

use http::StatusCode;

use crate::pages::result::Kind;

/// A flow that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No app has this slug, or this program does not know its provider.
    Unknown,
    /// The app is switched off.
    Disabled,
    /// A scope that the app does not allow.
    Scopes,
    /// Nobody knows where browsers reach the console.
    NoPublicUrl,
    /// The state is none of ours, or too old.
    State,
    /// The state is of another app, or the app was switched off meanwhile.
    NotAvailable,
    /// The browser is not the one that began.
    Browser,
    /// The provider says no, with this word.
    Denied(String),
    /// There is no code.
    NoCode,
    /// The code gave no token, or nobody knows whose: a reason.
    Exchange(String),
    /// It could not be written down.
    Saving,
    /// Somebody else wrote it down at the same time.
    Conflict,
    /// The database does not answer.
    Unavailable,
}

/// How much of a provider's word is shown.
const LONGEST_WORD: usize = 64;

impl Refusal {
    /// With the provider's word, as much of it as may be shown.
    pub(super) fn denied(word: &str) -> Self {
        Self::Denied(plain(word))
    }

    /// With a reason, as much of it as may be shown.
    pub(super) fn exchange(reason: &str) -> Self {
        Self::Exchange(plain(reason))
    }

    /// The word in metrics, events and logs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
            Self::Scopes => "scope_not_allowed",
            Self::NoPublicUrl => "no_public_url",
            Self::State => "invalid_state",
            Self::NotAvailable => "not_available",
            Self::Browser => "other_browser",
            Self::Denied(_) => "denied",
            Self::NoCode => "missing_code",
            Self::Exchange(_) => "exchange_failed",
            Self::Saving => "save_failed",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the provider said, or what is wrong with what it said.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Denied(word) | Self::Exchange(word) => Some(word),
            _ => None,
        }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::State | Self::NotAvailable | Self::Browser | Self::NoCode => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        if matches!(self, Self::Denied(_)) { Kind::Denied } else { Kind::Error }
    }

    pub(super) fn text(&self) -> String {
        let text = match self {
            Self::Unknown => "Unknown integration.",
            Self::Disabled => "This integration is disabled.",
            Self::Scopes => "One or more requested scopes are not allowed for this integration.",
            Self::NoPublicUrl => "This console does not know its own address.",
            Self::State | Self::NoCode => "This consent link is invalid or has expired. Start again.",
            Self::NotAvailable => "This integration is no longer available.",
            Self::Browser => "This flow expired or was started in another browser. Start again.",
            Self::Denied(word) => return format!("Consent was not granted ({word})."),
            Self::Exchange(reason) => return format!("Connecting the integration failed ({reason})."),
            Self::Saving => "Connecting the integration failed while saving the credential.",
            Self::Conflict => "Another consent for this account is in progress. Try again.",
            Self::Unavailable => "The console cannot reach its database. Try again in a moment.",
        };
        text.to_owned()
    }

    /// What to do about it, where that is not to try again.
    pub(super) fn hint(&self, provider: &str) -> Option<&'static str> {
        match self {
            Self::Disabled | Self::NotAvailable => Some("Ask whoever sent you the link."),
            Self::Scopes => Some(
                "The link asks for more than the integration offers. Ask whoever sent it for one with other scopes.",
            ),
            Self::NoPublicUrl => Some("An administrator has to set CENTAUR_CONSOLE_PUBLIC_URL."),
            Self::Exchange(reason) => exchange_hint(reason, provider),
            _ => None,
        }
    }
}

fn exchange_hint(reason: &str, provider: &str) -> Option<&'static str> {
    let hint = match (reason, provider) {
        ("missing_refresh_token", "slack") => {
            "An administrator has to turn on token rotation for the Slack app, under OAuth & Permissions."
        }
        ("missing_refresh_token", "google") => {
            "Remove this app's access in the settings of the Google account, then try again."
        }
        ("missing_refresh_token", _) => {
            "The provider gave no refresh token. An administrator has to allow offline access for the client."
        }
        ("missing_user_token", _) => {
            "Slack gave no token of the person. The app has to ask for user scopes, not for bot scopes."
        }
        (
            "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" | "bad_client_secret",
            _,
        ) => {
            "The provider does not accept the client. An administrator has to check client id and client secret."
        }
        ("redirect_uri_mismatch" | "bad_redirect_uri", _) => {
            "The redirect URI of this integration is not registered at the provider."
        }
        ("account_mismatch", _) => {
            "The provider named two different accounts. Sign out of all but one of them, then try again."
        }
        ("network" | "http" | "id_token_keys_unavailable" | "discovery_failed", _) => {
            "The provider could not be reached, or did not answer as expected. Try again in a moment."
        }
        ("endpoint_refused", _) => {
            "An administrator has to list the provider's address in CENTAUR_CONSOLE_TOKEN_ENDPOINT_ALLOW."
        }
        _ => return None,
    };
    Some(hint)
}

/// Letters, digits, `_`, `.` and `-`, 64 at most.
fn plain(word: &str) -> String {
    let kept: String = word
        .chars()
        .filter(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '.' | '-'))
        .take(LONGEST_WORD)
        .collect();
    if kept.is_empty() { "unknown".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_writes_is_shown_as_a_word() {
        for (word, want) in [
            ("access_denied", "access_denied"),
            ("<script>alert(1)</script>", "scriptalert1script"),
            ("\u{202e}", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Refusal::denied(word).reason(), Some(want));
        }
        let long = Refusal::exchange(&"x".repeat(100));
        assert_eq!(long.text(), format!("Connecting the integration failed ({}).", "x".repeat(64)));
    }
}
