//! Which tokens an answer has (broker.md, section 11.3).

use std::time::Duration;

use centaur_base::Secret;
use centaur_oauth::{TokenAnswer, lifetime};
use serde_json::{Map, Value};

use super::scopes;
use crate::provider::{Identity, Strategy};

/// What a provider gave. `Debug` shows no token.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) access: Secret<String>,
    pub(super) refresh: Option<Secret<String>>,
    /// `None` when the answer names none.
    pub(super) lifetime: Option<Duration>,
    /// `None` when the answer names none.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) id_token: Option<Secret<String>>,
}

/// Reads an answer.
///
/// # Errors
/// A reason: `parse`, `missing_access_token`, `missing_user_token`, `missing_refresh_token`.
pub(super) fn read(answer: &TokenAnswer, strategy: &Strategy) -> Result<Tokens, &'static str> {
    let top = answer.object();
    let user = user(top).filter(|user| text(user, "access_token").is_some());
    // What stands beside a user of Slack is a bot's.
    let from = match (&strategy.identity, user) {
        (_, Some(user)) => user,
        (Identity::Slack(_), None) => return Err("missing_user_token"),
        (_, None) => top,
    };
    let secret = |text: &str| Secret::new(text.to_owned());
    let missing =
        if matches!(strategy.identity, Identity::Unsaid(_)) { "missing_access_token" } else { "parse" };
    let access = text(from, "access_token").map(secret).ok_or(missing)?;
    let refresh = text(from, "refresh_token").map(secret);
    if refresh.is_none() && strategy.needs_refresh_token {
        return Err("missing_refresh_token");
    }
    Ok(Tokens {
        access,
        refresh,
        lifetime: lifetime(from.get("expires_in")),
        scopes: scopes::granted(from.get("scope").or(top.get("scope")), strategy.granted_scopes),
        id_token: text(from, "id_token").or(text(top, "id_token")).map(secret),
    })
}

/// The user that an answer of Slack is about.
pub(super) fn user(answer: &Map<String, Value>) -> Option<&Map<String, Value>> {
    answer.get("authed_user").and_then(Value::as_object)
}

/// A member that is a text and not blank.
pub(super) fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}
