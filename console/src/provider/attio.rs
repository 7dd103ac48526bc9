//! Attio. A token is that of a workspace.

use super::strategy::{Identity, Profile, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    Strategy {
        api_hosts: texts(&["api.attio.com"]),
        identity: Identity::Unsaid("Attio workspace".to_owned()),
        profile: Some(Profile::Attio("https://api.attio.com/v2/self".to_owned())),
        ..Strategy::new("Attio", "https://app.attio.com/authorize", "https://app.attio.com/oauth/token")
    }
}
