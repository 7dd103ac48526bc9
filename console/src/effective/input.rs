//! What the store knows, as far as assembling needs it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::api_server::ApiServer;
use super::claims::Claim;
use super::deliver::SourceValues;
use super::fallback::Fallback;
use super::piece::Piece;
use crate::definition::{Body, Common, CredentialRef, SecretKind, Values};
use crate::wire::Identity;

/// Everything that a payload is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The principal of the proxy; `None` when it is unassigned.
    pub subject: Option<&'a Subject>,
    /// Who supplies what the principal lacks.
    pub fallback: Option<Fallback<'a>>,
    /// All secrets that any of the grants reaches; a grant whose secret is not here counts for nothing.
    pub secrets: &'a HashMap<SecretKey, Arc<StoredSecret>>,
    /// Broker credentials, and sources that the console resolves.
    pub sources: &'a dyn SourceValues,
    /// Foreign ids of the roles that every principal is seeded with (`CENTAUR_DEFAULT_ROLES`).
    pub default_roles: &'a [String],
    /// Foreign ids of roles to leave out (`exclude_roles`).
    pub exclude_roles: &'a [String],
    /// The generated entry for the API server, when that is configured.
    pub api_server: Option<&'a ApiServer>,
    /// Microseconds since 1970.
    pub now: i64,
}

/// A principal and all that reaches it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Who.
    pub principal: Principal,
    /// Direct grants and those of all its roles, expired ones included.
    pub grants: Vec<Grant>,
}

/// A principal.
#[derive(Debug, Clone, Default)]
pub struct Principal {
    /// The OID.
    pub oid: String,
    /// The namespace.
    pub namespace: String,
    /// The foreign id.
    pub foreign_id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The labels as stored.
    pub labels: Map<String, Value>,
    /// `sandbox_api_server_enabled`
    pub api_server_enabled: bool,
    /// What it may do in which Slack channel.
    pub slack: Vec<SlackRow>,
}

/// A row of `slack_channel_permissions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlackRow {
    /// In upper case.
    pub channel_id: String,
    /// `upload_enabled`
    pub upload: bool,
    /// `download_enabled`
    pub download: bool,
    /// `history_enabled`
    pub history: bool,
}

/// One grant that reaches a principal.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The OID of the grant.
    pub oid: String,
    /// How it reaches the principal.
    pub via: Via,
    /// What it grants.
    pub secret: SecretKey,
    /// Higher wins.
    pub priority: i64,
    /// Microseconds since 1970; from then on it is not effective. `None` is never.
    pub expires_at: Option<i64>,
}

/// How a grant reaches a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// It is the principal's own.
    Direct,
    /// Through a role.
    Role {
        /// The OID of the role.
        oid: String,
        /// Its foreign id.
        foreign_id: Option<String>,
    },
}

impl Via {
    /// Whether it is a role whose foreign id is among these.
    pub(super) fn is_role_among(&self, foreign_ids: &[String]) -> bool {
        match self {
            Self::Role { foreign_id: Some(foreign_id), .. } => foreign_ids.contains(foreign_id),
            _ => false,
        }
    }
}

/// Which row of which type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretKey {
    /// The type.
    pub kind: SecretKind,
    /// The row.
    pub id: i64,
}

/// A secret as the store has it, values opened.
#[derive(Debug)]
pub struct StoredSecret {
    /// The OID.
    pub oid: String,
    /// Namespace and foreign id.
    pub identity: Identity,
    /// Name, description, labels.
    pub common: Common,
    /// What belongs to the type.
    pub body: Body,
    /// Inline values by the path of their source.
    pub values: Values,
    /// What was made of the rest.
    pub(super) derived: Derived,
}

/// What follows from a secret alone, made when it is first asked for.
#[derive(Default)]
pub(super) struct Derived {
    claim: OnceLock<Claim>,
    credentials: OnceLock<Vec<CredentialRef>>,
    /// The entry, for as long as nothing from outside of the secret goes into it.
    pub(super) piece: OnceLock<Arc<Piece>>,
}

impl StoredSecret {
    /// A secret. It must not be changed after it was first assembled.
    pub fn new(oid: String, identity: Identity, common: Common, body: Body, values: Values) -> Self {
        Self { oid, identity, common, body, values, derived: Derived::default() }
    }

    /// What it writes, and where it applies.
    pub(super) fn claim(&self) -> &Claim {
        self.derived.claim.get_or_init(|| Claim::of(&self.body))
    }

    /// The broker credentials that its sources refer to.
    pub(super) fn credentials(&self) -> &[CredentialRef] {
        self.derived.credentials.get_or_init(|| self.body.credentials())
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived(..)")
    }
}
