//! The calls that steps make. Ids of what an earlier step makes are not known yet; they are named by what makes them.

use centaur_base::oid::{BrokerCredentialId, GrantId, PrincipalId, RoleId, SecretId, SecretKind};
use centaur_client::api::{Credential, NewGrant, Principal, Role, Secret};
use serde_json::Value;

/// An id: known, or of what an earlier step makes under a foreign id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made<I> {
    /// It is there.
    Id(I),
    /// An earlier `PUT` of the plan makes it.
    By(String),
}

/// What a record looked like when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// `revision`
    pub revision: Option<i64>,
    /// `updated_at`, for consoles without revisions.
    pub updated_at: Option<String>,
}

macro_rules! seen {
    ($($type:ty),*) => {$(
        impl From<&$type> for Seen {
            fn from(row: &$type) -> Self {
                Self { revision: row.revision, updated_at: row.updated_at.clone() }
            }
        }
    )*};
}

seen!(Principal, Role, Secret, Credential);

/// One call.
#[derive(Debug)]
pub enum Call {
    /// `PUT principals/<at>`
    PutPrincipal {
        /// Foreign id or id.
        at: String,
        /// The attributes.
        data: Value,
        /// What was read; nothing for what was not there.
        seen: Seen,
    },
    /// `PUT roles/<at>`
    PutRole {
        /// Foreign id or id.
        at: String,
        /// The attributes.
        data: Value,
        /// What was read; nothing for what was not there.
        seen: Seen,
    },
    /// `PUT <collection>/<at>`
    PutSecret {
        /// Which collection.
        kind: SecretKind,
        /// Foreign id or id.
        at: String,
        /// The whole definition.
        data: Value,
        /// What was read; nothing for what was not there.
        seen: Seen,
    },
    /// `PUT broker_credentials/<at>`. Its attributes may hold secrets, which nothing of the plan shows.
    PutCredential {
        /// Foreign id or id.
        at: String,
        /// The attributes.
        data: Confidential,
        /// What was read; nothing for what was not there.
        seen: Seen,
    },
    /// `POST principals/<id>/roles`
    Assign {
        /// To whom.
        principal: Made<PrincipalId>,
        /// What.
        role: Made<RoleId>,
    },
    /// `DELETE principals/<id>/roles/<id>`
    Unassign {
        /// From whom.
        principal: PrincipalId,
        /// What.
        role: RoleId,
    },
    /// `GET roles/<id>/grants`: remembers them, so that [`Call::GrantToRole`] leaves out what is there.
    ReadGrants {
        /// Whose.
        role: Made<RoleId>,
    },
    /// `POST grants`
    GrantToPrincipal {
        /// To whom.
        principal: Made<PrincipalId>,
        /// What.
        secret: MadeSecret,
        /// With which terms.
        terms: Terms,
    },
    /// `POST grants`
    GrantToRole {
        /// To whom.
        role: Made<RoleId>,
        /// What.
        secret: MadeSecret,
        /// With which terms.
        terms: Terms,
    },
    /// `PATCH grants/<id>`
    SetPriority {
        /// Which.
        grant: GrantId,
        /// Higher wins.
        priority: i64,
    },
    /// `DELETE grants/<id>`, then `POST grants`: a grant cannot be given another end in any other way. Between the two
    /// there is none.
    Renew {
        /// The one that is there.
        grant: GrantId,
        /// The one that replaces it.
        new: NewGrant,
    },
    /// `DELETE grants/<id>`
    Revoke {
        /// Which.
        grant: GrantId,
    },
    /// `DELETE principals/<id>`
    DeletePrincipal {
        /// Which.
        id: PrincipalId,
        /// What was read.
        seen: Seen,
    },
    /// `DELETE roles/<id>`
    DeleteRole {
        /// Which.
        id: RoleId,
        /// What was read.
        seen: Seen,
    },
    /// `DELETE <collection>/<id>`
    DeleteSecret {
        /// Which.
        id: SecretId,
        /// What was read.
        seen: Seen,
    },
    /// `DELETE broker_credentials/<id>`
    DeleteCredential {
        /// Which.
        id: BrokerCredentialId,
        /// What was read.
        seen: Seen,
    },
}

/// A secret: known, or one that an earlier step makes, by type and foreign id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeSecret {
    /// It is there.
    Id(SecretId),
    /// An earlier step makes it.
    By(SecretKind, String),
}

/// Terms of a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Higher wins; `None` is the console's default.
    pub priority: Option<i64>,
    /// RFC 3339; `None` is never.
    pub expires_at: Option<String>,
}

/// Attributes that may hold secrets: never shown.
pub struct Confidential(pub Value);

impl std::fmt::Debug for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Confidential(..)")
    }
}

impl Drop for Confidential {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => zeroize::Zeroize::zeroize(text),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}
