//! The document that a store keeps for a credential (broker.md, section 21.3).
//!
//! ```json
//! {"access_token":"…","refresh_token":"…","expires_at":"2031-05-04T09:08:07Z","last_refresh":"2031-05-04T08:08:07Z",
//!  "version":7,"writer":"…","broker":{"of":"…"}}
//! ```
//!
//! Only `refresh_token` is needed. `version` grows with every write and `writer` names the process that wrote; `broker`
//! is this program's note about that refresh token and void beside any other (decision 32). Other members stay.

use centaur_base::Secret;
use centaur_broker::Moment;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::moment;

/// A document, read.
#[derive(Debug, Default)]
pub struct Blob {
    /// The access token, if its end is known.
    pub access_token: Option<Secret<String>>,
    /// The refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// When the access token ends.
    pub expires_at: Option<Moment>,
    /// When it was asked for.
    pub last_refresh: Option<Moment>,
    /// How often it was written.
    pub version: u64,
    /// Who wrote it last.
    pub writer: String,
    /// What is noted about the refresh token; empty when the note is about another.
    pub note: Note,
    /// Members that are not ours.
    pub rest: Rest,
}

/// What is noted about a refresh token, to be found by whoever reads the document next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Note {
    /// It is being sent.
    pub attempt: Option<Sending>,
    /// It was sent, and nobody knows whether it is used up.
    pub interrupted: bool,
    /// It was refused: the code.
    pub dead: Option<String>,
}

/// An attempt under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Its name.
    pub attempt: String,
    /// Who sends.
    pub writer: String,
    /// Until when nobody else may.
    pub until: Moment,
}

/// Members that are not ours, in their order. They may hold secrets: wiped when dropped, and not shown.
#[derive(Default)]
pub struct Rest(Map<String, Value>);

/// Why a document is none. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// It begins like a JSON object and is none.
    #[error("the document is not valid JSON")]
    Json,
    /// It is JSON of another kind.
    #[error("the document is neither a JSON object nor a bare refresh token")]
    Kind,
    /// The refresh token has another type.
    #[error("refresh_token in the document is not a string")]
    Token,
}

impl Blob {
    /// Reads a document; one without a refresh token is none, and `None`. A text that is not JSON is a refresh token.
    ///
    /// # Errors
    /// [`BlobError`]
    pub fn parse(text: &str) -> Result<Option<Self>, BlobError> {
        let text = text.trim();
        let mut members = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Rest(members),
            Ok(Value::String(token)) => return Ok(Self::bare(token)),
            Ok(Value::Null) => return Ok(None),
            Ok(Value::Bool(_) | Value::Array(_)) => return Err(BlobError::Kind),
            Err(_) if text.starts_with(['{', '[', '"']) => return Err(BlobError::Json),
            Err(_) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                return Err(BlobError::Kind);
            }
            // Digits alone are a number to JSON.
            Ok(Value::Number(_)) | Err(_) => return Ok(Self::bare(text.to_owned())),
        };
        let refresh_token = match members.0.shift_remove("refresh_token") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(token)) if token.is_empty() => return Ok(None),
            Some(Value::String(token)) => Secret::new(token),
            Some(mut other) => {
                wipe(&mut other);
                return Err(BlobError::Token);
            }
        };
        let expires_at = members.moment("expires_at");
        let access_token = members.secret("access_token").filter(|_| expires_at.is_some());
        let last_refresh = members.moment("last_refresh");
        let version = members.0.shift_remove("version").and_then(|value| value.as_u64()).unwrap_or_default();
        let writer = members.text("writer").unwrap_or_default();
        let note = members.0.shift_remove("broker").and_then(|note| Note::parse(&note, &refresh_token));
        Ok(Some(Self {
            access_token,
            refresh_token: Some(refresh_token),
            expires_at,
            last_refresh,
            version,
            writer,
            note: note.unwrap_or_default(),
            rest: members,
        }))
    }

    fn bare(token: String) -> Option<Self> {
        (!token.is_empty()).then(|| Self { refresh_token: Some(Secret::new(token)), ..Self::default() })
    }

    /// The document as text.
    pub fn write(&self) -> Zeroizing<String> {
        let mut members = Rest::default();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.0.insert(key.to_owned(), value);
            }
        };
        let token = |token: &Option<Secret<String>>| token.as_ref().map(|t| Value::from(t.expose().as_str()));
        put("access_token", token(&self.access_token));
        put("refresh_token", token(&self.refresh_token));
        put("expires_at", self.expires_at.map(|at| moment::seconds(at).into()));
        put("last_refresh", self.last_refresh.map(|at| moment::seconds(at).into()));
        put("version", Some(self.version.into()));
        put("writer", Some(self.writer.as_str().into()));
        put("broker", self.refresh_token.as_ref().and_then(|token| self.note.to_value(token)));
        for (key, value) in &self.rest.0 {
            members.0.insert(key.clone(), value.clone());
        }
        Zeroizing::new(members.to_text())
    }
}

impl Note {
    fn parse(value: &Value, of: &Secret<String>) -> Option<Self> {
        if value.get("of").and_then(Value::as_str) != Some(&fingerprint(of)) {
            return None;
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let until = text("until").and_then(|until| moment::parse(&until));
        let attempt = text("attempt").zip(until).map(|(attempt, until)| Sending {
            attempt,
            writer: text("by").unwrap_or_default(),
            until,
        });
        let interrupted = value.get("interrupted") == Some(&Value::Bool(true));
        // An attempt that cannot be read was one all the same.
        let interrupted = interrupted || (attempt.is_none() && value.get("attempt").is_some());
        Some(Self { attempt, interrupted, dead: text("dead") })
    }

    fn to_value(&self, of: &Secret<String>) -> Option<Value> {
        if *self == Self::default() {
            return None;
        }
        let mut members = Map::new();
        members.insert("of".to_owned(), fingerprint(of).into());
        if let Some(sending) = &self.attempt {
            members.insert("attempt".to_owned(), sending.attempt.as_str().into());
            members.insert("by".to_owned(), sending.writer.as_str().into());
            members.insert("until".to_owned(), moment::seconds(sending.until).into());
        }
        if self.interrupted {
            members.insert("interrupted".to_owned(), true.into());
        }
        if let Some(code) = &self.dead {
            members.insert("dead".to_owned(), code.as_str().into());
        }
        Some(members.into())
    }
}

impl Rest {
    fn text(&mut self, key: &str) -> Option<String> {
        match self.0.shift_remove(key)? {
            Value::String(text) => Some(text),
            mut other => {
                wipe(&mut other);
                None
            }
        }
    }

    fn secret(&mut self, key: &str) -> Option<Secret<String>> {
        self.text(key).filter(|text| !text.is_empty()).map(Secret::new)
    }

    fn moment(&mut self, key: &str) -> Option<Moment> {
        moment::parse(&self.text(key)?)
    }

    fn to_text(&self) -> String {
        // Room for all of it: a buffer that grows leaves copies behind.
        let mut text = String::with_capacity(16 * 1024);
        // Writing to a string does not fail.
        let _ = std::fmt::write(&mut text, format_args!("{}", Json(&self.0)));
        text
    }
}

/// Writes members as JSON without making a second text of them.
struct Json<'a>(&'a Map<String, Value>);

impl std::fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (at, (key, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}:{value}", Value::from(key.as_str()))?;
        }
        f.write_str("}")
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

/// Which refresh token a note is about. It gives nothing of the token away.
fn fingerprint(token: &Secret<String>) -> String {
    hex(&Sha256::digest(token.expose().as_bytes())[..8])
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
