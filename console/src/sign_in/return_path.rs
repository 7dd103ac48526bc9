//! Where a browser goes after signing in (broker.md, section 15).

/// A path of the console's own pages that somebody was asked to sign in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnPath(String);

/// Longer ones are forgotten.
const LONGEST: usize = 1024;

impl ReturnPath {
    /// The text as a path, when it can lead nowhere else: `/` or a page of the console, in plain characters, without a
    /// scheme, a host, or steps upwards.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let rest = path.strip_prefix("/console");
        let is_ours = path == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
        let climbs = path.split('/').any(|step| {
            let step = step.to_ascii_lowercase().replace("%2e", ".");
            step == "." || step == ".."
        });
        let is_hidden = ["%2f", "%5c", "%00"].iter().any(|hidden| path.to_ascii_lowercase().contains(hidden));
        let is_double = path.contains("//");
        let fits = text.len() <= LONGEST && is_ours && is_plain && !climbs && !is_hidden && !is_double;
        fits.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReturnPath {
    /// The start page.
    fn default() -> Self {
        Self("/console".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_console_are_returned_to() {
        for good in
            ["/", "/?a=b", "/console", "/console/", "/console/sessions", "/console/x?y=/z&u=http://a#b"]
        {
            assert_eq!(ReturnPath::parse(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            "console",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/console\\..\\x",
            "https:evil.example",
            "https://evil.example/console",
            "javascript:alert(1)",
            "/consolex",
            "/console.evil.example",
            "/console@evil.example",
            "/login",
            "/oauth/x/start",
            "/console//evil.example",
            "/console/../oauth/x/start",
            "/console/%2e%2E/oauth",
            "/console/%2f%2fevil.example",
            "/console/%5cevil.example",
            "/console/\n",
            "/console/\tx",
            "/console/\u{7f}",
            "/console/a b",
            "/console/\u{202e}x",
            "/console/%00",
            " /console",
            "/console/\"><script>",
        ] {
            assert_eq!(ReturnPath::parse(bad), None, "{bad:?}");
        }
        assert_eq!(ReturnPath::parse(&format!("/console/{}", "a".repeat(LONGEST))), None);
    }
}
