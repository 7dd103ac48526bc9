//! One case per constraint of the schema: a statement that trips it, beside one that does not.

mod base;
mod credentials;
mod principals;
mod secrets;

use std::collections::BTreeSet;

use sqlx::error::ErrorKind;

use super::on_both;
use super::world::World;
use crate::db::{Conn, args};
use crate::error::broken_rule;

on_both!(every_constraint_refuses_what_it_is_for);

async fn every_constraint_refuses_what_it_is_for(world: World) {
    for sql in SEED {
        world.raw(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    // A second digest, which no literal of both engines can write.
    let mut conn = world.store.pools().write().await.expect("a transaction");
    let other = "INSERT INTO proxy_tokens (token_hash, proxy_id, created_at) VALUES ($1, 7, 0)";
    conn.execute(other, args![vec![1_u8; 32]]).await.expect("a digest");
    conn.commit().await.expect("committed");
    for (constraint, refused, allowed) in cases() {
        let error = attempt(&world, refused).await.expect_err(refused);
        let cause = error.as_database_error().unwrap_or_else(|| panic!("{refused}: {error}"));
        let rule = broken_rule(cause);
        // SQLite does not say which foreign key it was.
        let unnamed = cause.kind() == ErrorKind::ForeignKeyViolation && rule.is_empty();
        // Of a primary key it says table and column.
        let table = constraint.strip_suffix("pk").map(|table| table.trim_end_matches('_'));
        let of_key =
            table.is_some_and(|table| rule.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')));
        assert!(rule == *constraint || unnamed || of_key, "{refused}: {rule:?} instead of {constraint:?}");
        if let Err(error) = attempt(&world, allowed).await {
            panic!("{constraint}: {allowed}: {error}");
        }
    }
}

/// Runs a statement, and takes it back.
async fn attempt(world: &World, sql: &'static str) -> Result<(), sqlx::Error> {
    match world.store.pools().write().await.expect("a transaction") {
        Conn::Sqlite(mut tx) => sqlx::raw_sql(sql).execute(&mut *tx).await.map(drop),
        Conn::Postgres(mut tx) => sqlx::raw_sql(sql).execute(&mut *tx).await.map(drop),
    }
}

#[test]
fn every_constraint_of_the_schema_has_a_case() {
    let text: String = crate::migrate::texts().map(|(_, sql)| sql).collect();
    let names = text.split("CONSTRAINT ").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let names: Vec<_> = names.collect();
    let distinct: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "a name is used twice");
    let tested: BTreeSet<_> = cases().map(|(name, ..)| *name).collect();
    let missing: Vec<_> = distinct.difference(&tested).filter(|name| !NEVER_TRIPS.contains(name)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// Targets of composite foreign keys: the row id alone is unique already.
const NEVER_TRIPS: &[&str] =
    &["principals_id_namespace_key", "roles_id_namespace_key", "secrets_id_namespace_key"];

const SEED: &[&str] = &[
    "INSERT INTO users (id, email, status, admin, revision, created_at, updated_at) \
     VALUES (1, 'ada@example.com', 'active', 1, 1, 0, 0), (2, 'bob@example.com', 'pending', 0, 1, 0, 0)",
    "INSERT INTO api_keys (id, user_id, name, token_hash, created_at, updated_at) \
     SELECT 1, 1, 'ci', audit_hash, 0, 0 FROM ledger",
    "INSERT INTO user_identities (id, user_id, provider, subject, email_verified, last_sign_in_at, created_at, \
     updated_at) VALUES (1, 1, 'google', 's-1', 1, 0, 0, 0), (2, 1, 'google', 's-2', 0, 0, 0, 0)",
    "INSERT INTO sessions (id, token_hash, user_id, provider, as_operator, last_used_at, created_at) \
     SELECT 1, audit_hash, 1, 'password', 0, 0, 0 FROM ledger",
    "INSERT INTO login_attempts (id, account, network, at) SELECT 1, audit_hash, audit_hash, 0 FROM ledger",
    "INSERT INTO changes (seq, kind, at) VALUES (1, 'role', 0)",
    "INSERT INTO audit_events (seq, at, actor_kind, as_operator, action, object_kind, object_id, prev_hash, hash) \
     SELECT 1, 0, 'system', 0, 'create', 'role', 1, audit_hash, audit_hash FROM ledger",
    "INSERT INTO settings (name, value, updated_at) VALUES ('a', '1', 0)",
    "INSERT INTO id_counters (name, last) VALUES ('a', 1)",
    "INSERT INTO principals (id, namespace, foreign_id, labels, search, repo_cache, observability_enabled, \
     api_server_enabled, config_version, revision, created_at, updated_at) \
     VALUES (1, 'lab', 'ada', '{}', '', 'all', 1, 0, 0, 1, 0, 0), (2, 'lab', 'bob', '{}', '', 'none', 0, 1, 0, 1, 0, 0)",
    "INSERT INTO slack_permissions (principal_id, channel_id, upload, download, history) VALUES (1, 'C1', 1, 0, 0)",
    "INSERT INTO roles (id, namespace, foreign_id, labels, search, config_version, revision, created_at, updated_at) \
     VALUES (1, 'lab', 'tools', '{}', '', 0, 1, 0, 0), (2, 'lab', 'infra', '{}', '', 0, 1, 0, 0), \
            (3, 'other', 'tools', '{}', '', 0, 1, 0, 0)",
    "INSERT INTO role_assignments (principal_id, role_id, namespace, created_at) VALUES (1, 1, 'lab', 0)",
    "INSERT INTO labels (object_kind, object_id, key, value) VALUES ('role', 1, 'k', 'v')",
    "INSERT INTO oauth_apps (id, slug, labels, search, provider, client_id, client_secret, allowed_scopes, \
     credential_namespace, enabled, revision, created_at, updated_at) \
     SELECT 1, 'drive', '{}', '', 'google', 'id', audit_hash, '[]', 'lab', 1, 1, 0, 0 FROM ledger",
    "INSERT INTO oauth_apps (id, slug, labels, search, provider, client_id, client_secret, allowed_scopes, \
     credential_namespace, enabled, revision, created_at, updated_at) \
     SELECT 2, 'mail', '{}', '', 'google', 'id', audit_hash, '[]', 'lab', 1, 1, 0, 0 FROM ledger",
    "INSERT INTO broker_credentials (id, namespace, foreign_id, labels, search, grant_type, token_endpoint, scopes, \
     token_endpoint_header_names, early_refresh_slack_seconds, early_refresh_fraction_ppm, \
     max_refresh_interval_seconds, refresh_timeout_seconds, failure_count, dead, seed_version, oauth_app_id, \
     provider_subject, revision, created_at, updated_at) \
     VALUES (1, 'lab', 'one', '{}', '', 'refresh_token', 'https://idp.example', '[]', '[]', 300, 200000, 86400, 30, \
             0, 0, 0, 1, 'subject-1', 1, 0, 0), \
            (2, 'lab', 'two', '{}', '', 'password', 'https://idp.example', '[]', '[]', 300, 0, 86400, 300, \
             0, 1, 0, 1, 'subject-2', 1, 0, 0)",
    "INSERT INTO broker_attempts (credential_id, attempt_id, started_at, duration_ms, result, rotated) \
     VALUES (1, 'a', 0, 1, 'success', 1)",
    "INSERT INTO broker_notices (credential_id, attempt_id, reason, died_at, next_try_at, tries) \
     VALUES (1, 'a', 'invalid_grant', 0, 0, 0)",
    "INSERT INTO declined_suggestions (credential_id, principal_id, declined_at) VALUES (1, 1, 0)",
    "INSERT INTO secrets (id, kind, namespace, foreign_id, labels, search, definition, rules, revision, created_at, \
     updated_at) \
     VALUES (1, 'static_secret', 'lab', 'one', '{}', '', '{}', '[]', 1, 0, 0), \
            (2, 'static_secret', 'lab', 'two', '{}', '', '{}', '[]', 1, 0, 0), \
            (3, 'static_secret', 'other', 'one', '{}', '', '{}', '[]', 1, 0, 0)",
    "INSERT INTO secret_sources (id, secret_id, slot, position, source_type, config, broker_credential_id) \
     VALUES (1, 1, 'source', 0, 'token_broker', '{}', 1), (2, 1, 'other', 1, 'env', '{}', NULL)",
    "INSERT INTO grants (id, principal_id, role_id, role_namespace, secret_id, priority, revision, created_at, \
     updated_at) \
     VALUES (1, 1, NULL, NULL, 1, 100, 1, 0, 0), (2, NULL, 1, 'lab', 1, 0, 1, 0, 0), (3, 1, NULL, NULL, 3, 0, 1, 0, 0)",
    "INSERT INTO proxies (id, name, principal_id, fallback_principal_id, fallback_mode, assignment, acknowledged, \
     revision, created_at, updated_at) VALUES (1, 'edge', 1, 2, 'never', 1, 0, 1, 0, 0)",
    "INSERT INTO proxy_tokens (token_hash, proxy_id, created_at) SELECT audit_hash, 1, 0 FROM ledger",
];

/// The constraint, a statement it refuses, a statement like it that is allowed.
type Case = (&'static str, &'static str, &'static str);

fn cases() -> impl Iterator<Item = &'static Case> {
    [base::CASES, principals::CASES, credentials::CASES, secrets::CASES].into_iter().flatten()
}
