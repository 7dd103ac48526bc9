//! Plain functions over a header map: canonical names, matchers, `header_allowlist`, `annotate`. The order of
//! the fields is kept, which [`HeaderMap::remove`] does not do.

use centaur_policies::spec::HeaderMatcher;
use http::header::{self, HeaderMap, HeaderName};

/// The spelling Go gives a header name, and audit lines use: `x-api-key` becomes `X-Api-Key`.
pub fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            c
        })
        .collect()
}

/// Whether a matcher selects a header.
pub fn selects(matcher: &HeaderMatcher, name: &HeaderName) -> bool {
    match matcher {
        HeaderMatcher::Name(literal) => literal.eq_ignore_ascii_case(name.as_str()),
        HeaderMatcher::Pattern(pattern) => pattern.is_match(&canonical(name.as_str())),
    }
}

/// `header_allowlist`: removes every header that no matcher selects, except `Host`. Gives the canonical names of
/// those removed, each once, in the order in which they stood.
pub fn keep_only(headers: &mut HeaderMap, allowed: &[HeaderMatcher]) -> Vec<String> {
    let removed: Vec<HeaderName> = headers
        .keys()
        .filter(|&name| name != header::HOST && !allowed.iter().any(|m| selects(m, name)))
        .cloned()
        .collect();
    retain(headers, |name| !removed.contains(name));
    removed.iter().map(|name| canonical(name.as_str())).collect()
}

/// Removes headers without moving the others.
pub fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&keep) {
        return;
    }
    let mut last = None;
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    // Further values of a name come without it.
    for (name, value) in std::mem::take(headers) {
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| keep(name)) {
            kept.append(name.clone(), value);
        }
    }
    *headers = kept;
}

/// `annotate`: `header:<Canonical-Name>` with the first value, for each listed header that has a first value
/// which is not empty. Bytes that are not UTF-8 are shown as U+FFFD.
pub fn annotations<'a>(
    headers: &'a HeaderMap,
    listed: &'a [String],
) -> impl Iterator<Item = (String, String)> + 'a {
    listed.iter().filter_map(|name| {
        let value = headers.get(name.as_str()).filter(|value| !value.is_empty())?;
        // A value that was put there by us is marked; it never goes to the audit line.
        let text = if value.is_sensitive() {
            "***".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        Some((format!("header:{}", canonical(name)), text))
    })
}

/// Headers in which a credential is expected, whatever the configuration says. `Proxy-Authorization` is not
/// among them: it does not reach the upstream.
pub fn is_well_known_credential(name: &HeaderName) -> bool {
    WELL_KNOWN.contains(&name.as_str())
}

/// Headers of this hop or of the framing, in which no value is ever placed: they do not reach the upstream as
/// they are.
pub fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(&name.as_str())
}

const WELL_KNOWN: &[&str] = &[
    "authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-apikey",
    "x-goog-api-key",
    "x-auth-token",
    "x-auth-key",
    "x-access-token",
    "x-amz-security-token",
    "x-vault-token",
    "x-figma-token",
    "x-github-token",
    "x-gitlab-token",
    "x-shopify-access-token",
    "dd-api-key",
    "dd-application-key",
    "circle-token",
    "fastly-key",
    "job-token",
    "private-token",
    "deploy-token",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "x-rapidapi-key",
    "x-subscription-token",
];

const FRAMING: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn pattern(text: &str) -> HeaderMatcher {
        HeaderMatcher::Pattern(regex::RegexBuilder::new(text).case_insensitive(true).build().unwrap())
    }

    #[test]
    fn names_are_canonical_as_in_go() {
        assert_eq!(canonical("x-api-KEY"), "X-Api-Key");
        assert_eq!(canonical("www-authenticate"), "Www-Authenticate");
    }

    #[test]
    fn what_no_matcher_selects_is_removed_and_the_order_stays() {
        let mut headers = map(&[
            ("host", "a"),
            ("x-drop", "1"),
            ("accept", "1"),
            ("x-keep-a", "1"),
            ("x-other", "1"),
            ("x-keep-a", "2"),
            ("x-keep-b", "1"),
        ]);
        let removed = keep_only(&mut headers, &[HeaderMatcher::Name("ACCEPT".into()), pattern("^X-Keep-")]);
        assert_eq!(removed, ["X-Drop", "X-Other"]);
        let left: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(
            left,
            [("host", "a"), ("accept", "1"), ("x-keep-a", "1"), ("x-keep-a", "2"), ("x-keep-b", "1")]
        );
    }

    #[test]
    fn nothing_is_reported_when_everything_is_allowed() {
        let mut headers = map(&[("accept", "1"), ("x-a", "1")]);
        assert!(keep_only(&mut headers, &[pattern("")]).is_empty());
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn annotations_take_the_first_value_that_is_not_empty() {
        let headers = map(&[("x-request-id", "one"), ("x-request-id", "two"), ("x-empty", "")]);
        let listed = ["x-request-ID".to_owned(), "x-empty".to_owned(), "x-absent".to_owned()];
        let found: Vec<_> = annotations(&headers, &listed).collect();
        assert_eq!(found, [("header:X-Request-Id".to_owned(), "one".to_owned())]);
    }
}
