//! Google. `access_type=offline` is what makes it give a refresh token, and `prompt=consent` what makes it give one again.

use super::strategy::{GrantedScopes, Identity, Issuer, Profile, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    let issuers = ["https://accounts.google.com", "accounts.google.com"];
    Strategy {
        identity_scopes: texts(&["openid", "https://www.googleapis.com/auth/userinfo.email"]),
        api_hosts: texts(&["*.googleapis.com"]),
        extra_params: &[("access_type", "offline"), ("prompt", "consent")],
        needs_refresh_token: true,
        granted_scopes: GrantedScopes::Spaced,
        identity: Identity::IdToken(Issuer::at(&issuers, "https://www.googleapis.com/oauth2/v3/certs")),
        profile: Some(Profile::UserInfo("https://openidconnect.googleapis.com/v1/userinfo".to_owned())),
        ..Strategy::new(
            "Google",
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
        )
    }
}
