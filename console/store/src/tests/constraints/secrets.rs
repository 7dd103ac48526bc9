//! Of secrets, grants and proxies.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
