//! Who consented, as far as an answer says it (broker.md, section 12).

use centaur_identity::{Expected, Flow, IdTokenError};
use centaur_oauth::TokenAnswer;

use super::account::Account;
use super::profile;
use super::tokens::{self, Tokens};
use super::visit::Visit;
use crate::provider::{Identity, Issuer, IssuerKeys, Profile, Strategy};

/// The account, with what its provider tells of it when it is asked right away. It is pending when nobody says.
///
/// # Errors
/// A reason.
pub(super) async fn of(
    visit: &Visit,
    strategy: &Strategy,
    client_id: &str,
    flow: &Flow,
    answer: &TokenAnswer,
    tokens: &Tokens,
) -> Result<Account, String> {
    let said = match &strategy.identity {
        Identity::IdToken(issuer) => {
            Some(by_id_token(visit, issuer, client_id, Some(&flow.nonce), tokens).await?)
        }
        Identity::Slack(issuer) => Some(by_slack(visit, issuer, client_id, answer, tokens).await?),
        Identity::Unsaid(_) => None,
    };
    let Some(profile) = &strategy.profile else {
        return Ok(said.unwrap_or_else(|| pending(strategy, tokens)));
    };
    // A name is worth no call where there is one.
    if let (Some(account), Profile::UserInfo(_)) = (&said, profile)
        && account.name.is_some()
    {
        return Ok(account.clone());
    }
    match profile::read(visit.app.oauth(), profile, &tokens.access, tokens.scopes.as_deref()).await {
        Ok(found) => match said {
            Some(said) if said.subject != found.subject => Err("account_mismatch".to_owned()),
            Some(said) => Ok(completed(said, &found)),
            None => Ok(found),
        },
        Err(_) => Ok(said.unwrap_or_else(|| pending(strategy, tokens))),
    }
}

fn pending(strategy: &Strategy, tokens: &Tokens) -> Account {
    let noun = match &strategy.identity {
        Identity::Unsaid(noun) => noun.clone(),
        Identity::IdToken(_) | Identity::Slack(_) => format!("{} account", strategy.display_name),
    };
    Account::pending(&tokens.access, &noun)
}

/// What the profile says goes before what the token said, but for the address that the token vouches for.
pub(super) fn completed(said: Account, found: &Account) -> Account {
    let email = said.email.clone();
    said.with_name(found.name.as_deref())
        .with_email(found.email.as_deref())
        .with_email(email.as_deref())
        .with_team(found.team.as_deref())
}

async fn by_id_token(
    visit: &Visit,
    issuer: &Issuer,
    client_id: &str,
    nonce: Option<&str>,
    tokens: &Tokens,
) -> Result<Account, String> {
    let token = tokens.id_token.as_ref().ok_or("missing_id_token")?;
    let consents = visit.app.consents();
    let jwks_uri = match (&issuer.keys, issuer.names.first()) {
        (IssuerKeys::At(uri), _) => uri.clone(),
        (IssuerKeys::Discovered, Some(name)) => {
            consents.discovery.document(name).await.map_err(|_| "discovery_failed")?.jwks_uri
        }
        (IssuerKeys::Discovered, None) => return Err("discovery_failed".to_owned()),
    };
    let expected =
        Expected { jwks_uri: &jwks_uri, issuers: &issuer.names, client_id, nonce, now: visit.now() };
    let claims = consents.id_tokens.verify(token.expose(), &expected).await.map_err(IdTokenError::code)?;
    let account = Account::new(&claims.subject).ok_or("id_token_missing_sub")?;
    Ok(account.with_email(claims.email.as_deref()).with_name(claims.name.as_deref()))
}

async fn by_slack(
    visit: &Visit,
    issuer: &Issuer,
    client_id: &str,
    answer: &TokenAnswer,
    tokens: &Tokens,
) -> Result<Account, String> {
    let user = tokens::user(answer.object()).ok_or("missing_user_token")?;
    let account = match tokens::text(user, "id") {
        Some(id) => Account::new(id).ok_or("parse")?,
        None => by_id_token(visit, issuer, client_id, None, tokens).await?,
    };
    let team = answer.object().get("team").and_then(|team| team.get("id")).and_then(|id| id.as_str());
    Ok(account
        .with_email(tokens::text(user, "email"))
        .with_name(tokens::text(user, "name").or(tokens::text(user, "user")))
        .with_team(team.or(tokens::text(user, "team_id"))))
}
