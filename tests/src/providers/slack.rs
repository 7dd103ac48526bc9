//! Slack's Web API: <https://docs.slack.dev/apis/web-api>
//!
//! Forms in, and 200 with `ok: false` for nearly everything that is wrong.

use http::request::Parts;
use serde_json::{Value, json};

use super::{Accepted, Said, bearer, field, forms};

pub(super) fn answer(parts: &Parts, body: &[u8], accepted: &Accepted) -> Said {
    let Some(method) = parts.uri.path().strip_prefix("/api/") else { return Said::new(404, json!({})) };
    let Some(token) = bearer(parts) else { return wrong("not_authed") };
    let is_user = token == accepted.slack_user;
    if !is_user && token != accepted.slack_bot {
        return wrong("invalid_auth");
    }
    if !field(parts, "content-type").starts_with("application/x-www-form-urlencoded") {
        return wrong("invalid_arguments");
    }
    let form = forms::pairs(std::str::from_utf8(body).unwrap_or_default());
    let given = |name: &str| form.get(name).map(String::as_str).filter(|text| !text.is_empty());
    match method {
        "users.conversations" => channels(given("cursor")),
        "conversations.history" | "chat.postMessage" if given("channel").is_none() => {
            wrong("channel_not_found")
        }
        "conversations.history" => {
            said(json!({"messages": [{"type": "message", "text": "hello", "ts": "1.2"}], "has_more": false}))
        }
        "chat.postMessage" if given("text").is_none() => wrong("no_text"),
        "chat.postMessage" => {
            said(json!({"channel": given("channel"), "ts": "3.4", "message": {"text": given("text")}}))
        }
        "search.messages" if !is_user => wrong("not_allowed_token_type"),
        "search.messages" => {
            said(json!({"query": given("query"), "messages": {"total": 1, "matches": [{"text": "found"}]}}))
        }
        _ => wrong("unknown_method"),
    }
}

/// Two pages.
fn channels(cursor: Option<&str>) -> Said {
    let channel =
        |id: &str, name: &str| json!({"id": id, "name": name, "is_private": false, "is_channel": true});
    match cursor {
        None => said(
            json!({"channels": [channel("C2", "random")], "response_metadata": {"next_cursor": "dGVhbQ=="}}),
        ),
        Some("dGVhbQ==") => {
            said(json!({"channels": [channel("C1", "general")], "response_metadata": {"next_cursor": ""}}))
        }
        Some(_) => wrong("invalid_cursor"),
    }
}

fn said(mut body: Value) -> Said {
    body["ok"] = true.into();
    Said::new(200, body)
}

fn wrong(error: &str) -> Said {
    Said::new(200, json!({"ok": false, "error": error}))
}
