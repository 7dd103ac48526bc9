//! Principals and roles.

use serde_json::Value;

use super::Named;
use super::shared::{identity, line, revision, times, written_identity, written_labels};
use crate::openapi::schema::{
    Object, about, flag, list_of, nullable, oid, pattern, reference, some_text, text, words,
};

const REPO_CACHE: [&str; 3] = ["none", "public", "all"];
const SLACK_ROWS: &str = "slack_channel_permissions";

pub(super) fn all() -> Vec<Named> {
    let role_id = about(some_text(), "The object id of a role of the same namespace.");
    vec![
        ("Principal", principal()),
        ("PrincipalWrite", principal_write()),
        ("SlackPermission", slack()),
        ("SlackPermissionWrite", slack_write()),
        ("Role", role()),
        ("RoleWrite", role_write()),
        ("RoleAssignment", Object::new().always("role_id", role_id).build()),
    ]
}

fn principal() -> Value {
    Object::new()
        .about("An identity that may use secrets.")
        .always("id", oid("prn"))
        .with(identity)
        .always("name", nullable(text()))
        .always("labels", reference("Labels"))
        .always(SLACK_ROWS, list_of(reference("SlackPermission")))
        .always("sandbox_repo_cache", words(&REPO_CACHE))
        .always("sandbox_observability_enabled", flag())
        .always("sandbox_api_server_enabled", flag())
        .with(times)
        .with(revision)
        .build()
}

fn principal_write() -> Value {
    let rows = about(
        nullable(list_of(reference("SlackPermissionWrite"))),
        "All rows: what is not among them is taken away. A flag that is absent is off here.",
    );
    Object::new()
        .about("A partial write: what is absent stays.")
        .with(written_identity)
        .maybe("name", nullable(line()))
        .maybe("labels", written_labels())
        .maybe(SLACK_ROWS, rows)
        .maybe("sandbox_repo_cache", words(&REPO_CACHE))
        .maybe("sandbox_observability_enabled", flag())
        .maybe("sandbox_api_server_enabled", flag())
        .build()
}

fn slack() -> Value {
    Object::new()
        .always("channel_id", pattern("^[CDG][A-Z0-9]{8,}$"))
        .always("channel_name", nullable(text()))
        .always("upload_enabled", flag())
        .always("download_enabled", flag())
        .always("history_enabled", flag())
        .build()
}

fn slack_write() -> Value {
    Object::new()
        .about("What a principal may do in a channel; at least one flag is on.")
        .always("channel_id", pattern(r"^\s*[CDGcdg][A-Za-z0-9]{8,}\s*$"))
        .maybe("channel_name", nullable(line()))
        .maybe("upload_enabled", nullable(flag()))
        .maybe("download_enabled", nullable(flag()))
        .maybe("history_enabled", nullable(flag()))
        .build()
}

fn role() -> Value {
    Object::new()
        .about("A bundle of grants within a namespace.")
        .always("id", oid("role"))
        .with(identity)
        .always("name", nullable(text()))
        .always("labels", reference("Labels"))
        .with(times)
        .with(revision)
        .build()
}

fn role_write() -> Value {
    Object::new()
        .about("A partial write: what is absent stays.")
        .with(written_identity)
        .maybe("name", nullable(line()))
        .maybe("labels", written_labels())
        .build()
}
