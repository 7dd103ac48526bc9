//! One statement, two engines: a transaction of either, arguments and cells of the four types the schema uses.
//!
//! Statements are written once, with `$1`, `$2`, … for arguments. sqlx's own `Any` driver is not used: it cannot bind
//! a typed null, and hides the errors' details.

use sqlx::{Postgres, Row as _, SqlSafeStr, Sqlite, Transaction};

use crate::error::StoreError;

/// An open transaction.
#[derive(Debug)]
pub(crate) enum Conn {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Conn {
    /// Whether `$1` is the name of an argument and not its place, which `?` is then.
    pub(crate) fn has_named_places(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// An argument of a statement; a null has its type, which PostgreSQL asks for.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

macro_rules! bind {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query($sql);
        for arg in $args {
            query = match arg {
                $crate::db::Arg::Int(value) => query.bind(value),
                $crate::db::Arg::Text(value) => query.bind(value),
                $crate::db::Arg::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}
pub(crate) use bind;

impl Conn {
    /// Asks for the time, in microseconds: the one question that the engines have no common words for.
    pub(crate) fn clock(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SELECT CAST(unixepoch('subsec') * 1000000 AS BIGINT)",
            Self::Postgres(_) => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// Runs a statement; how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<u64, StoreError> {
        storable(&args)?;
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(tx) => bind!(sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => bind!(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// All rows of a query.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        storable(&args)?;
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = bind!(sql, args).fetch_all(&mut **tx).await?;
                rows.into_iter().map(|row| Row { inner: Inner::Sqlite(row), next: 0 }).collect()
            }
            Self::Postgres(tx) => {
                let rows = bind!(sql, args).fetch_all(&mut **tx).await?;
                rows.into_iter().map(|row| Row { inner: Inner::Postgres(row), next: 0 }).collect()
            }
        })
    }

    /// The first row of a query.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// The one number that a query gives; 0 when it gives no row.
    pub(crate) async fn number(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<i64, StoreError> {
        match self.row(sql, args).await? {
            Some(mut row) => row.next(),
            None => Ok(0),
        }
    }

    /// Whether a query gives a row.
    pub(crate) async fn exists(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<bool, StoreError> {
        Ok(self.row(sql, args).await?.is_some())
    }

    /// Runs a text of several statements without arguments.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop)?,
            Self::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop)?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// PostgreSQL keeps no NUL in a text. Refused for both, so that they agree.
pub(crate) fn storable(args: &[Arg]) -> Result<(), StoreError> {
    let nul = |arg: &Arg| matches!(arg, Arg::Text(Some(text)) if text.contains('\0'));
    if args.iter().any(nul) {
        return Err(StoreError::Invalid { rule: "text_without_nul".to_owned() });
    }
    Ok(())
}

/// A row that is read from the left to the right.
#[derive(Debug)]
pub(crate) struct Row {
    inner: Inner,
    next: usize,
}

#[derive(Debug)]
enum Inner {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

/// What a cell can be read as, on both engines.
pub(crate) trait Cell:
    for<'r> sqlx::Decode<'r, Sqlite>
    + sqlx::Type<Sqlite>
    + for<'r> sqlx::Decode<'r, Postgres>
    + sqlx::Type<Postgres>
{
}

impl<T> Cell for T where
    T: for<'r> sqlx::Decode<'r, Sqlite>
        + sqlx::Type<Sqlite>
        + for<'r> sqlx::Decode<'r, Postgres>
        + sqlx::Type<Postgres>
{
}

impl Row {
    /// The next cell.
    pub(crate) fn next<T: Cell>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        Ok(match &self.inner {
            Inner::Sqlite(row) => row.try_get(index)?,
            Inner::Postgres(row) => row.try_get(index)?,
        })
    }

    /// The next cell, a number that means yes or no.
    pub(crate) fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.next::<i64>()? != 0)
    }
}

macro_rules! from {
    ($($variant:ident: $type:ty => $convert:expr;)*) => {$(
        impl From<$type> for Arg {
            fn from(value: $type) -> Self {
                let convert: fn($type) -> _ = $convert;
                Self::$variant(Some(convert(value)))
            }
        }

        impl From<Option<$type>> for Arg {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($convert))
            }
        }
    )*};
}

from! {
    Int: i64 => |value| value;
    Int: bool => i64::from;
    Int: crate::time::Micros => |value| value.0;
    Text: String => |value| value;
    Bytes: Vec<u8> => |value| value;
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<&str>> for Arg {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<&String> for Arg {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<&Option<String>> for Arg {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

impl From<&[u8]> for Arg {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}
