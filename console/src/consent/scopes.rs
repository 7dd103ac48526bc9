//! Scopes: what is asked for, and what was granted.

use serde_json::Value;

use crate::provider::GrantedScopes;

/// What a link asks for: `scopes`, split at commas and white space, each once; all that is allowed when it names none.
///
/// # Errors
/// One of them is not allowed.
pub(super) fn requested(text: Option<&str>, allowed: &[String]) -> Result<Vec<String>, NotAllowed> {
    let mut asked = listed(text.unwrap_or_default());
    if asked.is_empty() {
        asked = allowed.iter().fold(Vec::new(), |mut all, scope| {
            if !all.contains(scope) {
                all.push(scope.clone());
            }
            all
        });
    }
    if asked.iter().all(|scope| allowed.contains(scope)) { Ok(asked) } else { Err(NotAllowed) }
}

/// A scope that the app does not allow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAllowed;

/// What is sent: what was asked for, and then those that say who it is.
pub(super) fn sent(asked: &[String], identity: &[String], separator: &str) -> String {
    let further = identity.iter().filter(|scope| !asked.contains(scope));
    asked.iter().chain(further).map(String::as_str).collect::<Vec<_>>().join(separator)
}

/// What a provider says it granted; `None` when it says nothing.
pub(super) fn granted(value: Option<&Value>, format: GrantedScopes) -> Option<Vec<String>> {
    let scopes = match (value?, format) {
        (Value::String(text), GrantedScopes::Spaced) => spaced(text),
        (Value::String(text), GrantedScopes::Listed | GrantedScopes::ListedOrArray) => listed(text),
        (Value::Array(all), GrantedScopes::ListedOrArray) => {
            all.iter().filter_map(Value::as_str).flat_map(spaced).collect()
        }
        _ => return None,
    };
    (!scopes.is_empty()).then_some(scopes)
}

fn spaced(text: &str) -> Vec<String> {
    unique(text.split(char::is_whitespace))
}

fn listed(text: &str) -> Vec<String> {
    unique(text.split(|one: char| one == ',' || one.is_whitespace()))
}

fn unique<'a>(parts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if !all.iter().any(|known| known == part) {
            all.push(part.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_link_asks_for_some_or_all_of_what_is_allowed() {
        let allowed = texts(&["a", "b", "https://x.test/c"]);
        for (text, want) in [
            (None, Ok(allowed.clone())),
            (Some(""), Ok(allowed.clone())),
            (Some(" , ,"), Ok(allowed.clone())),
            (Some("b"), Ok(texts(&["b"]))),
            (Some("b,a"), Ok(texts(&["b", "a"]))),
            (Some("b a\thttps://x.test/c"), Ok(texts(&["b", "a", "https://x.test/c"]))),
            (Some("a,a, a"), Ok(texts(&["a"]))),
            (Some("a,d"), Err(NotAllowed)),
            (Some("A"), Err(NotAllowed)),
        ] {
            assert_eq!(requested(text, &allowed), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_sent_begins_with_what_was_asked_for() {
        assert_eq!(sent(&texts(&["x", "openid"]), &texts(&["openid", "email"]), " "), "x openid email");
        assert_eq!(sent(&texts(&["x", "y"]), &[], ","), "x,y");
    }

    #[test]
    fn what_was_granted_is_read_as_the_provider_writes_it() {
        use GrantedScopes::{Listed, ListedOrArray, Spaced};
        for (value, format, want) in [
            (json!("a b  b"), Spaced, Some(texts(&["a", "b"]))),
            (json!("a,b"), Spaced, Some(texts(&["a,b"]))),
            (json!("a,b c"), Listed, Some(texts(&["a", "b", "c"]))),
            (json!(["a", "b"]), Listed, None),
            (json!(["a", "b", 7]), ListedOrArray, Some(texts(&["a", "b"]))),
            (json!("a,b"), ListedOrArray, Some(texts(&["a", "b"]))),
            (json!(""), Listed, None),
            (json!(null), Spaced, None),
        ] {
            assert_eq!(granted(Some(&value), format), want, "{value}");
        }
        assert_eq!(granted(None, Spaced), None);
    }
}
