//! Taking a grant back at its provider when the credential is deleted (broker.md, section 9).

use centaur_base::Secret;
use centaur_base::oid::{BrokerCredentialId, Oid as _};
use centaur_oauth::{ClientAuth, Revocation, Revoke, RevokeStyle};
use centaur_store::{BrokerCredential, ReadTx, client_auth};
use serde_json::{Value, json};

use super::super::answer::Result;
use super::super::call::Call;
use crate::app::log;

/// What is to be asked of a provider, collected before the credential is gone.
#[derive(Debug)]
pub(super) enum Plan {
    /// This.
    Ask(Revoke),
    /// Nothing: the provider has no revocation that this console knows.
    Unsupported,
    /// Nothing: there is no token.
    NoToken,
}

/// Reads what a revocation needs.
pub(super) async fn plan(tx: &mut ReadTx, row: &BrokerCredential, call: &Call) -> Result<Plan> {
    let app = match row.oauth_app_id {
        Some(id) => tx.app(id).await?,
        None => None,
    };
    let provider = app.as_ref().map_or_else(|| unlinked(&row.token_endpoint), |app| app.provider.as_str());
    let material = tx.credential_material(row.id).await?.unwrap_or_default();
    let access_token = tx.access_token(row.id).await?.and_then(|access| access.token);
    let (style, endpoint, token) = match provider {
        // A refresh token stands for the whole grant; an access token does where there is none.
        "google" => (
            RevokeStyle::Form,
            "https://oauth2.googleapis.com/revoke".to_owned(),
            material.refresh_token.or(access_token),
        ),
        "slack" => (RevokeStyle::Bearer, "https://slack.com/api/auth.revoke".to_owned(), access_token),
        "github" => {
            let client = app.as_ref().map(|app| app.client_id.as_str()).unwrap_or_default();
            (RevokeStyle::Grant, format!("https://api.github.com/applications/{client}/grant"), access_token)
        }
        "generic" => {
            let generic = app.as_ref().and_then(|app| app.generic.as_ref());
            let endpoint = generic.and_then(|generic| generic.revocation_endpoint.clone());
            let Some(endpoint) = endpoint else { return Ok(Plan::Unsupported) };
            (RevokeStyle::Form, endpoint, material.refresh_token.or(access_token))
        }
        _ => return Ok(Plan::Unsupported),
    };
    let Some(token) = token else { return Ok(Plan::NoToken) };
    let endpoint = centaur_store::moved_endpoint(&call.app.config().broker.moved, Some(provider), &endpoint);
    let named = app.as_ref().filter(|app| style == RevokeStyle::Grant || app.generic.is_some());
    let (client_id, client_secret): (_, Option<Secret<String>>) = match named {
        Some(app) if app.is_public() => (Some(app.client_id.clone()), None),
        Some(app) => (Some(app.client_id.clone()), tx.app_secret(app.id).await?),
        None => (None, None),
    };
    let client_auth = app.as_ref().map_or(ClientAuth::Post, client_auth);
    Ok(Plan::Ask(Revoke { style, endpoint, token, client_id, client_secret, client_auth }))
}

/// Whose a credential without an app is, by where it is refreshed.
fn unlinked(token_endpoint: &str) -> &'static str {
    match centaur_oauth::host_of(token_endpoint) {
        "oauth2.googleapis.com" => "google",
        "slack.com" => "slack",
        _ => "",
    }
}

/// Asks, once, and says what came of it, in the audit log too. The credential is gone either way, and so is the token:
/// whoever called may be gone as well, and it is asked all the same.
pub(super) async fn carry_out(plan: Plan, id: BrokerCredentialId, call: Call) -> Value {
    let errands = call.app.errands().clone();
    let said = errands.begin(async move {
        let (result, code) = match plan {
            Plan::Ask(revoke) => match call.app.oauth().revoke(&revoke).await {
                Revocation::Revoked => ("revoked", None),
                Revocation::Failed(code) => ("failed", Some(code)),
            },
            Plan::Unsupported => ("unsupported", None),
            Plan::NoToken => ("failed", Some("no_token".to_owned())),
        };
        let said = json!({ "result": result, "code": code });
        let details = &json!({ "id": id, "revocation": said });
        let told = call.write(|tx, _| {
            Box::pin(async move { Ok(tx.audit("revoke", "broker_credential", id.row(), details).await?) })
        });
        if told.await.is_err() {
            log("warn", "the event of a revocation could not be written", &[("credential", &id.to_string())]);
        }
        said
    });
    said.await.unwrap_or_else(|| json!({ "result": "failed", "code": "internal_error" }))
}
