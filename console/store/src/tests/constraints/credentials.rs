//! Of OAuth apps and broker credentials.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
    (
        "oauth_apps_auto_grant",
        "UPDATE oauth_apps SET auto_grant = 'always'",
        "UPDATE oauth_apps SET auto_grant = 'suggest'",
    ),
    (
        "declined_suggestions_pk",
        "INSERT INTO declined_suggestions VALUES (1, 1, 0)",
        "INSERT INTO declined_suggestions VALUES (2, 1, 0)",
    ),
    (
        "declined_suggestions_credential_fk",
        "INSERT INTO declined_suggestions VALUES (99, 1, 0)",
        "INSERT INTO declined_suggestions VALUES (1, 2, 0)",
    ),
    (
        "declined_suggestions_principal_fk",
        "INSERT INTO declined_suggestions VALUES (1, 99, 0)",
        "INSERT INTO declined_suggestions VALUES (2, 2, 0)",
    ),
];
