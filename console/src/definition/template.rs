//! A look at the templates that the proxy compiles: `formatter`, `signature_message`, the values of headers.
//!
//! The proxy refuses an entry whose template it cannot compile, and may refuse the payload around it. This catches
//! what goes wrong most, an action that is not closed, where the mistake is made; the language itself is the
//! proxy's.

/// What is wrong with the braces of a template, if anything.
pub(super) fn problem(template: &str) -> Option<&'static str> {
    let mut rest = template;
    while let Some((_, inside)) = rest.split_once("{{") {
        rest = match after_action(inside) {
            Some(after) => after,
            None => return Some("has a \"{{\" that is not closed"),
        };
    }
    None
}

/// What follows the action that `inside` begins in; `}}` in a quoted text does not end it.
fn after_action(inside: &str) -> Option<&str> {
    if let Some(comment) = inside.trim_start_matches(['-', ' ']).strip_prefix("/*") {
        return comment
            .split_once("*/")
            .and_then(|(_, after)| after.split_once("}}"))
            .map(|(_, after)| after);
    }
    let mut chars = inside.chars();
    loop {
        let rest = chars.as_str();
        if let Some(after) = rest.strip_prefix("}}") {
            return Some(after);
        }
        match chars.next()? {
            quote @ ('"' | '`' | '\'') => skip_quoted(&mut chars, quote)?,
            '{' if rest.starts_with("{{") => return None,
            _ => {}
        }
    }
}

/// Moves behind the closing quote; only back quotes take a backslash as it is.
fn skip_quoted(chars: &mut std::str::Chars<'_>, quote: char) -> Option<()> {
    loop {
        match chars.next()? {
            '\\' if quote != '`' => {
                chars.next()?;
            }
            c if c == quote => return Some(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_to_be_closed() {
        for template in [
            "",
            "plain } text }}",
            "Bearer {{ .Value }}",
            "{{.Value}}{{ base64 \"a}}b:\" .Value }}",
            "{{ `}}` }}",
            "{{ \"\\\"}}\" }}",
            "{{- /* {{ */ -}}",
        ] {
            assert_eq!(problem(template), None, "{template}");
        }
        for template in ["{{", "Bearer {{ .Value }", "{{ \"open }}", "{{ .A {{ .B }}", "{{/* open }}"] {
            assert!(problem(template).is_some(), "{template}");
        }
    }
}
