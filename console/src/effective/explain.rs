//! What became of every credential, and why.

use serde_json::{Map, Value, json};

use super::fallback::FallbackMode;
use super::input::{Grant, SecretKey, Via};
use crate::wire::timestamp;

/// One credential that some grant reaches.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Which secret.
    pub key: SecretKey,
    /// Its OID.
    pub oid: String,
    /// Its name.
    pub name: Option<String>,
    /// The grants, the strongest first; live ones only, unless all have expired.
    pub paths: Vec<Grant>,
    /// The highest priority of these.
    pub priority: i64,
    /// Whose grants they are.
    pub supplier: Supplier,
    /// What became of it.
    pub outcome: Outcome,
}

/// Whose grants a credential comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplier {
    /// The principal of the proxy.
    Principal,
    /// Its fallback.
    Fallback,
}

/// What became of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the payload.
    Served,
    /// It could be delivered and another one goes first.
    Withheld(Withheld),
    /// It cannot be delivered or is not chosen.
    Skipped(Skip),
}

/// Why a credential that could be delivered is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withheld {
    /// A stronger one writes the same place of the same requests.
    Conflict {
        /// OID of the winner.
        by: String,
        /// `header:authorization`, `query:key`.
        place: String,
        /// The host or range of the loser's rule that overlaps.
        scope: String,
    },
    /// The fallback principal's, where the principal has its own.
    PrincipalHas {
        /// OID of the principal's credential.
        by: String,
        /// What the two have in common.
        why: Precedence,
    },
    /// The fallback principal's, which the mode leaves out.
    Mode(FallbackMode),
}

/// What makes a principal's credential go before the fallback's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// The same `centaur-tool` label.
    Tool,
    /// The same placeholder.
    Placeholder,
    /// Rules that one host can match.
    Target,
    /// The same database, or the same variable for it.
    Database,
}

/// Why a credential is not in the payload although nothing stronger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// It has no source, or the value of an inline source is gone.
    NoSource,
    /// The broker credential that it refers to does not exist.
    NoCredential,
    /// The broker credential has no token yet.
    CredentialBootstrapping,
    /// The broker credential cannot refresh any more.
    CredentialDead,
    /// The broker credential's token has expired.
    CredentialExpired,
    /// The console could not resolve a source; says why.
    Unresolved(String),
    /// Every grant has expired.
    GrantExpired,
    /// Another secret serves its database.
    DatabaseLost {
        /// OID of the winner.
        by: String,
    },
}

impl Skip {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::NoCredential => "credential_missing",
            Self::CredentialBootstrapping => "credential_bootstrapping",
            Self::CredentialDead => "credential_dead",
            Self::CredentialExpired => "credential_expired",
            Self::Unresolved(_) => "source_unresolved",
            Self::GrantExpired => "grant_expired",
            Self::DatabaseLost { .. } => "database_route_lost",
        }
    }
}

impl Withheld {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::PrincipalHas { why: Precedence::Tool, .. } => "principal_has_tool",
            Self::PrincipalHas { why: Precedence::Placeholder, .. } => "principal_has_placeholder",
            Self::PrincipalHas { why: Precedence::Target, .. } => "principal_has_target",
            Self::PrincipalHas { why: Precedence::Database, .. } => "principal_has_database",
            Self::Mode(_) => "fallback_mode",
        }
    }
}

impl Outcome {
    /// `served`, `withheld` or `skipped`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Withheld(_) => "withheld",
            Self::Skipped(_) => "skipped",
        }
    }

    /// One sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Served => "delivered to the proxy".to_owned(),
            Self::Withheld(Withheld::Conflict { by, place, scope }) => {
                format!("{by} is stronger and writes {place} for requests that {scope} matches too")
            }
            Self::Withheld(Withheld::PrincipalHas { by, why }) => {
                let what = match why {
                    Precedence::Tool => "tool",
                    Precedence::Placeholder => "placeholder",
                    Precedence::Target => "target",
                    Precedence::Database => "database",
                };
                format!("the principal's own {by} covers the same {what}")
            }
            Self::Withheld(Withheld::Mode(FallbackMode::Never)) => {
                "the fallback mode is never: only the principal's own grants count".to_owned()
            }
            Self::Withheld(Withheld::Mode(mode)) => {
                format!("the fallback mode is {} and the principal has grants of its own", mode.as_str())
            }
            Self::Skipped(skip) => skip.sentence(),
        }
    }
}

impl Skip {
    fn sentence(&self) -> String {
        match self {
            Self::NoSource => "it has no source".to_owned(),
            Self::NoCredential => "the broker credential that it refers to does not exist".to_owned(),
            Self::CredentialBootstrapping => "its broker credential has no token yet".to_owned(),
            Self::CredentialDead => "its broker credential is dead; supply fresh credentials".to_owned(),
            Self::CredentialExpired => "the token of its broker credential has expired".to_owned(),
            Self::Unresolved(why) => format!("the console cannot resolve its source: {why}"),
            Self::GrantExpired => "every grant has expired".to_owned(),
            Self::DatabaseLost { by } => format!("{by} is stronger and serves the same database"),
        }
    }
}

/// The list as a response shows it. Names ids and places, never a value.
pub fn explain(explained: &[Explained]) -> Value {
    explained.iter().map(shown).collect()
}

fn shown(one: &Explained) -> Value {
    let mut out = Map::new();
    out.insert("secret_id".to_owned(), json!(one.oid));
    out.insert("name".to_owned(), json!(one.name));
    out.insert("kind".to_owned(), json!(one.key.kind));
    out.insert("priority".to_owned(), json!(one.priority));
    let supplier = match one.supplier {
        Supplier::Principal => "self",
        Supplier::Fallback => "requester",
    };
    out.insert("supplied_by".to_owned(), supplier.into());
    out.insert("paths".to_owned(), one.paths.iter().map(path).collect());
    out.insert("outcome".to_owned(), one.outcome.as_str().into());
    if let Outcome::Withheld(withheld) = &one.outcome {
        out.insert("reason".to_owned(), withheld.code().into());
    }
    if let Outcome::Skipped(skip) = &one.outcome {
        out.insert("reason".to_owned(), skip.code().into());
    }
    let winner = match &one.outcome {
        Outcome::Withheld(Withheld::Conflict { by, .. } | Withheld::PrincipalHas { by, .. })
        | Outcome::Skipped(Skip::DatabaseLost { by }) => Some(by),
        _ => None,
    };
    if let Some(winner) = winner {
        out.insert("winner_id".to_owned(), json!(winner));
    }
    if let Outcome::Withheld(Withheld::Conflict { place, scope, .. }) = &one.outcome {
        out.insert("place".to_owned(), json!(place));
        out.insert("scope".to_owned(), json!(scope));
    }
    out.insert("explanation".to_owned(), one.outcome.sentence().into());
    Value::Object(out)
}

fn path(grant: &Grant) -> Value {
    let mut out = Map::new();
    out.insert("grant_id".to_owned(), json!(grant.oid));
    match &grant.via {
        Via::Direct => out.insert("via".to_owned(), "direct".into()),
        Via::Role { oid, foreign_id } => {
            out.insert("via".to_owned(), "role".into());
            out.insert("role_id".to_owned(), json!(oid));
            out.insert("role_foreign_id".to_owned(), json!(foreign_id))
        }
    };
    out.insert("priority".to_owned(), json!(grant.priority));
    out.insert("expires_at".to_owned(), grant.expires_at.map_or(Value::Null, |at| timestamp(at).into()));
    Value::Object(out)
}
