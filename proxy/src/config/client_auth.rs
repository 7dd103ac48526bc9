//! `proxy.client_auth`

use std::path::PathBuf;

use centaur_policies::pattern::Cidr;
use centaur_policies::yaml::Cursor;

use super::env::Context;
use super::{ClientAuthConfig, TokenSource, tables};

/// Reads the section. One that names nothing is an error: it would look like protection and be none.
pub(super) fn read(section: &Cursor<'_>, context: Context<'_>) -> Option<ClientAuthConfig> {
    let fields = section.fields(&tables::CLIENT_AUTH)?;
    let path = |key: &str| Some(fields.text(key)).filter(|text| !text.is_empty()).map(PathBuf::from);
    let token = match (fields.text("token_env"), path("token_file")) {
        ("", None) => None,
        ("", Some(file)) => Some(TokenSource::File(file)),
        (name, None) => {
            if context.var(name).is_none() {
                context
                    .invalid(format!("proxy.client_auth.token_env {name:?} is not set in the environment"));
            }
            Some(TokenSource::Env(name.to_owned()))
        }
        _ => {
            context.invalid("proxy.client_auth: token_env and token_file are mutually exclusive");
            None
        }
    };
    let client_ca = path("client_ca");
    let ranges = fields.items("allow_cidrs");
    if fields.text("token_env").is_empty() && token.is_none() && client_ca.is_none() && ranges.is_empty() {
        context
            .invalid("proxy.client_auth: one of token_env, token_file, client_ca or allow_cidrs is required");
    }
    let range = |item: &Cursor<'_>| match Cidr::parse(item.text()?) {
        Ok(cidr) => Some(cidr.net()),
        Err(error) => {
            context.invalid(format!("proxy.client_auth.allow_cidrs: {error}"));
            None
        }
    };
    Some(ClientAuthConfig { token, client_ca, allow_cidrs: ranges.iter().filter_map(range).collect() })
}
