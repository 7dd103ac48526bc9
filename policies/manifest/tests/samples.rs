//! The sample tools of this repository: found, valid, and what they become.

use std::path::PathBuf;

use centaur_manifest::discover::{Catalog, discover};
use centaur_manifest::source::{SourcePolicy, Sources};
use serde_json::{Value, json};

fn samples() -> Catalog {
    discover(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tools")])
}

#[test]
fn the_samples_are_valid_and_nothing_is_said_about_them() {
    let catalog = samples();
    let names: Vec<&str> = catalog.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["demo", "github", "gsuite", "linear", "slack", "websearch"]);
    assert!(catalog.warnings.is_empty(), "{:?}", catalog.warnings);
    for tool in &catalog.tools {
        let manifest = tool.manifest.as_ref().unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert!(tool.warnings.is_empty(), "{:?}", tool.warnings);
        assert!(manifest.description.is_some() && manifest.is_tool());
        for file in [manifest.module.as_str(), "README.md"] {
            assert!(tool.dir.join(file).is_file(), "{}: {file}", tool.name);
        }
    }
}

#[test]
fn the_samples_become_the_secrets_of_the_directory() {
    let catalog = samples();
    let sources = Sources { policy: SourcePolicy::Env, ..Sources::default() };
    let mut found = Vec::new();
    for tool in &catalog.tools {
        let registration = catalog.registration(tool, "default", &sources).unwrap();
        assert_eq!(registration.role.foreign_id, format!("tool-{}", tool.name));
        for secret in registration.secrets {
            let placement = ["inject_config", "replace_config", "grant"]
                .into_iter()
                .find_map(|key| secret.data.get(key).cloned())
                .unwrap_or_default();
            found.push(json!([
                secret.foreign_id,
                secret.list.as_str(),
                placement,
                hosts(&secret.data["rules"])
            ]));
        }
    }
    let bearer = json!({ "header": "Authorization", "formatter": "Bearer {{ .Value }}" });
    let placeholder = |name: &str| json!({ "proxy_value": name, "match_headers": ["Authorization"] });
    let google: Vec<String> =
        ["gmail", "calendar", "www", "docs", "sheets", "slides", "forms", "analyticsdata"]
            .map(|service| format!("{service}.googleapis.com"))
            .to_vec();
    let parallel = ["api.parallel.ai", "search.parallel.ai"];
    assert_eq!(
        json!(found),
        json!([
            ["tool-github-github-token", "secrets", placeholder("GITHUB_TOKEN"), ["github.com", "api.github.com"]],
            ["tool-gsuite-oauth-https-oauth2-googleapis-com-token", "secrets", "refresh_token", google],
            ["tool-linear-linear-api-key", "secrets", { "header": "Authorization" },
                ["api.linear.app", "uploads.linear.app"]],
            ["tool-slack-slack-bot-token", "secrets", placeholder("SLACK_BOT_TOKEN"),
                ["slack.com", "files.slack.com"]],
            ["tool-slack-slack-search-token", "optional_secrets", placeholder("SLACK_SEARCH_TOKEN"), ["slack.com"]],
            ["tool-slack-slack-etl-token", "optional_secrets", placeholder("SLACK_ETL_TOKEN"),
                ["slack.com", "files.slack.com"]],
            ["tool-websearch-parallel-api-key", "optional_secrets", bearer, parallel],
            ["tool-websearch-parallel-api-key-2", "optional_secrets", { "header": "x-api-key" }, parallel],
            ["tool-websearch-anthropic-api-key", "optional_secrets", { "header": "x-api-key" },
                ["api.anthropic.com"]],
        ])
    );
}

fn hosts(rules: &Value) -> Vec<&str> {
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    rules.iter().filter_map(|rule| rule["host"].as_str()).collect()
}
