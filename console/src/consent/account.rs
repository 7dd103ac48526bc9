//! Who consented.

use aws_lc_rs::digest::{SHA256, digest};
use centaur_base::Secret;

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// The provider's id of it.
    pub(super) subject: String,
    /// With which address.
    pub(super) email: Option<String>,
    /// The name of the person or the workspace.
    pub(super) name: Option<String>,
    /// The team, at Slack.
    pub(super) team: Option<String>,
}

/// What the subject begins with of an account that nobody has named yet.
pub(super) const PENDING: &str = "pending-";

const LONGEST_SUBJECT: usize = 512;
const LONGEST_TEXT: usize = 256;

impl Account {
    /// An account with this subject; `None` for what no provider would use as one.
    pub(super) fn new(subject: &str) -> Option<Self> {
        let is_one = (1..=LONGEST_SUBJECT).contains(&subject.len())
            && !subject.chars().any(char::is_control)
            && !subject.starts_with(PENDING);
        is_one.then(|| Self { subject: subject.to_owned(), email: None, name: None, team: None })
    }

    /// Stands for an account until it is known: the same token has the same one.
    pub(super) fn pending(access_token: &Secret<String>, noun: &str) -> Self {
        let digest = digest(&SHA256, access_token.expose().as_bytes());
        let digits: Vec<_> = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let subject = format!("{PENDING}{}", digits.concat());
        Self { subject, email: None, name: Some(format!("Pending {noun}")), team: None }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.subject.starts_with(PENDING)
    }

    pub(super) fn with_email(mut self, email: Option<&str>) -> Self {
        self.email = email.and_then(line).filter(|email| email.contains('@')).or(self.email);
        self
    }

    pub(super) fn with_name(mut self, name: Option<&str>) -> Self {
        self.name = name.and_then(line).or(self.name);
        self
    }

    pub(super) fn with_team(mut self, team: Option<&str>) -> Self {
        self.team = team.and_then(line).or(self.team);
        self
    }

    /// What a person is told.
    pub(super) fn shown(&self) -> &str {
        self.email.as_deref().or(self.name.as_deref()).unwrap_or(&self.subject)
    }

    /// What its credential is called.
    pub(super) fn title(&self, provider: &str) -> String {
        let whose = self.name.as_deref().or(self.email.as_deref()).unwrap_or(&self.subject);
        format!("{provider} – {whose}")
    }
}

/// One line of a text that a provider gave, as much of it as is shown.
fn line(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|one| !one.is_control()).take(LONGEST_TEXT).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_called_by_its_name_then_its_address_then_its_subject() {
        let account = Account::new("s1").expect("an account");
        assert_eq!((account.shown(), account.title("Google")), ("s1", "Google – s1".to_owned()));
        let account = account.with_email(Some("ada@example.test"));
        assert_eq!(account.title("Google"), "Google – ada@example.test");
        let account = account.with_name(Some(" Ada\u{0}\n ")).with_email(Some("not an address"));
        assert_eq!(
            (account.shown(), account.title("Google")),
            ("ada@example.test", "Google – Ada".to_owned())
        );
        for none in ["", "a\u{0}b", "pending-1", &"x".repeat(600)] {
            assert_eq!(Account::new(none), None);
        }
    }

    #[test]
    fn a_pending_one_says_nothing_of_the_token_and_is_the_same_for_the_same_token() {
        let pending = |token: &str| Account::pending(&Secret::new(token.to_owned()), "GitHub account");
        let one = pending("fake-at");
        assert_eq!(one, pending("fake-at"));
        assert_ne!(one.subject, pending("fake-other").subject);
        assert_eq!((one.subject.len(), one.is_pending()), (40, true));
        assert_eq!(one.title("GitHub"), "GitHub – Pending GitHub account");
    }
}
