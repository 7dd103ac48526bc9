//! Slack. The token that counts is the user's, which stands in `authed_user`; sign-in scopes cannot be asked for together
//! with those of the API, so the answer itself says who it is.

use super::strategy::{Identity, Issuer, Profile, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    Strategy {
        api_hosts: texts(&["slack.com"]),
        scope_param: "user_scope".to_owned(),
        scope_separator: ",".to_owned(),
        needs_refresh_token: true,
        identity: Identity::Slack(Issuer::at(
            &["https://slack.com"],
            "https://slack.com/openid/connect/keys",
        )),
        profile: Some(Profile::Slack {
            test: "https://slack.com/api/auth.test".to_owned(),
            info: "https://slack.com/api/users.info".to_owned(),
        }),
        ..Strategy::new(
            "Slack",
            "https://slack.com/oauth/v2/authorize",
            "https://slack.com/api/oauth.v2.access",
        )
    }
}
