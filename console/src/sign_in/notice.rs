//! What a page says on top, once: kept in a cookie as a word, so that no link can make the console say something.

use http::HeaderValue;

use super::cookies::{self, Name};
use super::site::Site;

/// A sentence that the next page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A session has begun.
    SignedIn,
    /// It has ended.
    SignedOut,
    /// A session has begun in which there is nothing to do yet.
    AwaitingApproval,
    /// One other session was ended.
    SessionEnded,
    /// All others were.
    OthersEnded,
    /// An administrator looks at the console as an operator does.
    AdminPaused,
    /// And does no more.
    AdminRestored,
    /// The user may not come in any more.
    Disabled,
    /// No such provider, or not configured.
    NotAvailable,
    /// The flow was not begun here, or too long ago.
    LinkInvalid,
    /// The provider says that somebody said no.
    Canceled,
    /// The provider could not be asked, or does not say who it is.
    Failed,
    /// The user could not be found or made.
    SetupFailed,
}

const ALL: [(Notice, &str); 13] = [
    (Notice::SignedIn, "signed_in"),
    (Notice::SignedOut, "signed_out"),
    (Notice::AwaitingApproval, "awaiting_approval"),
    (Notice::SessionEnded, "session_ended"),
    (Notice::OthersEnded, "others_ended"),
    (Notice::AdminPaused, "admin_paused"),
    (Notice::AdminRestored, "admin_restored"),
    (Notice::Disabled, "disabled"),
    (Notice::NotAvailable, "not_available"),
    (Notice::LinkInvalid, "link_invalid"),
    (Notice::Canceled, "canceled"),
    (Notice::Failed, "failed"),
    (Notice::SetupFailed, "setup_failed"),
];

/// Seconds until it is forgotten when no page shows it.
const KEPT: u64 = 60;

impl Notice {
    /// The sentence; `email` is who is signed in.
    pub(crate) fn text(self, email: Option<&str>) -> String {
        let fixed = match self {
            Self::SignedIn => return format!("Signed in as {}.", email.unwrap_or("somebody")),
            Self::SignedOut => "Signed out.",
            Self::AwaitingApproval => "Your account is awaiting approval.",
            Self::SessionEnded => "The session has ended.",
            Self::OthersEnded => "All other sessions have ended.",
            Self::AdminPaused => "Admin permissions paused.",
            Self::AdminRestored => "Admin permissions restored.",
            Self::Disabled => "Your account is disabled.",
            Self::NotAvailable => "That sign-in method is not available.",
            Self::LinkInvalid => "This sign-in link is invalid or expired. Start again.",
            Self::Canceled => "Sign in was canceled.",
            Self::Failed => "Sign in failed. Please try again.",
            Self::SetupFailed => "Sign in failed while setting up your account.",
        };
        fixed.to_owned()
    }

    /// Something went wrong.
    pub(crate) fn is_alert(self) -> bool {
        matches!(
            self,
            Self::Disabled
                | Self::NotAvailable
                | Self::LinkInvalid
                | Self::Canceled
                | Self::Failed
                | Self::SetupFailed
        )
    }

    /// `Set-Cookie`.
    pub(crate) fn keep(self, site: &Site) -> HeaderValue {
        let word = ALL.iter().find(|(notice, _)| *notice == self).map_or("", |(_, word)| *word);
        cookies::set(site, Name::Notice, word, Some(KEPT))
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == word).map(|(notice, _)| *notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own_that_is_read_back() {
        let site = Site::of(Some("http://localhost:1"), &http::HeaderMap::new()).expect("a site");
        for (notice, word) in ALL {
            let kept = notice.keep(&site);
            let kept = kept.to_str().expect("text");
            assert!(kept.starts_with(&format!("console_notice={word}; ")), "{kept}");
            assert_eq!(Notice::read(word), Some(notice));
        }
        assert_eq!(Notice::read("<script>"), None);
        assert_eq!(Notice::SignedIn.text(Some("ada@example.com")), "Signed in as ada@example.com.");
    }
}
