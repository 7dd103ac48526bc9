//! GitHub's REST API: <https://docs.github.com/rest>

use http::request::Parts;
use serde_json::{Value, json};

use super::{Accepted, Said, bearer, field, forms};

pub(super) fn answer(parts: &Parts, accepted: &Accepted) -> Said {
    if field(parts, "user-agent").is_empty() {
        let text = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return problem(403, text);
    }
    if bearer(parts) != Some(accepted.github.as_str()) {
        return problem(401, "Bad credentials");
    }
    if parts.method != "GET" {
        return problem(404, "Not Found");
    }
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    match path[..] {
        ["user"] => Said::new(200, json!({"login": "octocat", "id": 1, "type": "User"})),
        ["repos", owner, name] => Said::new(200, repository(owner, name)),
        ["repos", owner, name, "issues"] => issues(parts, owner, name),
        _ => problem(404, "Not Found"),
    }
}

fn repository(owner: &str, name: &str) -> Value {
    json!({"full_name": format!("{owner}/{name}"), "private": false, "default_branch": "main"})
}

fn issues(parts: &Parts, owner: &str, name: &str) -> Said {
    let query = forms::pairs(parts.uri.query().unwrap_or_default());
    let state = query.get("state").map_or("open", String::as_str);
    let size: usize = query.get("per_page").and_then(|text| text.parse().ok()).unwrap_or(30);
    if !["open", "closed", "all"].contains(&state) || size > 100 {
        return problem(422, "Validation Failed");
    }
    let issue =
        |number: usize| json!({"number": number, "state": "open", "title": format!("{owner}/{name}")});
    Said::new(200, (1..=size).rev().map(issue).collect())
}

fn problem(status: u16, text: &str) -> Said {
    let body = json!({"message": text, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    Said::new(status, body)
}
