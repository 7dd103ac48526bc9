//! Linear's GraphQL API: <https://linear.app/developers/graphql>
//!
//! A personal key stands in `Authorization` as it is, without a scheme word.

use http::request::Parts;
use serde_json::{Value, json};

use super::{Accepted, Said, field};

pub(super) fn answer(parts: &Parts, body: &[u8], accepted: &Accepted) -> Said {
    if parts.method != "POST" || parts.uri.path() != "/graphql" {
        return Said::new(404, json!({}));
    }
    if field(parts, "authorization") != accepted.linear {
        return failed(401, "Authentication required, not authenticated", "AUTHENTICATION_ERROR");
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let (Some(query), variables) = (asked["query"].as_str(), &asked["variables"]) else {
        return failed(
            400,
            "POST body missing, invalid Content-Type, or JSON object has no keys.",
            "BAD_REQUEST",
        );
    };
    if field(parts, "content-type") != "application/json" || !is_balanced(query) {
        return failed(400, "Syntax Error", "GRAPHQL_PARSE_FAILED");
    }
    if let Some(name) = variables.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| {
        // What is given has to be declared and used.
        query.matches(&format!("${name}")).count() < 2
    }) {
        return failed(400, &format!("Variable \"${name}\" is not used"), "GRAPHQL_VALIDATION_FAILED");
    }
    let data = if query.contains("viewer {") {
        json!({"viewer": {"id": "u1", "name": "Ada", "email": "ada@example.test"}})
    } else if query.contains("teams(") && variables["first"].is_u64() {
        json!({"teams": {"nodes": [{"id": "t1", "name": "Engineering", "key": "ENG", "description": null}]}})
    } else if query.contains("searchIssues(") && variables["term"].is_string() {
        let title = &variables["term"];
        json!({"searchIssues": {"nodes": [{"id": "i1", "identifier": "ENG-1", "title": title, "dueDate": null,
            "url": "https://linear.app/x/issue/ENG-1", "state": {"name": "Todo"}}]}})
    } else if query.contains("commentCreate(") && variables["input"]["issueId"].is_string() {
        let comment =
            json!({"id": "c1", "body": variables["input"]["body"], "createdAt": "2030-01-01T00:00:00.000Z"});
        json!({"commentCreate": {"success": true, "comment": comment}})
    } else {
        return failed(400, "Cannot query field", "GRAPHQL_VALIDATION_FAILED");
    };
    Said::new(200, json!({ "data": data }))
}

fn is_balanced(query: &str) -> bool {
    let count = |what: char| query.matches(what).count();
    count('{') == count('}') && count('(') == count(')') && count('{') > 0
}

fn failed(status: u16, message: &str, code: &str) -> Said {
    Said::new(status, json!({"errors": [{"message": message, "extensions": {"code": code}}]}))
}
