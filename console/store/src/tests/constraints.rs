//! One case per constraint of the schema: a statement that trips it, beside one that does not.

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
    for (constraint, refused, allowed) in CASES {
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
    let tested: BTreeSet<_> = CASES.iter().map(|(name, ..)| *name).collect();
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
const CASES: &[(&str, &str, &str)] = &[
    ("ledger_pk", "INSERT INTO ledger SELECT * FROM ledger", "UPDATE ledger SET turn = 2"),
    ("ledger_one_row", "UPDATE ledger SET id = 2", "UPDATE ledger SET id = 1"),
    (
        "ledger_hash_length",
        "UPDATE ledger SET audit_hash = substr(audit_hash, 1, 31)",
        "UPDATE ledger SET audit_hash = substr(audit_hash, 1, 32)",
    ),
    ("id_counters_pk", "INSERT INTO id_counters VALUES ('a', 2)", "INSERT INTO id_counters VALUES ('b', 2)"),
    (
        "changes_pk",
        "INSERT INTO changes (seq, kind, at) VALUES (1, 'role', 0)",
        "INSERT INTO changes (seq, kind, at) VALUES (2, 'role', 0)",
    ),
    (
        "audit_events_pk",
        "INSERT INTO audit_events SELECT * FROM audit_events",
        "UPDATE audit_events SET seq = 2",
    ),
    (
        "audit_events_as_operator",
        "UPDATE audit_events SET as_operator = 2",
        "UPDATE audit_events SET as_operator = 1",
    ),
    (
        "audit_events_actor_kind",
        "UPDATE audit_events SET actor_kind = 'ghost'",
        "UPDATE audit_events SET actor_kind = 'proxy'",
    ),
    (
        "audit_events_hash_length",
        "UPDATE audit_events SET prev_hash = substr(hash, 1, 31)",
        "UPDATE audit_events SET prev_hash = substr(hash, 1, 32)",
    ),
    ("settings_pk", "INSERT INTO settings VALUES ('a', '2', 0)", "INSERT INTO settings VALUES ('b', '2', 0)"),
    ("users_pk", "UPDATE users SET id = 1 WHERE id = 2", "UPDATE users SET id = 3 WHERE id = 2"),
    (
        "users_approved_by_fk",
        "UPDATE users SET approved_by = 99 WHERE id = 2",
        "UPDATE users SET approved_by = 1 WHERE id = 2",
    ),
    (
        "users_email_key",
        "UPDATE users SET email = 'ada@example.com' WHERE id = 2",
        "UPDATE users SET email = 'eve@example.com' WHERE id = 2",
    ),
    (
        "users_email_form",
        "UPDATE users SET email = 'Eve@example.com' WHERE id = 2",
        "UPDATE users SET email = 'eve@example.com' WHERE id = 2",
    ),
    ("users_status", "UPDATE users SET status = 'asleep'", "UPDATE users SET status = 'disabled'"),
    ("users_admin", "UPDATE users SET admin = 2", "UPDATE users SET admin = 1"),
    ("users_email_verified", "UPDATE users SET email_verified = 2", "UPDATE users SET email_verified = 0"),
    (
        "user_identities_pk",
        "UPDATE user_identities SET id = 1 WHERE id = 2",
        "UPDATE user_identities SET id = 3 WHERE id = 2",
    ),
    (
        "user_identities_user_fk",
        "UPDATE user_identities SET user_id = 99",
        "UPDATE user_identities SET user_id = 2",
    ),
    (
        "user_identities_subject_key",
        "UPDATE user_identities SET subject = 's-1' WHERE id = 2",
        "UPDATE user_identities SET subject = 's-1', provider = 'slack' WHERE id = 2",
    ),
    (
        "user_identities_provider",
        "UPDATE user_identities SET provider = ''",
        "UPDATE user_identities SET provider = 'x'",
    ),
    (
        "user_identities_subject",
        "UPDATE user_identities SET subject = '' WHERE id = 2",
        "UPDATE user_identities SET subject = 'x' WHERE id = 2",
    ),
    (
        "user_identities_email_verified",
        "UPDATE user_identities SET email_verified = 2",
        "UPDATE user_identities SET email_verified = 0",
    ),
    (
        "sessions_pk",
        "INSERT INTO sessions SELECT id, (SELECT token_hash FROM proxy_tokens WHERE proxy_id = 7), user_id, provider, \
         as_operator, address, user_agent, last_used_at, created_at FROM sessions",
        "INSERT INTO sessions SELECT 2, (SELECT token_hash FROM proxy_tokens WHERE proxy_id = 7), user_id, provider, \
         as_operator, address, user_agent, last_used_at, created_at FROM sessions",
    ),
    (
        "sessions_token_hash_key",
        "INSERT INTO sessions SELECT 2, token_hash, user_id, provider, as_operator, address, user_agent, \
         last_used_at, created_at FROM sessions",
        "UPDATE sessions SET id = 2",
    ),
    (
        "sessions_token_hash_length",
        "UPDATE sessions SET token_hash = substr(token_hash, 1, 31)",
        "UPDATE sessions SET token_hash = substr(token_hash, 1, 32)",
    ),
    ("sessions_user_fk", "UPDATE sessions SET user_id = 99", "UPDATE sessions SET user_id = 2"),
    ("sessions_provider", "UPDATE sessions SET provider = ''", "UPDATE sessions SET provider = 'okta'"),
    ("sessions_as_operator", "UPDATE sessions SET as_operator = 2", "UPDATE sessions SET as_operator = 1"),
    (
        "login_attempts_pk",
        "INSERT INTO login_attempts SELECT * FROM login_attempts",
        "UPDATE login_attempts SET id = 2",
    ),
    (
        "login_attempts_account_length",
        "UPDATE login_attempts SET account = substr(account, 1, 31)",
        "UPDATE login_attempts SET account = NULL",
    ),
    (
        "login_attempts_network_length",
        "UPDATE login_attempts SET network = substr(network, 1, 31)",
        "UPDATE login_attempts SET network = substr(network, 1, 32)",
    ),
    (
        "api_keys_pk",
        "INSERT INTO api_keys (id, user_id, name, token_hash, created_at, updated_at) \
         SELECT 1, 1, 'ci', token_hash, 0, 0 FROM proxy_tokens WHERE proxy_id = 7",
        "UPDATE api_keys SET id = 2",
    ),
    ("api_keys_user_fk", "UPDATE api_keys SET user_id = 99", "UPDATE api_keys SET user_id = 2"),
    (
        "api_keys_token_hash_key",
        "INSERT INTO api_keys (id, user_id, name, token_hash, created_at, updated_at) \
         SELECT 2, 1, 'ci', token_hash, 0, 0 FROM api_keys",
        "UPDATE api_keys SET token_hash = token_hash",
    ),
    (
        "api_keys_token_hash_length",
        "UPDATE api_keys SET token_hash = substr(token_hash, 1, 31)",
        "UPDATE api_keys SET token_hash = substr(token_hash, 1, 32)",
    ),
    ("api_keys_namespace", "UPDATE api_keys SET namespace = ''", "UPDATE api_keys SET namespace = 'lab'"),
    ("api_keys_read_only", "UPDATE api_keys SET read_only = 2", "UPDATE api_keys SET read_only = 1"),
    (
        "audit_principals_event_fk",
        "INSERT INTO audit_principals (principal_id, seq) VALUES (1, 99)",
        "INSERT INTO audit_principals (principal_id, seq) VALUES (1, 1)",
    ),
    (
        "audit_principals_pk",
        "INSERT INTO audit_principals (principal_id, seq) VALUES (1, 1), (1, 1)",
        "INSERT INTO audit_principals (principal_id, seq) VALUES (1, 1), (2, 1)",
    ),
    (
        "config_views_pk",
        "INSERT INTO config_views SELECT 1, 1, 2, audit_hash, 0 FROM ledger; \
         INSERT INTO config_views SELECT 1, 1, 3, audit_hash, 0 FROM ledger",
        "INSERT INTO config_views SELECT 1, 1, 2, audit_hash, 0 FROM ledger; \
         INSERT INTO config_views SELECT 2, 1, 3, audit_hash, 0 FROM ledger",
    ),
    (
        "config_views_principal_fk",
        "INSERT INTO config_views SELECT 1, 99, 2, audit_hash, 0 FROM ledger",
        "INSERT INTO config_views SELECT 1, 1, 2, audit_hash, 0 FROM ledger",
    ),
    (
        "config_views_version_key",
        "INSERT INTO config_views SELECT 1, 1, 2, audit_hash, 0 FROM ledger; \
         INSERT INTO config_views SELECT 2, 1, 2, audit_hash, 0 FROM ledger",
        "INSERT INTO config_views SELECT 1, 1, 2, audit_hash, 0 FROM ledger; \
         INSERT INTO config_views SELECT 2, 1, 4, audit_hash, 0 FROM ledger",
    ),
    ("api_keys_name", "UPDATE api_keys SET name = ''", "UPDATE api_keys SET name = 'x'"),
    (
        "principals_pk",
        "INSERT INTO principals SELECT 1, namespace, 'eve', name, labels, search, repo_cache, observability_enabled, \
         api_server_enabled, config_version, created_by, revision, created_at, updated_at FROM principals WHERE id = 1",
        "INSERT INTO principals SELECT 3, namespace, 'eve', name, labels, search, repo_cache, observability_enabled, \
         api_server_enabled, config_version, created_by, revision, created_at, updated_at FROM principals WHERE id = 1",
    ),
    (
        "principals_created_by_fk",
        "UPDATE principals SET created_by = 99",
        "UPDATE principals SET created_by = 1",
    ),
    (
        "principals_foreign_id_key",
        "UPDATE principals SET foreign_id = 'ada' WHERE id = 2",
        "UPDATE principals SET foreign_id = NULL",
    ),
    (
        "principals_namespace",
        "UPDATE principals SET namespace = '' WHERE id = 2",
        "UPDATE principals SET namespace = 'other' WHERE id = 2",
    ),
    (
        "principals_foreign_id",
        "UPDATE principals SET foreign_id = '' WHERE id = 2",
        "UPDATE principals SET foreign_id = NULL WHERE id = 2",
    ),
    (
        "principals_repo_cache",
        "UPDATE principals SET repo_cache = 'some'",
        "UPDATE principals SET repo_cache = 'public'",
    ),
    (
        "principals_flags",
        "UPDATE principals SET observability_enabled = 2",
        "UPDATE principals SET observability_enabled = 1",
    ),
    (
        "slack_permissions_pk",
        "INSERT INTO slack_permissions SELECT * FROM slack_permissions",
        "UPDATE slack_permissions SET channel_id = 'C2'",
    ),
    (
        "slack_permissions_principal_fk",
        "UPDATE slack_permissions SET principal_id = 99",
        "UPDATE slack_permissions SET principal_id = 2",
    ),
    (
        "slack_permissions_flags",
        "UPDATE slack_permissions SET upload = 2",
        "UPDATE slack_permissions SET history = 1",
    ),
    (
        "slack_permissions_some",
        "UPDATE slack_permissions SET upload = 0",
        "UPDATE slack_permissions SET upload = 0, history = 1",
    ),
    ("roles_pk", "UPDATE roles SET id = 3 WHERE id = 2", "UPDATE roles SET id = 4 WHERE id = 2"),
    ("roles_created_by_fk", "UPDATE roles SET created_by = 99", "UPDATE roles SET created_by = 1"),
    (
        "roles_foreign_id_key",
        "UPDATE roles SET foreign_id = 'tools' WHERE id = 2",
        "UPDATE roles SET foreign_id = NULL",
    ),
    (
        "roles_namespace",
        "UPDATE roles SET namespace = '' WHERE id = 2",
        "UPDATE roles SET namespace = 'x' WHERE id = 2",
    ),
    ("roles_foreign_id", "UPDATE roles SET foreign_id = ''", "UPDATE roles SET foreign_id = NULL"),
    (
        "role_assignments_pk",
        "INSERT INTO role_assignments SELECT * FROM role_assignments",
        "INSERT INTO role_assignments VALUES (2, 1, 'lab', NULL, 0)",
    ),
    (
        "role_assignments_created_by_fk",
        "UPDATE role_assignments SET created_by = 99",
        "UPDATE role_assignments SET created_by = 1",
    ),
    (
        "role_assignments_principal_fk",
        "INSERT INTO role_assignments VALUES (2, 3, 'other', NULL, 0)",
        "INSERT INTO role_assignments VALUES (2, 2, 'lab', NULL, 0)",
    ),
    (
        "role_assignments_role_fk",
        "INSERT INTO role_assignments VALUES (2, 3, 'lab', NULL, 0)",
        "INSERT INTO role_assignments VALUES (2, 2, 'lab', NULL, 0)",
    ),
    (
        "labels_pk",
        "INSERT INTO labels VALUES ('role', 1, 'k', 'w')",
        "INSERT INTO labels VALUES ('role', 2, 'k', 'w')",
    ),
    (
        "oauth_apps_pk",
        "UPDATE oauth_apps SET id = 1 WHERE id = 2",
        "UPDATE oauth_apps SET id = 3 WHERE id = 2",
    ),
    (
        "oauth_apps_created_by_fk",
        "UPDATE oauth_apps SET created_by = 99",
        "UPDATE oauth_apps SET created_by = 1",
    ),
    (
        "oauth_apps_slug_key",
        "UPDATE oauth_apps SET slug = 'drive' WHERE id = 2",
        "UPDATE oauth_apps SET slug = 'chat' WHERE id = 2",
    ),
    (
        "oauth_apps_slug",
        "UPDATE oauth_apps SET slug = '' WHERE id = 2",
        "UPDATE oauth_apps SET slug = 'x' WHERE id = 2",
    ),
    ("oauth_apps_enabled", "UPDATE oauth_apps SET enabled = 2", "UPDATE oauth_apps SET enabled = 0"),
    (
        "broker_credentials_pk",
        "UPDATE broker_credentials SET id = 1 WHERE id = 2",
        "UPDATE broker_credentials SET id = 3 WHERE id = 2",
    ),
    (
        "broker_credentials_app_fk",
        "DELETE FROM oauth_apps WHERE id = 1",
        "DELETE FROM oauth_apps WHERE id = 2",
    ),
    (
        "broker_credentials_created_by_fk",
        "UPDATE broker_credentials SET created_by = 99",
        "UPDATE broker_credentials SET created_by = 1",
    ),
    (
        "broker_credentials_foreign_id_key",
        "UPDATE broker_credentials SET foreign_id = 'one' WHERE id = 2",
        "UPDATE broker_credentials SET foreign_id = NULL",
    ),
    (
        "broker_credentials_subject_key",
        "UPDATE broker_credentials SET provider_subject = 'subject-1' WHERE id = 2",
        "UPDATE broker_credentials SET provider_subject = 'subject-1', oauth_app_id = 2 WHERE id = 2",
    ),
    (
        "broker_credentials_namespace",
        "UPDATE broker_credentials SET namespace = ''",
        "UPDATE broker_credentials SET namespace = 'x'",
    ),
    (
        "broker_credentials_grant",
        "UPDATE broker_credentials SET grant_type = 'magic'",
        "UPDATE broker_credentials SET grant_type = 'preqin'",
    ),
    (
        "broker_credentials_slack",
        "UPDATE broker_credentials SET early_refresh_slack_seconds = 0",
        "UPDATE broker_credentials SET early_refresh_slack_seconds = 1",
    ),
    (
        "broker_credentials_fraction",
        "UPDATE broker_credentials SET early_refresh_fraction_ppm = 1000000",
        "UPDATE broker_credentials SET early_refresh_fraction_ppm = 999999",
    ),
    (
        "broker_credentials_interval",
        "UPDATE broker_credentials SET max_refresh_interval_seconds = 0",
        "UPDATE broker_credentials SET max_refresh_interval_seconds = 1",
    ),
    (
        "broker_credentials_timeout",
        "UPDATE broker_credentials SET refresh_timeout_seconds = 301",
        "UPDATE broker_credentials SET refresh_timeout_seconds = 300",
    ),
    (
        "broker_credentials_dead",
        "UPDATE broker_credentials SET dead = 2",
        "UPDATE broker_credentials SET dead = 1",
    ),
    (
        "broker_credentials_lease",
        "UPDATE broker_credentials SET attempt_id = 'a'",
        "UPDATE broker_credentials SET attempt_id = 'a', lease_until = 9",
    ),
    (
        "broker_attempts_pk",
        "INSERT INTO broker_attempts SELECT * FROM broker_attempts",
        "UPDATE broker_attempts SET attempt_id = 'b'",
    ),
    (
        "broker_attempts_credential_fk",
        "UPDATE broker_attempts SET credential_id = 99",
        "UPDATE broker_attempts SET credential_id = 2",
    ),
    (
        "broker_attempts_rotated",
        "UPDATE broker_attempts SET rotated = 2",
        "UPDATE broker_attempts SET rotated = 0",
    ),
    (
        "broker_notices_pk",
        "INSERT INTO broker_notices SELECT * FROM broker_notices",
        "UPDATE broker_notices SET attempt_id = 'b'",
    ),
    (
        "broker_notices_credential_fk",
        "UPDATE broker_notices SET credential_id = 99",
        "UPDATE broker_notices SET credential_id = 2",
    ),
    ("secrets_pk", "UPDATE secrets SET id = 1 WHERE id = 2", "UPDATE secrets SET id = 4 WHERE id = 2"),
    (
        "secrets_credential_fk",
        "UPDATE secrets SET broker_credential_id = 99",
        "UPDATE secrets SET broker_credential_id = 2",
    ),
    ("secrets_created_by_fk", "UPDATE secrets SET created_by = 99", "UPDATE secrets SET created_by = 1"),
    (
        "secrets_foreign_id_key",
        "UPDATE secrets SET foreign_id = 'one' WHERE id = 2",
        "UPDATE secrets SET foreign_id = 'one', kind = 'hmac_secret' WHERE id = 2",
    ),
    (
        "secrets_kind",
        "UPDATE secrets SET kind = 'magic' WHERE id = 2",
        "UPDATE secrets SET kind = 'aws_auth_secret' WHERE id = 2",
    ),
    (
        "secrets_namespace",
        "UPDATE secrets SET namespace = '' WHERE id = 2",
        "UPDATE secrets SET namespace = 'x' WHERE id = 2",
    ),
    (
        "secrets_foreign_id",
        "UPDATE secrets SET foreign_id = '' WHERE id = 2",
        "UPDATE secrets SET foreign_id = NULL WHERE id = 2",
    ),
    (
        "secrets_pg_dsn_named",
        "UPDATE secrets SET kind = 'pg_dsn_secret', foreign_id = NULL WHERE id = 2",
        "UPDATE secrets SET kind = 'pg_dsn_secret' WHERE id = 2",
    ),
    (
        "secret_sources_pk",
        "UPDATE secret_sources SET id = 1 WHERE id = 2",
        "UPDATE secret_sources SET id = 3 WHERE id = 2",
    ),
    (
        "secret_sources_secret_fk",
        "UPDATE secret_sources SET secret_id = 99",
        "UPDATE secret_sources SET secret_id = 2",
    ),
    (
        "secret_sources_credential_fk",
        "DELETE FROM broker_credentials WHERE id = 1",
        "DELETE FROM broker_credentials WHERE id = 2",
    ),
    (
        "secret_sources_slot_key",
        "UPDATE secret_sources SET slot = 'source' WHERE id = 2",
        "UPDATE secret_sources SET slot = 'source', secret_id = 2 WHERE id = 2",
    ),
    (
        "secret_sources_type",
        "UPDATE secret_sources SET source_type = 'magic' WHERE id = 2",
        "UPDATE secret_sources SET source_type = 'aws_sm' WHERE id = 2",
    ),
    (
        "secret_sources_value",
        "UPDATE secret_sources SET source_type = 'control_plane' WHERE id = 2",
        "UPDATE secret_sources SET source_type = 'control_plane', \
         value = (SELECT audit_hash FROM ledger) WHERE id = 2",
    ),
    (
        "secret_sources_credential",
        "UPDATE secret_sources SET broker_credential_id = 1 WHERE id = 2",
        "UPDATE secret_sources SET broker_credential_id = 1, source_type = 'token_broker' WHERE id = 2",
    ),
    ("grants_pk", "UPDATE grants SET id = 1 WHERE id = 2", "UPDATE grants SET id = 4 WHERE id = 2"),
    (
        "grants_principal_fk",
        "UPDATE grants SET principal_id = 99 WHERE id = 1",
        "UPDATE grants SET principal_id = 2 WHERE id = 1",
    ),
    (
        "grants_secret_fk",
        "UPDATE grants SET secret_id = 99 WHERE id = 1",
        "UPDATE grants SET secret_id = 2 WHERE id = 1",
    ),
    ("grants_created_by_fk", "UPDATE grants SET created_by = 99", "UPDATE grants SET created_by = 1"),
    (
        "grants_one_grantee",
        "UPDATE grants SET principal_id = 2 WHERE id = 2",
        "UPDATE grants SET principal_id = 2, role_id = NULL, role_namespace = NULL WHERE id = 2",
    ),
    (
        "grants_role_namespace",
        "UPDATE grants SET role_namespace = NULL WHERE id = 2",
        "UPDATE grants SET role_namespace = 'lab' WHERE id = 2",
    ),
    (
        "grants_principal_secret_key",
        "UPDATE grants SET secret_id = 1 WHERE id = 3",
        "UPDATE grants SET secret_id = 2 WHERE id = 3",
    ),
    (
        "grants_role_secret_key",
        "INSERT INTO grants SELECT 4, NULL, 1, 'lab', 1, 0, NULL, NULL, 1, 0, 0 FROM ledger",
        "INSERT INTO grants SELECT 4, NULL, 1, 'lab', 2, 0, NULL, NULL, 1, 0, 0 FROM ledger",
    ),
    (
        "grants_role_fk",
        "INSERT INTO grants SELECT 4, NULL, 3, 'lab', 2, 0, NULL, NULL, 1, 0, 0 FROM ledger",
        "INSERT INTO grants SELECT 4, NULL, 2, 'lab', 2, 0, NULL, NULL, 1, 0, 0 FROM ledger",
    ),
    (
        "grants_secret_namespace_fk",
        "INSERT INTO grants SELECT 4, NULL, 3, 'other', 2, 0, NULL, NULL, 1, 0, 0 FROM ledger",
        "INSERT INTO grants SELECT 4, NULL, 3, 'other', 3, 0, NULL, NULL, 1, 0, 0 FROM ledger",
    ),
    ("proxies_pk", "INSERT INTO proxies SELECT * FROM proxies", "UPDATE proxies SET id = 2"),
    ("proxies_principal_fk", "UPDATE proxies SET principal_id = 99", "UPDATE proxies SET principal_id = 2"),
    (
        "proxies_fallback_fk",
        "UPDATE proxies SET fallback_principal_id = 99",
        "UPDATE proxies SET fallback_principal_id = 1",
    ),
    ("proxies_created_by_fk", "UPDATE proxies SET created_by = 99", "UPDATE proxies SET created_by = 1"),
    ("proxies_name", "UPDATE proxies SET name = ''", "UPDATE proxies SET name = 'x'"),
    (
        "proxies_fallback_mode",
        "UPDATE proxies SET fallback_mode = 'perhaps'",
        "UPDATE proxies SET fallback_mode = NULL",
    ),
    ("proxies_acknowledged", "UPDATE proxies SET acknowledged = 2", "UPDATE proxies SET acknowledged = 1"),
    (
        "proxy_tokens_pk",
        "INSERT INTO proxy_tokens SELECT token_hash, 2, NULL, NULL, 0 FROM proxy_tokens",
        "UPDATE proxy_tokens SET proxy_id = 2",
    ),
    (
        "proxy_tokens_hash_length",
        "UPDATE proxy_tokens SET token_hash = substr(token_hash, 1, 31)",
        "UPDATE proxy_tokens SET token_hash = substr(token_hash, 1, 32)",
    ),
];
