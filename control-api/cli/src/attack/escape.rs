//! Texts of the corpus as bytes: `\r \n \t \0 \\ \xHH`, and `@{name}` for what is known only at run time.

use std::collections::HashMap;

/// What `@{name}` stands for.
#[derive(Debug, Clone, Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Fills `@{…}` in; the rest is kept as it is.
    ///
    /// # Errors
    /// The name of an unknown variable, or that one is not closed.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("@{") {
            out.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            let end = after.find('}').ok_or("a variable is not closed")?;
            let name = &after[..end];
            // `@{pad:1000}` is a run of one letter, so that long inputs stay readable.
            if let Some(count) = name.strip_prefix("pad:") {
                out.push_str(&"p".repeat(count.parse().map_err(|_| format!("a bad count in @{{{name}}}"))?));
            } else {
                out.push_str(self.0.get(name).ok_or_else(|| format!("unknown variable @{{{name}}}"))?);
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Fills variables in and resolves escapes.
    ///
    /// # Errors
    /// As [`Self::fill`], or an unknown escape.
    pub fn bytes(&self, text: &str) -> Result<Vec<u8>, String> {
        unescape(&self.fill(text)?)
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'0') => out.push(0),
            Some(b'\\') => out.push(b'\\'),
            Some(b'x') => {
                let digits = [bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)];
                let digits = std::str::from_utf8(&digits).map_err(|_| "a bad \\x escape")?;
                out.push(u8::from_str_radix(digits, 16).map_err(|_| "a bad \\x escape")?);
            }
            other => return Err(format!("unknown escape \\{}", other.map_or(' ', char::from))),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::Variables;

    #[test]
    fn escapes_and_variables_become_bytes() {
        let mut variables = Variables::default();
        variables.set("host", "a.test");
        let bytes = variables.bytes(r"GET\x20/ @{host}\r\n\0@{pad:3}\\").expect("valid");
        assert_eq!(bytes, b"GET / a.test\r\n\0ppp\\");
        for wrong in [r"\q", r"\xg0", r"\x1", "@{nope}", "@{open"] {
            assert!(variables.bytes(wrong).is_err(), "{wrong}");
        }
    }
}
