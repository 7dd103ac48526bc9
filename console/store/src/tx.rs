//! Transactions. The operations on them stand in the files of their tables.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::actor::{Actor, Who};
use crate::audit::Head;
use crate::db::{Arg, Conn, Row, args};
use crate::error::StoreError;
use crate::seal::KeyRing;
use crate::time::Micros;

/// Reads one state of the database. Dropping it ends it.
#[derive(Debug)]
pub struct ReadTx {
    conn: Conn,
    now: Micros,
    keys: Arc<KeyRing>,
    gave_up: bool,
    scope: Option<String>,
}

impl ReadTx {
    pub(crate) fn new(conn: Conn, now: Micros, keys: Arc<KeyRing>) -> Self {
        Self { conn, now, keys, gave_up: false, scope: None }
    }

    /// Held to one namespace: rows of others are refused, and lists leave them out.
    pub(crate) fn held_to(mut self, scope: Option<String>) -> Self {
        self.scope = scope;
        self
    }

    /// Sets another limit and returns the one before: for what follows from a change that was allowed, wherever it is.
    pub(crate) fn replace_scope(&mut self, scope: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.scope, scope)
    }

    /// The one namespace this transaction is held to.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Refuses what is of another namespace. Every read by id or name and every creation asks, so that no caller has
    /// to.
    pub(crate) fn within(&self, namespace: &str) -> Result<(), StoreError> {
        self.within_any(Some(namespace))
    }

    /// As [`ReadTx::within`]; what has no namespace is outside of every one.
    pub(crate) fn within_any(&self, namespace: Option<&str>) -> Result<(), StoreError> {
        match &self.scope {
            Some(scope) if namespace != Some(scope.as_str()) => Err(StoreError::OutOfScope(scope.clone())),
            _ => Ok(()),
        }
    }

    /// When the transaction began: the time of all rows it writes.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// The database's own time, within this transaction: what was read before may be old by now.
    pub(crate) async fn database_time(&mut self) -> Result<Micros, StoreError> {
        let sql = self.conn.clock();
        self.number(sql, vec![]).await.map(Micros)
    }

    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.keys.clone()
    }

    pub(crate) async fn execute(
        &mut self,
        sql: impl sqlx::SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        let result = self.conn.execute(sql, args).await;
        self.note(result)
    }

    pub(crate) async fn rows(
        &mut self,
        sql: impl sqlx::SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        let result = self.conn.rows(sql, args).await;
        self.note(result)
    }

    pub(crate) async fn row(
        &mut self,
        sql: impl sqlx::SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        let result = self.conn.row(sql, args).await;
        self.note(result)
    }

    pub(crate) async fn number(
        &mut self,
        sql: impl sqlx::SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<i64, StoreError> {
        let result = self.conn.number(sql, args).await;
        self.note(result)
    }

    pub(crate) async fn exists(
        &mut self,
        sql: impl sqlx::SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<bool, StoreError> {
        let result = self.conn.exists(sql, args).await;
        self.note(result)
    }

    /// Remembers that the engine gave up, whatever the caller makes of the error.
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.gave_up |= result.as_ref().is_err_and(StoreError::is_transient);
        result
    }
}

/// Writes, in its turn. It reads like a [`ReadTx`]. Made and committed by [`Store::write`](crate::Store::write).
///
/// `'c` is how long what its user's closure borrows lives; naming it here is what lets a closure borrow at all.
#[derive(Debug)]
pub struct WriteTx<'c> {
    read: ReadTx,
    borrows: PhantomData<&'c ()>,
    pub(crate) actor: Actor,
    pub(crate) audit: Head,
    audit_since: i64,
    pub(crate) change_seq: i64,
    /// The number of the last change here that may alter what a proxy gets.
    pub(crate) reached: Option<i64>,
}

impl WriteTx<'_> {
    pub(crate) async fn begin(read: ReadTx, actor: Actor) -> Result<Self, StoreError> {
        let mut read = read.held_to(actor.scope.clone());
        // On PostgreSQL this waits for the writer whose turn it is.
        let turn =
            "UPDATE ledger SET turn = turn + 1 WHERE id = 1 RETURNING audit_seq, audit_hash, change_seq";
        let mut row = read.row(turn, vec![]).await?.ok_or(StoreError::inconsistent("ledger", "no row"))?;
        let audit = Head { seq: row.next()?, hash: row.next()? };
        let (audit_since, change_seq) = (audit.seq, row.next()?);
        Ok(Self { read, borrows: PhantomData, actor, audit, audit_since, change_seq, reached: None })
    }

    /// Commits; the number of the last change there is.
    pub(crate) async fn commit(mut self) -> Result<i64, StoreError> {
        let heads = args![self.audit.seq, self.audit.hash.as_slice(), self.change_seq];
        self.execute(
            "UPDATE ledger SET audit_seq = $1, audit_hash = $2, change_seq = $3 WHERE id = 1",
            heads,
        )
        .await?;
        self.read.conn.commit().await?;
        Ok(self.change_seq)
    }

    /// How many events it has written into the audit log.
    pub(crate) fn audit_events_written(&self) -> u64 {
        u64::try_from(self.audit.seq - self.audit_since).unwrap_or(0)
    }

    pub(crate) fn gave_up(&self) -> bool {
        self.read.gave_up
    }

    /// Who writes.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// From here on it is this one who writes: whom somebody turned out to be.
    pub fn acts_as(&mut self, who: Who) {
        self.actor.who = who;
    }

    /// The next row id of a table.
    pub(crate) async fn next_id(&mut self, table: &'static str) -> Result<i64, StoreError> {
        self.number(NEXT_ID, args![table]).await
    }
}

/// Takes the next row id of a table.
pub(crate) const NEXT_ID: &str = "INSERT INTO id_counters (name, last) VALUES ($1, 1) \
     ON CONFLICT (name) DO UPDATE SET last = id_counters.last + 1 RETURNING last";

impl Deref for WriteTx<'_> {
    type Target = ReadTx;

    fn deref(&self) -> &ReadTx {
        &self.read
    }
}

impl DerefMut for WriteTx<'_> {
    fn deref_mut(&mut self) -> &mut ReadTx {
        &mut self.read
    }
}
