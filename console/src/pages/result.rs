//! What came of something that a browser was sent here for (console-ui.md, section 3.3).

use askama::Template;

use super::Frame;

/// A card with a heading and a sentence.
#[derive(Debug, Template)]
#[template(path = "result.html")]
pub(crate) struct ResultPage {
    /// The frame.
    pub(crate) frame: Frame,
    /// What kind of end it is.
    pub(crate) kind: Kind,
    /// What happened, and what to do.
    pub(crate) message: String,
    /// More of what to do, for who runs the console.
    pub(crate) hint: Option<&'static str>,
    /// What is known about what was made: names and values.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Where to try again.
    pub(crate) retry: Option<String>,
    /// Who is signed in finds the way back to the console.
    pub(crate) home: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it should.
    Connected,
    /// The person did not want it.
    Denied,
    /// Something is wrong.
    Error,
}

impl Kind {
    fn heading(self) -> &'static str {
        match self {
            Self::Connected => "Connected",
            Self::Denied => "Not connected",
            Self::Error => "Something went wrong",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Connected => "good",
            Self::Denied => "warning",
            Self::Error => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_escaped() {
        let page = ResultPage {
            frame: Frame { base: "/console".to_owned() },
            kind: Kind::Denied,
            message: "Not <b>granted</b> & more".to_owned(),
            hint: Some("Turn it on."),
            facts: vec![("Account", "\"><script>alert(1)</script>".to_owned())],
            retry: Some("/console/oauth/x/start?a=1&b=2".to_owned()),
            home: true,
        };
        let html = page.render().expect("a page");
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        for part in [
            "<h1 class=\"warning\">Not connected</h1>",
            "Not &#60;b&#62;granted&#60;/b&#62; &#38; more",
            "href=\"/console/assets/console.css\"",
            "href=\"/console/oauth/x/start?a=1&#38;b=2\"",
            "Turn it on.",
            "<dt>Account</dt>",
            "href=\"/console/console\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        for inline in ["style=", "onclick", "<style"] {
            assert!(!html.contains(inline), "{html}");
        }
    }
}
