//! Lists: pages, filters, and the labels that a filter looks through.

use serde_json::{Map, Value};

use crate::db::{Arg, args};
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};

/// Labels as they were sent: a JSON object of scalars, in order.
pub type Labels = Map<String, Value>;

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    number: u32,
    limit: u32,
}

impl Page {
    /// Page `number`, at least 1, of `limit` rows, held between 1 and 200 (console-api.md, section 5).
    pub fn new(number: i64, limit: i64) -> Self {
        let number = u32::try_from(number.max(1)).unwrap_or(u32::MAX);
        Self { number, limit: u32::try_from(limit.clamp(1, 200)).unwrap_or(200) }
    }

    /// The number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Rows per page.
    pub fn limit(self) -> u32 {
        self.limit
    }

    fn offset(self) -> i64 {
        i64::from(self.number - 1) * i64::from(self.limit)
    }
}

impl Default for Page {
    /// The first 50.
    fn default() -> Self {
        Self { number: 1, limit: 50 }
    }
}

/// Which rows of a list; all of them by default.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Exactly this namespace.
    pub namespace: Option<String>,
    /// Exactly this foreign id (slug).
    pub foreign_id: Option<String>,
    /// All of these labels. A number or boolean label is compared as its text.
    pub labels: Vec<(String, String)>,
    /// A part of the foreign id or the name, whatever the letter case.
    pub q: Option<String>,
}

/// A page of rows and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The rows of the page, by time of creation, then row id.
    pub rows: Vec<T>,
    /// All rows that pass the filter.
    pub total: u64,
}

impl<T> Listed<T> {
    /// How many pages of this length there are; 0 when there are no rows.
    pub fn total_pages(&self, page: Page) -> u64 {
        self.total.div_ceil(u64::from(page.limit))
    }
}

/// The condition of a query, put together from fixed clauses; values are always arguments.
#[derive(Debug)]
pub(crate) struct Query {
    clauses: String,
    args: Vec<Arg>,
}

impl Query {
    /// `first` is a fixed clause without arguments, or empty.
    pub(crate) fn new(first: &'static str) -> Self {
        Self { clauses: first.to_owned(), args: Vec::new() }
    }

    /// Adds a clause; `?` is where its argument goes.
    pub(crate) fn and(&mut self, clause: &'static str, value: impl Into<Arg>) {
        let place = self.arg(value);
        self.push(&clause.replace('?', &place));
    }

    /// Adds an argument; its name.
    pub(crate) fn arg(&mut self, value: impl Into<Arg>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    fn push(&mut self, clause: &str) {
        if !self.clauses.is_empty() {
            self.clauses.push_str(" AND ");
        }
        self.clauses.push_str(clause);
    }

    /// The clauses of a [`Filter`] over a table whose rows have labels of this kind.
    pub(crate) fn filter(&mut self, filter: &Filter, object_kind: &'static str, name: &'static str) {
        if let Some(namespace) = &filter.namespace {
            self.and("namespace = ?", namespace);
        }
        if let Some(foreign_id) = &filter.foreign_id {
            self.and(name, foreign_id);
        }
        if let Some(q) = filter.q.as_ref().filter(|q| !q.is_empty()) {
            // Unlike LIKE this has no wildcards to escape, and it counts letters the same on both engines.
            self.and("REPLACE(search, ?, '') <> search", q.to_lowercase());
        }
        for (key, value) in &filter.labels {
            let (kind, key, value) = (self.arg(object_kind), self.arg(key), self.arg(value));
            self.push(&format!(
                "id IN (SELECT object_id FROM labels WHERE object_kind = {kind} AND key = {key} AND value = {value})"
            ));
        }
    }

    /// One of these labels at least.
    pub(crate) fn and_any_label(&mut self, object_kind: &'static str, labels: &[(&str, &str)]) {
        let kind = self.arg(object_kind);
        let mut one = |&(key, value): &(&str, &str)| {
            let (key, value) = (self.arg(key), self.arg(value));
            format!("(key = {key} AND value = {value})")
        };
        let any: Vec<_> = labels.iter().map(&mut one).collect();
        let any = any.join(" OR ");
        self.push(&format!("id IN (SELECT object_id FROM labels WHERE object_kind = {kind} AND ({any}))"));
    }

    /// ` WHERE …`, or nothing.
    pub(crate) fn condition(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!(" WHERE {}", self.clauses) }
    }

    pub(crate) fn args(self) -> Vec<Arg> {
        self.args
    }
}

/// `$1, $2, …` for so many arguments.
pub(crate) fn places(count: usize) -> String {
    (1..=count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

/// What a substring search looks through.
pub(crate) fn search_text(foreign_id: Option<&str>, name: Option<&str>) -> String {
    format!("{}\n{}", foreign_id.unwrap_or(""), name.unwrap_or("")).to_lowercase()
}

impl ReadTx {
    /// A filter within the namespace that the transaction is held to. Asking for another one is refused, so that an
    /// empty list never looks like the answer.
    pub(crate) fn narrowed(&self, filter: &Filter) -> Result<Filter, StoreError> {
        if let Some(namespace) = &filter.namespace {
            self.within(namespace)?;
        }
        let namespace = filter.namespace.clone().or(self.scope().map(str::to_owned));
        Ok(Filter { namespace, ..filter.clone() })
    }

    /// A page of the row texts of a table, and the number of all of them.
    pub(crate) async fn page(
        &mut self,
        columns: &'static str,
        table: &'static str,
        mut query: Query,
        page: Page,
    ) -> Result<Listed<crate::db::Row>, StoreError> {
        let condition = query.condition();
        let count = format!("SELECT COUNT(*) FROM {table}{condition}");
        let total = self.number(sqlx::AssertSqlSafe(count), query.args.clone()).await?;
        let (limit, offset) = (query.arg(i64::from(page.limit)), query.arg(page.offset()));
        let select = format!(
            "SELECT {columns} FROM {table}{condition} ORDER BY created_at, id LIMIT {limit} OFFSET {offset}"
        );
        let rows = self.rows(sqlx::AssertSqlSafe(select), query.args).await?;
        Ok(Listed { rows, total: total.unsigned_abs() })
    }
}

impl WriteTx<'_> {
    /// Writes the rows of `labels` anew.
    pub(crate) async fn index_labels(
        &mut self,
        kind: &'static str,
        id: i64,
        labels: &Labels,
    ) -> Result<(), StoreError> {
        self.execute("DELETE FROM labels WHERE object_kind = $1 AND object_id = $2", args![kind, id]).await?;
        for (key, value) in labels {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            let row = args![kind, id, key, text];
            self.execute(
                "INSERT INTO labels (object_kind, object_id, key, value) VALUES ($1, $2, $3, $4)",
                row,
            )
            .await?;
        }
        Ok(())
    }
}

pub(crate) fn json_object(table: &'static str, text: &str) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::inconsistent(table, error.to_string()))
}

pub(crate) fn json_text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::inconsistent("documents", error.to_string()))
}

/// Numbers of things that statements name; fewer are filled up, so that there are few different statements.
const SIZES: [usize; 3] = [1, 16, 256];

/// As many at a time as one statement names.
pub(crate) fn some_at_a_time<T>(all: &[T]) -> std::slice::Chunks<'_, T> {
    all.chunks(SIZES[2])
}

/// The inside of an `IN (…)` whose arguments begin with `$first`, and as many arguments as it names.
pub(crate) fn filled(first: usize, mut args: Vec<Arg>) -> (String, Vec<Arg>) {
    let size = SIZES.into_iter().find(|size| args.len() <= *size).unwrap_or(args.len());
    if let Some(last) = args.last().cloned() {
        args.resize(size, last);
    }
    let places: Vec<_> = (first..first + args.len()).map(|at| format!("${at}")).collect();
    (places.join(", "), args)
}
