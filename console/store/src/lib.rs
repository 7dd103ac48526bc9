//! What the console, the broker and the JSON API keep: rows, queries and migrations, in one SQL for SQLite and
//! PostgreSQL.
//!
//! Read first: [`Store`], then `migrations/0001_ledger.sql`, which says how the schema is written, then one
//! repository, `roles.rs`.
//!
//! * [`Store::open`] migrates; [`Store::read`] gives one state to read; [`Store::write`] runs a transaction and
//!   tries it again when the engine gave up.
//! * Reading is done by the methods of [`ReadTx`], writing by those of [`WriteTx`], which reads too. Every write says
//!   who asked ([`Actor`]), adds to the audit log and, where it may alter what proxies get, to the change feed: all in
//!   its transaction.
//! * Sensitive columns are sealed ([`KeyRing`]); tokens are kept as digests ([`TokenHash`]).
//!
//! This crate checks what the schema can check: keys, references, value ranges. The forms of names, sources and rules
//! are the API's to check.
//!
//! To add a table: a migration with the next number in `migrate.rs`, with a name for each constraint; its unique keys
//! in the table of `error.rs`; a file with the row type, its reads and its writes; sealed columns in the table of
//! `reseal.rs`; in `tests`, a suite that runs on both engines and one test per constraint.

#![expect(clippy::option_option, reason = "a patch keeps, takes away or sets: three states, as in the JSON")]

mod actor;
mod api_keys;
mod apps;
mod attempts;
mod audit;
mod broker;
mod changes;
mod counters;
mod credentials;
mod db;
mod error;
mod file;
mod grants;
mod identities;
mod list;
mod migrate;
mod name;
mod notes;
mod notices;
mod principals;
mod proxies;
mod reseal;
mod roles;
mod seal;
mod secrets;
mod sessions;
mod settings;
mod store;
mod time;
mod token;
mod tx;
mod users;
mod views;

pub use actor::{Actor, Who};
pub use api_keys::{ApiKey, NewApiKey};
pub use apps::{AppPatch, AutoGrant, ClientAuthMethod, GenericProvider, OauthApp};
pub use attempts::{LoginLimits, LoginSource, LoginTurn};
pub use audit::{AuditActor, AuditEvent, AuditFilter, Chain, Link, Verified};
pub use broker::{Broker, MovedProviders, SpoolSeal, client_auth, moved_endpoint};
pub use changes::{Change, Moved};
pub use counters::Counts;
pub use credentials::{
    AccessToken, Attempt, BrokerCredential, Claim, Consent, Consented, CredentialLinks, CredentialPatch,
    CredentialStand, DeathNotice, GrantType, Material, Minted, NOT_REFRESHABLE, NewCredential, Outcome,
    Timing,
};
pub use error::StoreError;
pub use grants::{
    Grant, GrantFilter, GrantPath, Grantee, Held, Holder, Holdings, OpenedSecret, SecretVersion,
};
pub use identities::{Identity, SeenIdentity};
pub use list::{Filter, Labels, Listed, Page};
pub use migrate::SCHEMA_VERSION;
pub use name::{Name, Upserted};
pub use notes::{Acknowledged, Seen};
pub use notices::Notices;
pub use principals::{Principal, PrincipalPatch, REPO_CACHE_LABEL, RepoCache, SlackPermission};
pub use proxies::{FallbackMode, Proxy, ProxyAuth, ProxyCounts, ProxyPatch};
pub use reseal::Resealed;
pub use roles::{Role, RolePatch, SAME_NAMESPACE};
pub use seal::{KeyRing, Place, SealError};
pub use secrets::{
    Document, KEEP_SECRET, NewSource, SecretId, SecretKind, SourceType, SourceValue, StoredSecret,
    StoredSource,
};
pub use sessions::{NewSession, Session, SessionLimits};
pub use settings::PrincipalDefaults;
pub use store::{Options, Store, Work};
pub use time::{Clock, Micros};
pub use token::TokenHash;
pub use tx::{ReadTx, WriteTx};
pub use users::{NewUser, User, UserPatch, UserStatus};
pub use views::VIEWS_KEPT;

#[cfg(test)]
mod tests;
