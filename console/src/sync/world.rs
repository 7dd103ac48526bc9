//! All that a configuration is made from, read in one transaction.

use std::collections::{BTreeMap, HashMap};

use centaur_base::oid::{BrokerCredentialId, PrincipalId};
use centaur_store::{AccessToken, EffectiveSecret, ReadTx, SourceType, StoreError};
use serde_json::Value;

use crate::api::{stored_body, stored_common};
use crate::config::Config;
use crate::definition::CredentialRef;
use crate::effective::{
    BrokerState, Effective, Fallback, FallbackMode, Grant, Input, Principal, SecretKey, SlackRow,
    SourceValues, StoredSecret, Subject, Via, assemble,
};
use crate::wire::Identity;

/// The label by which a channel says whether requesters may add to its grants.
const FALLBACK_LABEL: &str = "centaur.user-fallback";

/// What to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) fallback: Option<PrincipalId>,
    pub(crate) mode: Option<centaur_store::FallbackMode>,
    /// Grants that have expired too, for explaining.
    pub(crate) with_expired: bool,
}

/// Principals, their grants and secrets with opened values, at one moment.
#[derive(Debug)]
pub(crate) struct World {
    subject: Option<Subject>,
    fallback: Option<(Subject, FallbackMode)>,
    secrets: BTreeMap<SecretKey, StoredSecret>,
    brokers: Brokers,
    now: i64,
}

#[derive(Debug, Default)]
struct Brokers {
    ids: HashMap<CredentialRef, BrokerCredentialId>,
    tokens: BTreeMap<BrokerCredentialId, AccessToken>,
}

impl SourceValues for Brokers {
    fn broker(&self, credential: &CredentialRef) -> Option<BrokerState<'_>> {
        let token = self.tokens.get(self.ids.get(credential)?)?;
        Some(BrokerState {
            is_dead: token.dead,
            access_token: token.token.as_ref(),
            expires_at: token.expires_at.map(|at| at.0),
        })
    }
}

impl World {
    /// Reads it; a principal that is not there has no grants.
    pub(crate) async fn load(tx: &mut ReadTx, load: Load, config: &Config) -> Result<Self, StoreError> {
        let now = tx.now().0;
        let mut world = Self {
            subject: None,
            fallback: None,
            secrets: BTreeMap::new(),
            brokers: Brokers::default(),
            now,
        };
        let Some(principal) = load.principal else { return Ok(world) };
        world.subject = world.subject(tx, principal, load.with_expired).await?;
        let Some(subject) = &world.subject else { return Ok(world) };
        let label = subject.principal.labels.get(FALLBACK_LABEL).map(|label| match label {
            Value::String(label) => label.clone(),
            other => other.to_string(),
        });
        let proxy = load.mode.and_then(|mode| FallbackMode::named(mode.as_str()));
        let mode = FallbackMode::effective(config.fallback, label.as_deref(), proxy);
        if let Some(fallback) = load.fallback {
            world.fallback =
                world.subject(tx, fallback, load.with_expired).await?.map(|subject| (subject, mode));
        }
        Ok(world)
    }

    /// What the proxy gets, without the grants of the roles of these foreign ids.
    pub(crate) fn assemble(&self, config: &Config, exclude_roles: &[String]) -> Effective {
        assemble(&self.input(config, exclude_roles))
    }

    /// The input of the pure part.
    pub(crate) fn input<'a>(&'a self, config: &'a Config, exclude_roles: &'a [String]) -> Input<'a> {
        Input {
            subject: self.subject.as_ref(),
            fallback: self.fallback.as_ref().map(|(subject, mode)| Fallback { subject, mode: *mode }),
            secrets: &self.secrets,
            sources: &self.brokers,
            default_roles: &config.default_roles,
            exclude_roles,
            api_server: config.api_server.as_ref(),
            now: self.now,
        }
    }

    async fn subject(
        &mut self,
        tx: &mut ReadTx,
        id: PrincipalId,
        with_expired: bool,
    ) -> Result<Option<Subject>, StoreError> {
        let Some(row) = tx.principal(id).await? else { return Ok(None) };
        let reached = if with_expired { tx.reached(id).await? } else { tx.effective(id).await? };
        let mut grants = Vec::new();
        for one in reached.into_iter().flat_map(|reached| reached.secrets) {
            grants.extend(self.add(one)?);
        }
        self.brokers.tokens.append(&mut tx.access_tokens_for(id).await?);
        let slack = row.slack.iter().map(|row| SlackRow {
            channel_id: row.channel_id.clone(),
            upload: row.upload_enabled,
            download: row.download_enabled,
            history: row.history_enabled,
        });
        let principal = Principal {
            oid: row.id.to_string(),
            namespace: row.namespace.clone(),
            foreign_id: row.foreign_id.clone(),
            name: row.name.clone(),
            api_server_enabled: row.api_server_enabled,
            slack: slack.collect(),
            labels: row.labels,
        };
        Ok(Some(Subject { principal, grants }))
    }

    /// Takes a secret in; its grants.
    fn add(&mut self, one: EffectiveSecret) -> Result<Vec<Grant>, StoreError> {
        let EffectiveSecret { secret: row, paths, values, .. } = one;
        let key = SecretKey { kind: row.id.kind, id: row.id.row };
        for source in row.sources.iter().filter(|source| source.source_type == SourceType::TokenBroker) {
            let text = |key: &str| source.config.get(key).and_then(Value::as_str).map(str::to_owned);
            if let (Some(credential), Some(id)) = (source.broker_credential, text("credential_id")) {
                let named = CredentialRef { id, namespace: text("credential_namespace") };
                self.brokers.ids.insert(named, credential);
            }
        }
        let stored = StoredSecret {
            oid: row.id.to_string(),
            identity: Identity { namespace: row.namespace.clone(), foreign_id: row.foreign_id.clone() },
            common: stored_common(&row),
            body: stored_body(&row)?,
            values: values.into_iter().collect(),
        };
        self.secrets.insert(key, stored);
        let grants = paths.into_iter().map(|path| Grant {
            oid: path.grant.to_string(),
            via: path
                .role
                .map_or(Via::Direct, |(id, foreign_id)| Via::Role { oid: id.to_string(), foreign_id }),
            secret: key,
            priority: path.priority,
            expires_at: path.expires_at.map(|at| at.0),
        });
        Ok(grants.collect())
    }
}
