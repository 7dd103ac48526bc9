//! Writing down what a consent brought: the credential and the secret that wraps it, in one transaction
//! (broker.md, sections 11.4 and 11.5).

use centaur_base::Secret;
use centaur_base::oid::BrokerCredentialId;
use centaur_identity::random;
use centaur_store::{Consent, Labels, Micros, NewCredential, OauthApp, SecretKind, StoreError, WriteTx};
use serde_json::{Map, Value, json};

use super::account::Account;
use super::foreign_id::foreign_id;
use super::refusal::Refusal;
use super::tokens::Tokens;
use super::visit::Visit;
use crate::api::stored;
use crate::app::log;
use crate::definition::{
    Body, Common, Definition, Inject, Placement, Rule, Scope, Source, SourceType, StaticSecret, Values,
};
use crate::provider::Strategy;
use crate::wire::Identity;

/// What there is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minted {
    pub(super) credential: BrokerCredentialId,
    /// It was not there before.
    pub(super) created: bool,
}

/// What was asked for, and when.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) scopes: Vec<String>,
    pub(super) at: Micros,
}

/// Writes it, and tries once more when another consent of the account came in between.
///
/// # Errors
/// [`Refusal`]
pub(super) async fn mint(
    visit: &Visit,
    app: &OauthApp,
    strategy: &Strategy,
    account: &Account,
    tokens: Tokens,
    asked: Asked,
) -> Result<Minted, Refusal> {
    let consent = &consent(visit, app, strategy, account, tokens, asked)?;
    let mut again = true;
    loop {
        let written = visit.app.store().write(visit.actor(), |tx| {
            Box::pin(async move {
                let now = tx.app(app.id).await?.filter(|now| is_same(now, app));
                let now = now.ok_or(StoreError::Missing { what: "OAuth app" })?;
                if is_of_another_team(tx, consent).await? {
                    return Err(StoreError::Invalid { rule: TEAM.to_owned() });
                }
                let made = tx.consent(consent).await?;
                wrap(tx, &now, strategy, made.credential.id).await?;
                Ok::<_, StoreError>(Minted { credential: made.credential.id, created: made.created })
            })
        });
        match written.await {
            Ok(minted) => return Ok(minted),
            Err(StoreError::Taken { .. }) if again => again = false,
            Err(StoreError::Taken { .. }) => return Err(Refusal::Conflict),
            Err(StoreError::Invalid { rule }) if rule == TEAM => {
                return Err(Refusal::exchange("account_mismatch"));
            }
            Err(StoreError::Missing { what: "OAuth app" }) => return Err(Refusal::NotAvailable),
            Err(error) => {
                log("error", "a consent could not be stored", &[("error", &error.to_string())]);
                return Err(Refusal::Saving);
            }
        }
    }
}

/// The label that has the team of an account at Slack.
const TEAM: &str = "slack_team_id";

/// Whether the account's credential is known to be of another team, in which the same id is somebody else.
async fn is_of_another_team(tx: &mut WriteTx<'_>, consent: &Consent) -> Result<bool, StoreError> {
    let Some(team) = consent.labels.get(TEAM) else { return Ok(false) };
    let known = tx.credential_of_subject(consent.app, &consent.subject).await?;
    Ok(known.is_some_and(|known| known.labels.get(TEAM).is_some_and(|known| known != team)))
}

/// Whether an app is still the one that a person consented to: what came is of its provider and for its client.
fn is_same(now: &OauthApp, then: &OauthApp) -> bool {
    now.enabled
        && (&now.provider, &now.generic, &now.client_id) == (&then.provider, &then.generic, &then.client_id)
}

fn consent(
    visit: &Visit,
    app: &OauthApp,
    strategy: &Strategy,
    account: &Account,
    tokens: Tokens,
    asked: Asked,
) -> Result<Consent, Refusal> {
    let mut labels = Labels::new();
    labels.extend(account.team.clone().map(|team| (TEAM.to_owned(), Value::String(team))));
    Ok(Consent {
        app: app.id,
        subject: account.subject.clone(),
        email: account.email.clone(),
        labels,
        scopes: tokens.scopes.unwrap_or(asked.scopes),
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        asked_at: asked.at,
        lifetime: tokens.lifetime,
        spread: visit.app.consents().chance.unit(),
        new: NewCredential {
            namespace: app.credential_namespace.clone(),
            foreign_id: foreign_id(&app.provider, &app.slug, &account.subject),
            name: account.title(&strategy.display_name),
            token_endpoint: strategy.stored_token_endpoint.clone(),
            external_user_key: random::<16>().map_err(|_| Refusal::Unavailable)?,
        },
    })
}

/// The secret that puts the token into requests, unless there is one.
async fn wrap(
    tx: &mut WriteTx<'_>,
    app: &OauthApp,
    strategy: &Strategy,
    credential: BrokerCredentialId,
) -> Result<(), StoreError> {
    let links = tx.credential_links(&[credential]).await?;
    if links.get(&credential).is_some_and(|links| links.wrapper.is_some()) {
        return Ok(());
    }
    let row = tx.credential(credential).await?.ok_or(StoreError::Missing { what: "broker credential" })?;
    let title = row.name.as_deref().or(row.foreign_id.as_deref()).unwrap_or(&app.slug);
    let definition = wrapper(app, strategy, &row.namespace, title, credential);
    let (document, sources) = stored(&definition, |_| Some(credential));
    let made = tx.create_secret(SecretKind::Static, &row.namespace, None, &document, &sources).await?;
    tx.link_secret(made.id, Some(credential)).await
}

/// What the wrapper of a credential with this title is called.
pub(super) fn wrapper_name(title: &str) -> String {
    format!("{title} token")
}

fn wrapper(
    app: &OauthApp,
    strategy: &Strategy,
    namespace: &str,
    title: &str,
    credential: BrokerCredentialId,
) -> Definition {
    let labels = [
        ("managed-by", "centaur-console"),
        ("oauth-app", app.slug.as_str()),
        ("provider", app.provider.as_str()),
    ];
    let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let inject = Inject {
        header: Some("Authorization".to_owned()),
        query_param: None,
        formatter: Some("Bearer {{ .Value }}".to_owned()),
    };
    let rule = |host: &String| Rule {
        scope: Scope::Host(host.clone()),
        http_methods: Vec::new(),
        paths: Vec::new(),
        ports: Vec::new(),
        schemes: Vec::new(),
    };
    Definition {
        identity: Identity { namespace: namespace.to_owned(), foreign_id: None },
        common: Common { name: Some(wrapper_name(title)), description: None, labels },
        body: Body::Static(StaticSecret {
            placement: Placement::Inject(inject),
            source: Some(source_of(credential)),
            rules: strategy.api_hosts.iter().map(rule).collect(),
            allow_plaintext: None,
            scrub_responses: None,
            websocket: None,
        }),
        values: Values::default(),
    }
}

/// A source that takes its value from a credential.
pub(super) fn source_of(credential: BrokerCredentialId) -> Source {
    let config = Map::from_iter([("credential_id".to_owned(), json!(credential))]);
    Source { source_type: SourceType::TokenBroker, config }
}

/// A copy, for a second place that keeps it.
pub(super) fn copy(secret: &Secret<String>) -> Secret<String> {
    Secret::new(secret.expose().clone())
}
