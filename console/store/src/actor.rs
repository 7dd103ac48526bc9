//! Who writes.

use centaur_base::oid::{ApiKeyId, Oid, ProxyId, UserId};

/// Who asked for a change, for the audit log and for `created_by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account, or the program itself.
    pub who: Who,
    /// The account is an administrator who is viewing as an operator.
    pub as_operator: bool,
    /// The request that asked.
    pub request_id: Option<String>,
    /// The address the request came from.
    pub address: Option<String>,
    /// The one namespace in which the account may read and write; `None` is all.
    pub scope: Option<String>,
}

/// The account of an [`Actor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A user, signed in to the console.
    User(UserId),
    /// A user by an API key.
    ApiKey(ApiKeyId, UserId),
    /// A proxy by its token.
    Proxy(ProxyId),
    /// The program: first boot, the broker, the clock.
    System,
}

impl Actor {
    /// The program itself.
    pub fn system() -> Self {
        Who::System.into()
    }

    /// The user behind the change; `None` for proxies and the program.
    pub fn user(&self) -> Option<UserId> {
        match self.who {
            Who::User(user) | Who::ApiKey(_, user) => Some(user),
            Who::Proxy(_) | Who::System => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.who {
            Who::User(_) => "user",
            Who::ApiKey(..) => "api_key",
            Who::Proxy(_) => "proxy",
            Who::System => "system",
        }
    }

    pub(crate) fn row(&self) -> Option<i64> {
        match self.who {
            Who::User(id) => Some(id.row()),
            Who::ApiKey(id, _) => Some(id.row()),
            Who::Proxy(id) => Some(id.row()),
            Who::System => None,
        }
    }

    pub(crate) fn created_by(&self) -> Option<i64> {
        self.user().map(Oid::row)
    }
}

impl From<Who> for Actor {
    fn from(who: Who) -> Self {
        Self { who, as_operator: false, request_id: None, address: None, scope: None }
    }
}
