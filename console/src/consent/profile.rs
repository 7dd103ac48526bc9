//! Asking a provider whose a token is.

use std::time::Duration;

use centaur_base::Secret;
use centaur_oauth::Client;
use serde_json::{Map, Value, json};

use super::account::Account;
use super::tokens::text;
use crate::provider::Profile;

/// How long it may take in all: a person is waiting.
const WITHIN: Duration = Duration::from_secs(3);

/// There is no profile, for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoProfile;

/// Reads the profile of the account that a token is for, as far as the scopes that were granted allow. Whatever goes wrong with it costs a name, never the credential.
///
/// # Errors
/// [`NoProfile`]
pub(super) async fn read(
    client: &Client,
    profile: &Profile,
    token: &Secret<String>,
    scopes: Option<&[String]>,
) -> Result<Account, NoProfile> {
    let asked = ask(client, profile, token, scopes);
    tokio::time::timeout(WITHIN, asked).await.ok().flatten().ok_or(NoProfile)
}

async fn ask(
    client: &Client,
    profile: &Profile,
    token: &Secret<String>,
    scopes: Option<&[String]>,
) -> Option<Account> {
    match profile {
        Profile::UserInfo(url) => {
            let found = document(client, url, token).await?;
            let account = Account::new(text(&found, "sub")?)?;
            Some(account.with_name(text(&found, "name")).with_email(text(&found, "email")))
        }
        Profile::Github(url) => {
            let found = document(client, url, token).await?;
            let account = Account::new(&number_or_text(&found, "id")?)?;
            let name = text(&found, "login").or(text(&found, "name"));
            Some(account.with_name(name).with_email(text(&found, "email")))
        }
        Profile::Linear(url) => {
            let question = json!({ "query": "query { viewer { id name email } }" });
            let body = client.post_json(url, token, &question, WITHIN).await.ok()?;
            let found: Value = serde_json::from_slice(&body).ok()?;
            let viewer = found.get("data")?.get("viewer")?.as_object()?;
            let account = Account::new(text(viewer, "id")?)?;
            Some(account.with_name(text(viewer, "name")).with_email(text(viewer, "email")))
        }
        Profile::Attio(url) => {
            let found = document(client, url, token).await?;
            let account = Account::new(text(&found, "workspace_id").or(text(&found, "sub"))?)?;
            Some(account.with_name(text(&found, "workspace_name").or(text(&found, "workspace_slug"))))
        }
        Profile::Slack { test, info } => slack(client, test, info, token, scopes).await,
        Profile::Generic(url) => {
            let found = document(client, url, token).await?;
            let subject = ["sub", "id", "user_id"].into_iter().find_map(|key| number_or_text(&found, key))?;
            let name = ["name", "login", "username"].into_iter().find_map(|key| text(&found, key));
            Some(Account::new(&subject)?.with_name(name).with_email(text(&found, "email")))
        }
    }
}

/// Who the token is, then that user's record as far as it may be read.
async fn slack(
    client: &Client,
    test: &str,
    info: &str,
    token: &Secret<String>,
    scopes: Option<&[String]>,
) -> Option<Account> {
    let who = document(client, test, token).await?;
    if who.get("ok") != Some(&Value::Bool(true)) {
        return None;
    }
    let subject = text(&who, "user_id")?;
    let account = Account::new(subject)?.with_name(text(&who, "user")).with_team(text(&who, "team_id"));
    let may = |scope: &str| scopes.is_some_and(|scopes| scopes.iter().any(|granted| granted == scope));
    if !may("users:read") || !subject.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(account);
    }
    let record = document(client, &format!("{info}?user={subject}"), token).await;
    let Some(user) = record.as_ref().and_then(|record| record.get("user")).and_then(Value::as_object) else {
        return Some(account);
    };
    let profile = user.get("profile").and_then(Value::as_object);
    let name = text(user, "real_name").or(profile.and_then(|profile| text(profile, "real_name")));
    let email = profile.and_then(|profile| text(profile, "email")).filter(|_| may("users:read.email"));
    Some(account.with_name(name).with_email(email))
}

async fn document(client: &Client, url: &str, token: &Secret<String>) -> Option<Map<String, Value>> {
    let body = client.fetch(url, Some(token), WITHIN).await.ok()?;
    match serde_json::from_slice(&body).ok()? {
        Value::Object(document) => Some(document),
        _ => None,
    }
}

fn number_or_text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
