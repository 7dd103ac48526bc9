//! `pg_dsn_secrets`: a PostgreSQL upstream, routed by database name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SourceType;
use super::dsn::{Database, database_of};
use super::pg_settings::{Setting, settings, shown_settings};
use super::source::{Source, SourceReader};
use crate::wire::{Identity, Reader, is_blank};

/// An upstream and how sessions on it begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PgDsn {
    /// The name that clients connect to; several secrets may have the same.
    pub database: String,
    /// `SET ROLE` upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Session settings, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Where the DSN comes from.
    pub dsn: Source,
}

impl PgDsn {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        sources: &mut SourceReader<'_>,
        identity: &Identity,
    ) -> Option<Self> {
        if identity.foreign_id.is_none() {
            reader.reject("foreign_id", "can't be blank");
        }
        let database = reader.required_line("database");
        let role = reader.line("role").filter(|role| !is_blank(role));
        let settings = settings(reader);
        let dsn = sources.required(reader, "dsn", ("dsn_source", "can't be blank"));
        let (database, dsn) = (database?, dsn?);
        check_database(&database, &dsn, sources, reader);
        Some(Self { database, role, settings, dsn })
    }

    pub(super) fn show(&self, out: &mut Map<String, Value>) {
        out.insert("database".to_owned(), json!(self.database));
        out.insert("role".to_owned(), json!(self.role));
        out.insert("settings".to_owned(), shown_settings(&self.settings));
        out.insert("dsn".to_owned(), self.dsn.shown());
    }

    pub(super) fn sources(&self) -> Vec<(String, &Source)> {
        vec![("dsn".to_owned(), &self.dsn)]
    }
}

/// Only an inline DSN can be looked into.
fn check_database(database: &str, dsn: &Source, sources: &SourceReader<'_>, reader: &mut Reader<'_>) {
    if dsn.source_type != SourceType::ControlPlane {
        return;
    }
    let Some(value) = sources.values().value("dsn") else { return };
    let found = match dsn.json_key() {
        None => database_of(value.expose()),
        Some(key) => {
            let json: Option<Value> = serde_json::from_str(value.expose()).ok();
            let Some(mut json) = json else { return };
            let found = json.get(key).and_then(Value::as_str).map_or(Database::Unknown, database_of);
            crate::wire::wipe(&mut json);
            found
        }
    };
    match found {
        Database::None => {
            reader.reject("database", format!("DSN names no database; it must match \"{database}\""));
        }
        // The rest of a password with a `/` in it that is not escaped: libpq takes it for the database, too.
        Database::Named(other) if other.contains('@') && other != database => {
            reader.reject("database", "must match the DSN database");
        }
        Database::Named(other) if other != database => {
            reader.reject("database", format!("must match the DSN database (\"{other}\")"));
        }
        Database::Named(_) | Database::Unknown => {}
    }
}
