//! Granola, whose tokens are for its MCP server.

use super::strategy::{GrantedScopes, Identity, Issuer, Strategy, texts};

pub(super) fn strategy() -> Strategy {
    Strategy {
        identity_scopes: texts(&["openid", "email", "profile", "offline_access"]),
        api_hosts: texts(&["mcp.granola.ai"]),
        needs_refresh_token: true,
        granted_scopes: GrantedScopes::Spaced,
        identity: Identity::IdToken(Issuer::at(
            &["https://mcp-auth.granola.ai"],
            "https://mcp-auth.granola.ai/oauth2/jwks",
        )),
        ..Strategy::new(
            "Granola",
            "https://mcp-auth.granola.ai/oauth2/authorize",
            "https://mcp-auth.granola.ai/oauth2/token",
        )
    }
}
