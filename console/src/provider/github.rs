//! GitHub. The tokens of its OAuth apps do not end; those of its GitHub apps may.

use super::strategy::{Identity, Profile, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    Strategy {
        api_hosts: texts(&["api.github.com", "github.com"]),
        identity: Identity::Unsaid("GitHub account".to_owned()),
        profile: Some(Profile::Github("https://api.github.com/user".to_owned())),
        ..Strategy::new(
            "GitHub",
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
        )
    }
}
