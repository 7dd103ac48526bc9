//! From a document to a file: two documents that are equal give the same bytes.

use std::fmt::Write as _;

use super::{Document, Held};

/// Longer lists have a line for each element.
const WIDTH: usize = 100;

/// The text of a file.
pub fn toml(document: &Document) -> String {
    let mut out = format!("version = {}\n", document.version);
    if let Some(namespace) = &document.namespace {
        let _ = writeln!(out, "namespace = {}", quoted(namespace));
    }
    for role in &document.role {
        let _ = write!(out, "\n[[role]]\nid = {}\n", quoted(&role.id));
        if let Some(name) = &role.name {
            let _ = writeln!(out, "name = {}", quoted(name));
        }
        list(&mut out, "tools", role.tools.iter().map(|name| quoted(name)));
        list(&mut out, "secrets", role.secrets.iter().map(held));
    }
    for principal in &document.principal {
        let _ = write!(out, "\n[[principal]]\nid = {}\n", quoted(&principal.id));
        list(&mut out, "roles", principal.roles.iter().map(|name| quoted(name)));
        list(&mut out, "secrets", principal.secrets.iter().map(held));
    }
    out
}

fn list(out: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    let line = format!("{key} = [{}]\n", items.join(", "));
    if items.len() < 2 || line.chars().count() <= WIDTH {
        out.push_str(&line);
        return;
    }
    let _ = writeln!(out, "{key} = [");
    for item in items {
        let _ = writeln!(out, "  {item},");
    }
    out.push_str("]\n");
}

fn held(held: &Held) -> String {
    let Held { secret, priority, expires_at } = held;
    let secret = quoted(secret);
    if priority.is_none() && expires_at.is_none() {
        return secret;
    }
    let mut out = format!("{{ secret = {secret}");
    if let Some(priority) = priority {
        let _ = write!(out, ", priority = {priority}");
    }
    if let Some(at) = expires_at {
        let _ = write!(out, ", expires_at = {}", quoted(at));
    }
    out + " }"
}

/// A basic string. Whatever a terminal would obey is escaped too.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if crate::printer::is_unsafe(character) => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_has_a_line_for_each_element_and_a_short_one_has_not() {
        let mut out = String::new();
        list(&mut out, "tools", ["\"a\"".to_owned(), "\"b\"".to_owned()].into_iter());
        assert_eq!(out, "tools = [\"a\", \"b\"]\n");
        let long = quoted(&"x".repeat(60));
        out.clear();
        list(&mut out, "tools", [long.clone(), long.clone()].into_iter());
        assert_eq!(out, format!("tools = [\n  {long},\n  {long},\n]\n"));
    }

    #[test]
    fn any_text_reads_back_as_it_was() {
        let text = "a\"b\\c\n\t\r\u{0}\u{1b}\u{202e}ü";
        let written = quoted(text);
        assert!(!written.contains('\u{1b}') && !written.contains('\u{202e}'), "{written}");
        let table: std::collections::BTreeMap<String, String> =
            toml::from_str(&format!("a = {written}")).unwrap();
        assert_eq!(table["a"], text);
    }
}
