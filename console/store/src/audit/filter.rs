//! Which events are wanted.

use centaur_base::oid::{ApiKeyId, Oid as _, PrincipalId, ProxyId, UserId};

use crate::list::Query;
use crate::time::Micros;

/// Which events are wanted; all by default, newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// About one object: its kind and row.
    pub object: Option<(String, i64)>,
    /// By one actor.
    pub actor: Option<AuditActor>,
    /// About a principal: itself, its grants, its roles, its proxies.
    pub principal: Option<PrincipalId>,
    /// With this action.
    pub action: Option<String>,
    /// At this time or later.
    pub since: Option<Micros>,
    /// Before this time.
    pub until: Option<Micros>,
    /// With a number below this one, for the next page.
    pub below: Option<i64>,
    /// With a number above this one.
    pub above: Option<i64>,
    /// In the order in which they happened.
    pub oldest_first: bool,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditActor {
    /// A user, also by any of its API keys.
    User(UserId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A proxy.
    Proxy(ProxyId),
    /// The program.
    System,
}

impl AuditFilter {
    pub(super) fn query(&self) -> Query {
        let mut query = Query::new("");
        if let Some((kind, id)) = &self.object {
            query.and("object_kind = ?", kind);
            query.and("object_id = ?", *id);
        }
        match self.actor {
            Some(AuditActor::User(id)) => query.and(BY_USER, id.row()),
            Some(AuditActor::ApiKey(id)) => query.and("actor_kind = 'api_key' AND actor_id = ?", id.row()),
            Some(AuditActor::Proxy(id)) => query.and("actor_kind = 'proxy' AND actor_id = ?", id.row()),
            Some(AuditActor::System) => query.and("actor_kind = ?", "system"),
            None => {}
        }
        if let Some(id) = self.principal {
            query.and("seq IN (SELECT seq FROM audit_principals WHERE principal_id = ?)", id.row());
        }
        if let Some(action) = &self.action {
            query.and("action = ?", action);
        }
        for (clause, value) in [
            ("at >= ?", self.since.map(|at| at.0)),
            ("at < ?", self.until.map(|at| at.0)),
            ("seq < ?", self.below),
            ("seq > ?", self.above),
        ] {
            if let Some(value) = value {
                query.and(clause, value);
            }
        }
        query
    }
}

const BY_USER: &str = "((actor_kind = 'user' AND actor_id = ?) OR \
     (actor_kind = 'api_key' AND actor_id IN (SELECT id FROM api_keys WHERE user_id = ?)))";
