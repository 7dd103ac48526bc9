//! Templates that the proxy compiles: `formatter`, `signature_message`, the values of headers.
//!
//! The proxy refuses an entry whose template it cannot compile, and the payload around it. So the proxy's own parser
//! looks at a template where the mistake is made, before anything is stored.

use centaur_transform::format::{Formatter, Problem, RunError};

/// What is wrong with a template by its grammar, if anything. Which functions and fields there are depends on what it
/// is for and is not looked at.
pub(super) fn problem(template: &str) -> Option<String> {
    match Formatter::parse(template) {
        Err(error) if !matches!(error.problem, Problem::UnknownFunction(_)) => Some(said(&error)),
        _ => None,
    }
}

/// What is wrong with the template of an injected value, which knows one field, `.Value`.
pub(super) fn formatter_problem(template: &str) -> Option<String> {
    let formatter = match Formatter::parse(template) {
        Ok(formatter) => formatter,
        Err(error) => return Some(said(&error)),
    };
    // What else fails may depend on the value.
    match formatter.run("x") {
        Err(error @ (RunError::NoField(_) | RunError::NoTemplate(_))) => Some(format!("cannot run: {error}")),
        _ => None,
    }
}

fn said(error: &impl std::fmt::Display) -> String {
    format!("is not a template: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_that_of_the_proxy() {
        for template in [
            "",
            "plain } text }}",
            "Bearer {{ .Value }}",
            "{{ `}}` }}",
            "{{- /* {{ */ -}}",
            "{{ unknown .Body }}",
        ] {
            assert_eq!(problem(template), None, "{template}");
        }
        for template in
            ["{{", "{{ .Value }", "{{ \"open }}", "{{/* open }}", "{{ if .A }}", "{{ end }}", "{{ }}"]
        {
            assert!(problem(template).is_some(), "{template}");
        }
    }

    #[test]
    fn a_formatter_uses_the_value_and_what_the_proxy_offers() {
        for template in
            ["{{ .Value }}", "Basic {{ base64 (print \"u:\" .Value) }}", "{{ slice .Value 0 20 }}"]
        {
            assert_eq!(formatter_problem(template), None, "{template}");
        }
        for (template, part) in [
            ("{{ .Valeu }}", "no field \"Valeu\""),
            ("{{ shout .Value }}", "\"shout\" is not defined"),
            ("{{ template \"x\" }}", "\"x\" is not defined"),
            ("line\n{{ $x }}", "line 2: undefined variable"),
        ] {
            let problem = formatter_problem(template).unwrap_or_default();
            assert!(problem.contains(part), "{template}: {problem}");
        }
    }
}
