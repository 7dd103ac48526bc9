//! Users of the console.

use serde_json::{Value, json};

use super::Named;
use super::shared::{line, times};
use crate::openapi::schema::{
    Object, about, flag, integer, list_of, nullable, oid, text, timestamp, words, write_only,
};

pub(super) fn all() -> Vec<Named> {
    vec![
        ("User", user()),
        ("UserWrite", write(true)),
        ("UserUpdate", write(false)),
        ("UserSignOut", signed_out()),
    ]
}

const STATUSES: [&str; 3] = ["pending", "active", "disabled"];

fn user() -> Value {
    let identity = Object::new()
        .always("provider", words(&["google", "slack", "okta", "oidc"]))
        .always("email", nullable(text()))
        .always("email_verified", flag())
        .always("slack_team", nullable(text()))
        .always("last_sign_in_at", timestamp())
        .build();
    Object::new()
        .always("id", oid("usr"))
        .always("email", text())
        .always("name", nullable(text()))
        .always("status", words(&STATUSES))
        .always("admin", flag())
        .always("has_password", flag())
        .always("email_verified", about(flag(), "Only a verified address links an identity of a provider."))
        .always(
            "identities",
            about(list_of(identity), "What the user has signed in with, as the provider said last."),
        )
        .always("sessions", about(integer(Some(0), Some(200)), "Browsers that are signed in."))
        .always("approved_at", nullable(timestamp()))
        .always("approved_by", nullable(oid("usr")))
        .always("revision", about(integer(Some(1), None), "Plus one with every write; see `If-Match`."))
        .with(times)
        .build()
}

fn write(is_new: bool) -> Value {
    // An address is shorter than any limit, and tools that make one up take very long to make it long.
    let mut email = text();
    email["format"] = json!("email");
    let sentence =
        "12 characters at least. Of a user who is there, a new one ends all sessions; blank leaves it.";
    let object = Object::new();
    let object = if is_new { object.always("email", email) } else { object.maybe("email", email) };
    object
        .maybe("name", nullable(line()))
        .maybe("status", nullable(words(&STATUSES)))
        .maybe("admin", nullable(flag()))
        .maybe("password", about(write_only(), sentence))
        .build()
}

fn signed_out() -> Value {
    Object::new().always("ended", about(integer(Some(0), None), "How many sessions there were.")).build()
}
