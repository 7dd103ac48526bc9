//! The audit log: one event per change, in a chain of hashes.
//!
//! The hash of an event is SHA-256 over the previous hash and the fields of the row in the order of the columns, each
//! with its length, so that no two rows have one encoding. Whoever alters or removes an event in the middle has to
//! alter all that follow; whoever keeps the last hash elsewhere notices that too.

mod filter;

use centaur_base::oid::{Oid, PrincipalId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::time::Micros;
use crate::tx::{ReadTx, WriteTx};

pub use filter::{AuditActor, AuditFilter};

/// The end of the chain.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: Vec<u8>,
}

/// What happened to which object.
#[derive(Debug)]
pub(crate) struct Entry<'a, B, A> {
    pub(crate) action: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) id: i64,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) before: Option<&'a B>,
    pub(crate) after: Option<&'a A>,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// When the transaction of the change began.
    pub at: Micros,
    /// `user`, `api_key`, `proxy` or `system`.
    pub actor_kind: String,
    /// The row of the actor in its table; `None` for the system.
    pub actor_id: Option<i64>,
    /// An administrator who was viewing as an operator.
    pub as_operator: bool,
    /// `create`, `update`, `delete`, `assign`, …
    pub action: String,
    /// `principal`, `role`, `grant`, …
    pub object_kind: String,
    /// The row of the object in its table.
    pub object_id: i64,
    /// The namespace of the object, where it has one.
    pub namespace: Option<String>,
    /// The object before, as JSON, without secrets.
    pub before: Option<String>,
    /// The object after, as JSON, without secrets.
    pub after: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    /// The hash of the event before.
    #[serde(skip)]
    pub prev_hash: Vec<u8>,
    /// The hash of this event.
    #[serde(skip)]
    pub hash: Vec<u8>,
}

impl AuditEvent {
    fn fields(&self) -> Vec<Arg> {
        args![
            self.seq,
            self.at,
            &self.actor_kind,
            self.actor_id,
            self.as_operator,
            &self.action,
            &self.object_kind,
            self.object_id,
            &self.namespace,
            &self.before,
            &self.after,
            &self.request_id,
            &self.address,
        ]
    }

    /// The hash this event has to have.
    pub fn expected_hash(&self) -> Vec<u8> {
        let mut hasher = Sha256::new_with_prefix(&self.prev_hash);
        for field in self.fields() {
            match field {
                Arg::Int(None) | Arg::Text(None) | Arg::Bytes(None) => hasher.update([0]),
                Arg::Int(Some(number)) => {
                    hasher.update([1]);
                    hasher.update(number.to_be_bytes());
                }
                Arg::Text(Some(text)) => with_length(&mut hasher, text.as_bytes()),
                Arg::Bytes(Some(bytes)) => with_length(&mut hasher, &bytes),
            }
        }
        hasher.finalize().to_vec()
    }
}

fn with_length(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update([2]);
    hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(bytes);
}

/// What [`ReadTx::verify_audit`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// All events up to this number are in place; the hash of the last one, to be kept elsewhere.
    Whole {
        /// The number of the last event, 0 without events.
        seq: i64,
        /// Its hash.
        hash: Vec<u8>,
    },
    /// The first number at which the chain does not hold.
    BrokenAt(i64),
}

/// A place in the chain: an event, or the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number of the event; 0 is before the first.
    pub seq: i64,
    /// Its hash; 32 zero bytes before the first.
    pub hash: Vec<u8>,
}

impl Default for Link {
    /// The beginning.
    fn default() -> Self {
        Self { seq: 0, hash: vec![0; 32] }
    }
}

/// What a step of [`ReadTx::verify_audit_after`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// All in order up to here; there may be more.
    Up(Link),
    /// The end, or where it breaks.
    End(Chain),
}

const COLUMNS: &str = "seq, at, actor_kind, actor_id, as_operator, action, object_kind, object_id, namespace, \
                       before, after, request_id, address, prev_hash, hash";

impl ReadTx {
    /// Events that pass the filter, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audit_events(
        &mut self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let mut query = filter.query();
        if let Some(scope) = self.scope() {
            query.and("namespace = ?", scope);
        }
        let limit = query.arg(i64::from(limit));
        let order = if filter.oldest_first { "seq" } else { "seq DESC" };
        let sql =
            format!("SELECT {COLUMNS} FROM audit_events{} ORDER BY {order} LIMIT {limit}", query.condition());
        self.events(sql, query.args()).await
    }

    /// The number of the last event, 0 without events.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_audit_event(&mut self) -> Result<i64, StoreError> {
        self.number("SELECT audit_seq FROM ledger WHERE id = 1", vec![]).await
    }

    /// The hash of an event.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audit_hash(&mut self, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.row("SELECT hash FROM audit_events WHERE seq = $1", args![seq]).await?;
        row.map(|mut row| row.next()).transpose()
    }

    /// Walks the chain from the first event to the last, in this one transaction. For a log of any length:
    /// [`ReadTx::verify_audit_after`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verify_audit(&mut self) -> Result<Chain, StoreError> {
        let mut at = Link::default();
        loop {
            match self.verify_audit_after(&at, VERIFY_BATCH).await? {
                Verified::Up(to) => at = to,
                Verified::End(chain) => return Ok(chain),
            }
        }
    }

    /// Verifies the events that follow `at`, at most `limit` of them. As events are only ever added, each step may be
    /// taken in a transaction of its own.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verify_audit_after(&mut self, at: &Link, limit: u32) -> Result<Verified, StoreError> {
        let limit = limit.clamp(1, VERIFY_BATCH);
        let Link { mut seq, mut hash } = at.clone();
        let next = format!("SELECT {COLUMNS} FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT {limit}");
        let events = self.events(next, args![seq]).await?;
        let is_full = events.len() == limit as usize;
        for event in events {
            let holds =
                event.seq == seq + 1 && event.prev_hash == hash && event.hash == event.expected_hash();
            if !holds {
                return Ok(Verified::End(Chain::BrokenAt(seq + 1)));
            }
            (seq, hash) = (event.seq, event.hash);
        }
        if is_full {
            return Ok(Verified::Up(Link { seq, hash }));
        }
        // Events cut off at the end leave the head ahead of them.
        let head = self.row("SELECT audit_seq, audit_hash FROM ledger WHERE id = 1", vec![]).await?;
        let mut head = head.ok_or(StoreError::inconsistent("ledger", "no row"))?;
        if head.next::<i64>()? != seq || head.next::<Vec<u8>>()? != hash {
            return Ok(Verified::End(Chain::BrokenAt(seq + 1)));
        }
        Ok(Verified::End(Chain::Whole { seq, hash }))
    }

    async fn events(&mut self, sql: String, args: Vec<Arg>) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(AuditEvent {
                    seq: row.next()?,
                    at: Micros(row.next()?),
                    actor_kind: row.next()?,
                    actor_id: row.next()?,
                    as_operator: row.flag()?,
                    action: row.next()?,
                    object_kind: row.next()?,
                    object_id: row.next()?,
                    namespace: row.next()?,
                    before: row.next()?,
                    after: row.next()?,
                    request_id: row.next()?,
                    address: row.next()?,
                    prev_hash: row.next()?,
                    hash: row.next()?,
                })
            })
            .collect()
    }
}

impl WriteTx<'_> {
    /// Writes an event that is no change of a row: a sign-in, an export. `details` must hold no secret.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audit(
        &mut self,
        action: &'static str,
        kind: &'static str,
        id: i64,
        details: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let entry = Entry { action, kind, id, namespace: None, before: None::<&()>, after: Some(details) };
        self.record(entry).await
    }

    pub(crate) async fn record<B: Serialize, A: Serialize>(
        &mut self,
        entry: Entry<'_, B, A>,
    ) -> Result<(), StoreError> {
        let mut event = AuditEvent {
            seq: self.audit.seq + 1,
            at: self.now(),
            actor_kind: self.actor.kind().to_owned(),
            actor_id: self.actor.row(),
            as_operator: self.actor.as_operator,
            action: entry.action.to_owned(),
            object_kind: entry.kind.to_owned(),
            object_id: entry.id,
            namespace: entry.namespace.map(str::to_owned),
            before: entry.before.map(json).transpose()?,
            after: entry.after.map(json).transpose()?,
            request_id: self.actor.request_id.clone(),
            address: self.actor.address.clone(),
            prev_hash: self.audit.hash.clone(),
            hash: Vec::new(),
        };
        event.hash = event.expected_hash();
        let mut fields = event.fields();
        fields.extend(args![event.prev_hash.as_slice(), event.hash.as_slice()]);
        self.execute(INSERT, fields).await?;
        for principal in concerned(&event) {
            let sql = "INSERT INTO audit_principals (principal_id, seq) VALUES ($1, $2)";
            self.execute(sql, args![principal, event.seq]).await?;
        }
        self.audit = Head { seq: event.seq, hash: event.hash };
        Ok(())
    }
}

/// The rows of the principals that an event is about: itself, or those that the object names.
fn concerned(event: &AuditEvent) -> Vec<i64> {
    #[derive(Deserialize)]
    struct Named {
        principal_id: Option<PrincipalId>,
        fallback_principal_id: Option<PrincipalId>,
    }
    let mut rows = Vec::new();
    if event.object_kind == "principal" {
        rows.push(event.object_id);
    }
    for text in [&event.before, &event.after].into_iter().flatten() {
        // Most objects name none.
        if let Ok(named) = serde_json::from_str::<Named>(text) {
            rows.extend(
                [named.principal_id, named.fallback_principal_id].into_iter().flatten().map(Oid::row),
            );
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::inconsistent("audit_events", error.to_string()))
}

const INSERT: &str = "INSERT INTO audit_events (seq, at, actor_kind, actor_id, as_operator, action, object_kind, \
                      object_id, namespace, before, after, request_id, address, prev_hash, hash) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// Events that are in memory at once.
const VERIFY_BATCH: u32 = 500;
