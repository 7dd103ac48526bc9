//! Templates, read by the proxy's own parser. What they may use depends on what they are for.

use centaur_transform::format::Formatter;

/// What a template for an injected value may use.
pub(super) fn formatter_problem(text: &str) -> Option<String> {
    problem(text, |path| match path {
        ["Value"] => None,
        ["Value", ..] => Some("which is a text and has no fields".to_owned()),
        _ => Some("of which there is only .Value".to_owned()),
    })
}

/// What the signed message may use.
pub(super) fn message_problem(text: &str) -> Option<String> {
    const KNOWN: [&str; 7] = ["Timestamp", "Method", "Path", "PathWithQuery", "Query", "Host", "Body"];
    problem(text, |path| match path {
        [one] if KNOWN.contains(one) => None,
        ["Credentials", ..] => Some("which a message cannot use; headers can".to_owned()),
        _ => Some(format!("which is none of .{}", KNOWN.join(", ."))),
    })
}

/// What a header of a signed request may use; `names` are those of `credentials`.
pub(super) fn header_problem(text: &str, names: &[&str]) -> Option<String> {
    problem(text, |path| match path {
        ["Timestamp" | "Signature"] => None,
        ["Credentials", name] if names.contains(name) => None,
        ["Credentials", _] => Some("which is none of the credentials".to_owned()),
        _ => Some("which is none of .Timestamp, .Signature, .Credentials.<name>".to_owned()),
    })
}

/// `refused` says why a field cannot be used, if it cannot.
fn problem(text: &str, refused: impl Fn(&[&str]) -> Option<String>) -> Option<String> {
    let formatter = match Formatter::parse(text) {
        Ok(formatter) => formatter,
        Err(error) => return Some(format!("is not a template: {error}")),
    };
    formatter.fields().into_iter().find_map(|path| {
        let why = refused(&path)?;
        Some(format!("uses .{}, {why}", path.join(".")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatter_uses_the_value_alone() {
        for text in ["{{.Value}}", "Bearer {{ .Value }}", "Basic {{ base64 .Value \":\" }}", "{{ $.Value }}"]
        {
            assert_eq!(formatter_problem(text), None, "{text}");
        }
        for text in
            ["{{ .Valeu }}", "{{ if .Value }}{{ .Other }}{{ end }}", "{{ .Value.x }}", "{{ $.X }}", "{{"]
        {
            assert!(formatter_problem(text).is_some(), "{text}");
        }
        assert!(formatter_problem("{{ base46 .Value }}").unwrap().contains("base46"));
    }

    #[test]
    fn a_message_has_the_request_and_a_header_has_the_credentials() {
        assert_eq!(message_problem("{{ .Timestamp }}{{ .Method }}{{ .PathWithQuery }}{{ .Body }}"), None);
        assert!(message_problem("{{ .Credentials.key }}").unwrap().contains("headers can"));
        assert!(message_problem("{{ .Signature }}").is_some());
        assert_eq!(
            header_problem("{{ .Credentials.key }}:{{ .Signature }}:{{ .Timestamp }}", &["key"]),
            None
        );
        assert!(
            header_problem("{{ .Credentials.key }}", &["secret"])
                .unwrap()
                .contains("none of the credentials")
        );
        assert!(header_problem("{{ .Body }}", &[]).is_some());
        assert!(header_problem("{{ .Credentials }}", &["key"]).is_some());
    }
}
