//! How a flow ends: a page, an event, a count.

use axum::response::Response;
use centaur_base::oid::Oid as _;
use centaur_store::OauthApp;
use http::StatusCode;
use serde_json::json;

use super::account::Account;
use super::mint::Minted;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::app::log;
use crate::pages::result::{Kind, ResultPage};
use crate::pages::{Referrer, page};

/// Characters of a slug that nobody registered, in events.
const LONGEST_SLUG: usize = 64;

/// No credential.
///
/// `scopes` are those that the flow asked for, once they are known: whoever tries again asks for the same.
pub(super) async fn refused(
    visit: &Visit,
    app: Option<&OauthApp>,
    scopes: Option<&[String]>,
    refusal: &Refusal,
) -> Response {
    let slug = app.map(|app| app.slug.as_str());
    visit.app.metrics().consent(slug.unwrap_or_default(), refusal.code());
    note(visit, app, refusal).await;
    let level = if matches!(refusal, Refusal::Exchange(_) | Refusal::Saving) { "warn" } else { "info" };
    let fields = [
        ("app", slug.unwrap_or_default()),
        ("result", refusal.code()),
        ("reason", refusal.reason().unwrap_or_default()),
    ];
    log(level, "consent refused", &fields);
    let is_final = *refusal == Refusal::NotAvailable;
    let retry = app.filter(|app| app.enabled && !is_final);
    let frame = visit.frame();
    let retry = retry.map(|app| format!("{}/oauth/{}/start{}", frame.base, app.slug, query(app, scopes)));
    let provider = app.map(|app| app.provider.as_str()).unwrap_or_default();
    let result = ResultPage {
        frame,
        kind: refusal.kind(),
        message: refusal.text(),
        hint: refusal.hint(provider),
        facts: Vec::new(),
        retry,
        home: visit.is_signed_in(),
    };
    page(&visit.app, refusal.status(), Referrer::Nothing, &result)
}

/// The query of a link that asks for the same scopes; none where that is all that the app allows.
fn query(app: &OauthApp, scopes: Option<&[String]>) -> String {
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty() && *scopes != app.allowed_scopes.as_slice())
    else {
        return String::new();
    };
    let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
    query.append_pair("scopes", &scopes.join(" ")).finish()
}

/// The event. Without one the page is still right.
async fn note(visit: &Visit, app: Option<&OauthApp>, refusal: &Refusal) {
    if *refusal == Refusal::Unavailable || !visit.app.consents().events.spend() {
        return;
    }
    let slug: String = visit.slug.chars().filter(char::is_ascii_graphic).take(LONGEST_SLUG).collect();
    let details = &json!({ "slug": slug, "result": refusal.code(), "reason": refusal.reason() });
    let row = app.map_or(0, |app| app.id.row());
    let written = visit.app.store().write(visit.actor(), |tx| {
        Box::pin(async move { tx.audit("consent_refused", "oauth_app", row, details).await })
    });
    if let Err(error) = written.await {
        log("warn", "the event of a consent could not be written", &[("error", &error.to_string())]);
    }
}

/// A credential is there. Its event stands in the transaction that made it.
pub(super) fn connected(visit: &Visit, app: &OauthApp, account: &Account, minted: &Minted) -> Response {
    visit.app.metrics().consent(&app.slug, "connected");
    let credential = minted.credential.to_string();
    let what = if minted.created { "made" } else { "refilled" };
    log("info", "consent given", &[("app", &app.slug), ("credential", &credential), ("was", what)]);
    let result = ResultPage {
        frame: visit.frame(),
        kind: Kind::Connected,
        message: format!("{} is connected. You can close this page.", app.slug),
        hint: Some("An administrator still has to grant it before sessions can use it."),
        facts: vec![
            ("Integration", app.slug.clone()),
            ("Account", account.shown().to_owned()),
            ("Credential", credential),
        ],
        retry: None,
        home: visit.is_signed_in(),
    };
    page(&visit.app, StatusCode::OK, Referrer::Nothing, &result)
}
