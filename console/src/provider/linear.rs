//! Linear.

use super::strategy::{GrantedScopes, Identity, Profile, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    Strategy {
        api_hosts: texts(&["api.linear.app"]),
        scope_separator: ",".to_owned(),
        needs_refresh_token: true,
        granted_scopes: GrantedScopes::ListedOrArray,
        identity: Identity::Unsaid("Linear account".to_owned()),
        profile: Some(Profile::Linear("https://api.linear.app/graphql".to_owned())),
        ..Strategy::new("Linear", "https://linear.app/oauth/authorize", "https://api.linear.app/oauth/token")
    }
}
