//! All that configurations are made from, read in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use centaur_base::oid::{BrokerCredentialId, PrincipalId};
use centaur_store::{AccessToken, Held, Holder, ReadTx, SecretVersion, StoreError};
use serde_json::Value;

use super::built::{Key, Versions};
use super::parts::{Part, Parts};
use crate::config::Config;
use crate::definition::CredentialRef;
use crate::effective::{
    BrokerState, Effective, Fallback, FallbackMode, Grant, Input, Principal, SecretKey, SlackRow,
    SourceValues, StoredSecret, Subject, Via, assemble,
};

/// The label by which a channel says whether requesters may add to its grants.
const FALLBACK_LABEL: &str = "centaur.user-fallback";

/// What to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) fallback: Option<PrincipalId>,
    pub(crate) mode: Option<centaur_store::FallbackMode>,
}

/// Principals, their grants and secrets with opened values, at one moment.
#[derive(Debug)]
pub(crate) struct World {
    subject: Option<Arc<Subject>>,
    version: Option<i64>,
    fallback: Option<(Arc<Subject>, FallbackMode)>,
    secrets: HashMap<SecretKey, Arc<StoredSecret>>,
    brokers: Brokers,
    now: i64,
}

/// Several, of one moment.
#[derive(Debug)]
pub(super) struct Worlds {
    /// The number of the last change that is in them.
    pub(super) change: i64,
    /// Of each that was asked for, in that order.
    pub(super) of: Vec<World>,
    /// Of those principals that are there.
    versions: HashMap<PrincipalId, i64>,
    /// How many grants were read.
    pub(super) grants: usize,
}

#[derive(Debug, Default)]
struct Brokers {
    ids: HashMap<CredentialRef, BrokerCredentialId>,
    tokens: Arc<BTreeMap<BrokerCredentialId, AccessToken>>,
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
    /// Reads one; a principal that is not there has no grants. `with_expired`: with grants that have expired, for
    /// explaining.
    pub(crate) async fn load(
        tx: &mut ReadTx,
        load: Load,
        with_expired: bool,
        parts: &Parts,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let mut worlds = Worlds::load(tx, &[load], with_expired, parts, config).await?;
        Ok(worlds.of.remove(0))
    }

    /// The principal and the version of what it gets; `None` when it is not there.
    pub(crate) fn principal(&self) -> Option<(&Principal, i64)> {
        Some((&self.subject.as_ref()?.principal, self.version?))
    }

    /// What the proxy gets, without the grants of the roles of these foreign ids.
    pub(crate) fn assemble(&self, config: &Config, exclude_roles: &[String]) -> Effective {
        assemble(&self.input(config, exclude_roles))
    }

    /// The input of the pure part.
    pub(crate) fn input<'a>(&'a self, config: &'a Config, exclude_roles: &'a [String]) -> Input<'a> {
        Input {
            subject: self.subject.as_deref(),
            fallback: self.fallback.as_ref().map(|(subject, mode)| Fallback { subject, mode: *mode }),
            secrets: &self.secrets,
            sources: &self.brokers,
            default_roles: &config.default_roles,
            exclude_roles,
            api_server: config.api_server.as_ref(),
            now: self.now,
        }
    }
}

impl Worlds {
    /// The versions of the principals of a configuration.
    pub(super) fn versions(&self, key: Key) -> Versions {
        Versions([key.principal, key.fallback].map(|id| self.versions.get(&id?).copied()))
    }

    /// Reads several: a few queries, however many they are.
    pub(super) async fn load(
        tx: &mut ReadTx,
        loads: &[Load],
        with_expired: bool,
        parts: &Parts,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let of_load = |load: &Load| [load.principal, load.fallback];
        let principals: BTreeSet<_> = loads.iter().flat_map(of_load).flatten().collect();
        let principals: Vec<_> = principals.into_iter().collect();
        let holdings = if with_expired {
            tx.holdings_ever(&principals).await?
        } else {
            tx.holdings(&principals).await?
        };
        let held = || holdings.holders.values().flat_map(|holder| &holder.held);
        let parts = parts.of(tx, held().map(|held| held.secret)).await?;
        let credentials: BTreeSet<_> =
            parts.values().flat_map(|part| &part.credentials).map(|(_, id)| *id).collect();
        let credentials: Vec<_> = credentials.into_iter().collect();
        let found = Found {
            parts,
            tokens: Arc::new(tx.access_tokens(&credentials).await?),
            subjects: holdings.holders.iter().map(|(id, holder)| (*id, Arc::new(subject(holder)))).collect(),
            held: holdings.holders.iter().map(|(id, holder)| (*id, holder.held.as_slice())).collect(),
            versions: holdings.holders.iter().map(|(id, one)| (*id, one.principal.config_version)).collect(),
            now: tx.now().0,
        };
        Ok(Self {
            change: holdings.change,
            of: loads.iter().map(|load| found.world(*load, config)).collect(),
            versions: found.versions,
            grants: held().count(),
        })
    }
}

/// What was read for all.
struct Found<'a> {
    versions: HashMap<PrincipalId, i64>,
    parts: HashMap<SecretVersion, Arc<Part>>,
    tokens: Arc<BTreeMap<BrokerCredentialId, AccessToken>>,
    subjects: HashMap<PrincipalId, Arc<Subject>>,
    held: HashMap<PrincipalId, &'a [Held]>,
    now: i64,
}

impl Found<'_> {
    fn world(&self, load: Load, config: &Config) -> World {
        let mut world = World {
            subject: None,
            version: load.principal.and_then(|id| self.versions.get(&id).copied()),
            fallback: None,
            secrets: HashMap::new(),
            brokers: Brokers { ids: HashMap::new(), tokens: self.tokens.clone() },
            now: self.now,
        };
        let Some(subject) = load.principal.and_then(|id| self.add(id, &mut world)) else { return world };
        let label = subject.principal.labels.get(FALLBACK_LABEL).map(|label| match label {
            Value::String(label) => label.clone(),
            other => other.to_string(),
        });
        let proxy = load.mode.and_then(|mode| FallbackMode::named(mode.as_str()));
        let mode = FallbackMode::effective(config.fallback, label.as_deref(), proxy);
        world.subject = Some(subject);
        world.fallback = load.fallback.and_then(|id| self.add(id, &mut world)).map(|subject| (subject, mode));
        world
    }

    /// Takes in what a principal holds.
    fn add(&self, id: PrincipalId, world: &mut World) -> Option<Arc<Subject>> {
        for held in self.held.get(&id).copied().unwrap_or_default() {
            let Some(part) = self.parts.get(&held.secret) else { continue };
            world.secrets.insert(key(held), part.stored.clone());
            world.brokers.ids.extend(part.credentials.iter().cloned());
        }
        self.subjects.get(&id).cloned()
    }
}

fn key(held: &Held) -> SecretKey {
    SecretKey { kind: held.secret.id.kind, id: held.secret.id.row }
}

fn subject(holder: &Holder) -> Subject {
    let Holder { principal: row, held } = holder;
    let grants = held.iter().map(|one| Grant {
        oid: one.path.grant.to_string(),
        via: one.path.role.as_ref().map_or(Via::Direct, |(id, foreign_id)| Via::Role {
            oid: id.to_string(),
            foreign_id: foreign_id.clone(),
        }),
        secret: key(one),
        priority: one.path.priority,
        expires_at: one.path.expires_at.map(|at| at.0),
    });
    let slack = row.slack.iter().map(|row| SlackRow {
        channel_id: row.channel_id.clone(),
        upload: row.upload_enabled,
        download: row.download_enabled,
        history: row.history_enabled,
    });
    Subject {
        grants: grants.collect(),
        principal: Principal {
            oid: row.id.to_string(),
            namespace: row.namespace.clone(),
            foreign_id: row.foreign_id.clone(),
            name: row.name.clone(),
            api_server_enabled: row.api_server_enabled,
            slack: slack.collect(),
            labels: row.labels.clone(),
        },
    }
}
