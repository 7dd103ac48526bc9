//! The `annotations` object of a trace, built as JSON text.

use crate::json;

#[derive(Default)]
pub(super) struct Annotations(String);

impl Annotations {
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        json::string(&mut self.0, value);
    }

    pub(super) fn texts(&mut self, key: &str, values: &[String]) {
        self.key(key);
        list(&mut self.0, values.iter().map(String::as_str));
    }

    pub(super) fn number(&mut self, key: &str, value: usize) {
        self.key(key);
        self.0.push_str(&value.to_string());
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
    }

    /// `[{"secret": name, "locations": [..]}, ..]`
    pub(super) fn placements(&mut self, key: &str, placements: &[(String, Vec<String>)]) {
        if placements.is_empty() {
            return;
        }
        self.key(key);
        self.0.push('[');
        for (name, locations) in placements {
            if !self.0.ends_with('[') {
                self.0.push(',');
            }
            self.0.push('{');
            json::member(&mut self.0, "secret", name);
            json::key(&mut self.0, "locations");
            list(&mut self.0, locations.iter().map(String::as_str));
            self.0.push('}');
        }
        self.0.push(']');
    }

    pub(super) fn into_json(self) -> String {
        self.0
    }

    fn key(&mut self, key: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        json::string(&mut self.0, key);
        self.0.push(':');
    }
}

fn list<'t>(out: &mut String, texts: impl Iterator<Item = &'t str>) {
    out.push('[');
    for (n, text) in texts.enumerate() {
        if n > 0 {
            out.push(',');
        }
        json::string(out, text);
    }
    out.push(']');
}
