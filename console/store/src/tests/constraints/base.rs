//! Of the ledger and the log, of users, keys and sessions.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
];
