//! Keys that are read and checked for the sake of existing files, and do nothing.

use centaur_policies::yaml::Node;

use super::env::{Env, OVERRIDES};

const INERT: [(&str, &str); 2] = [
    ("proxy.max_request_body_bytes", "bodies are streamed and never cut"),
    ("proxy.max_response_body_bytes", "bodies are streamed and never cut"),
];

/// A line for each that is set, in the file or by its variable.
pub(super) fn notes(root: Option<&Node>, env: Env<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (path, why) in INERT {
        let in_file = root.and_then(|root| path.split('.').try_fold(root, |node, key| node.key(key)));
        if let Some(node) = in_file.filter(|node| !node.is_null()) {
            notes.push(format!("{path} has no effect: {why} ({})", node.at));
        }
        for (var, _) in OVERRIDES.into_iter().filter(|(_, of)| *of == path) {
            if env(var).is_some_and(|value| !value.is_empty()) {
                notes.push(format!("{var} has no effect: {why}"));
            }
        }
    }
    notes
}
