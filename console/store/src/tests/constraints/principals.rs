//! Of principals, roles and labels.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
];
