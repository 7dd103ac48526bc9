//! Parallel's search: <https://docs.parallel.ai/api-reference/search/search>

use http::request::Parts;
use serde_json::{Value, json};

use super::{Accepted, Said, field};

pub(super) fn answer(parts: &Parts, body: &[u8], accepted: &Accepted) -> Said {
    if field(parts, "x-api-key") != accepted.parallel {
        return problem(401, "Unauthorized: invalid or missing credentials");
    }
    if parts.method != "POST" || parts.uri.path() != "/v1/search" {
        return problem(404, "Not Found");
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let queries = asked["search_queries"].as_array().filter(|queries| !queries.is_empty());
    let Some(query) = queries.and_then(|queries| queries[0].as_str()) else {
        return problem(422, "search_queries: Field required");
    };
    let most = asked["advanced_settings"]["max_results"].as_u64().unwrap_or(10);
    let page = |at: u64| json!({"url": format!("https://example.test/{at}"), "title": query, "publish_date": null, "excerpts": ["text"]});
    let results: Value = (1..=most.min(2)).map(page).collect();
    Said::new(200, json!({"search_id": "search_1", "results": results, "warnings": null, "usage": null}))
}

fn problem(status: u16, message: &str) -> Said {
    Said::new(status, json!({"type": "error", "error": {"ref_id": "r1", "message": message}}))
}
