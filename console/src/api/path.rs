//! Paths as clients spell them.
//!
//! Existing proxies put the path of a call behind the address of the console as it was given, so that an address that
//! ends in a slash makes two (managed-mode.md, section 3). The console they were written for takes runs of slashes for
//! one and does not see those at the end; so does this one.

use http::Uri;
use http::uri::PathAndQuery;

/// The address with each run of slashes as one and none at the end; `None` when it is that already.
pub(crate) fn tidied(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (path.len() < 2 || !path.ends_with('/')) {
        return None;
    }
    let mut tidy = String::with_capacity(uri.path_and_query().map_or(1, |whole| whole.as_str().len()));
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        tidy.push('/');
        tidy.push_str(segment);
    }
    if tidy.is_empty() {
        tidy.push('/');
    }
    if let Some(query) = uri.query() {
        tidy.push('?');
        tidy.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(tidy).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_are_one_and_the_query_stays() {
        for (sent, want) in [
            ("//api/v1/proxy/sync", Some("/api/v1/proxy/sync")),
            ("/api//v1///roles/", Some("/api/v1/roles")),
            ("/up/", Some("/up")),
            ("//", Some("/")),
            ("/api/v1/roles//?a=//b/", Some("/api/v1/roles?a=//b/")),
            ("http://console.test//up", Some("http://console.test/up")),
            ("/", None),
            ("/api/v1/roles?next=//x/", None),
            ("/api/v1/principals/lookup/default/a%2F%2Fb", None),
        ] {
            let uri = Uri::try_from(sent).unwrap();
            assert_eq!(tidied(&uri).map(|uri| uri.to_string()).as_deref(), want, "{sent}");
        }
    }
}
