use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use centaur_base::Secret;
use centaur_policies::spec::SourceKind;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::cmd;

/// Where a fetch goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A variable of the program's environment.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A program and its arguments.
    Cmd(Vec<String>),
}

/// Bytes that are wiped when dropped.
pub type Bytes = Zeroizing<Vec<u8>>;

/// Largest value accepted. Nothing that fits into a header comes near.
pub const MAX_BYTES: usize = 1024 * 1024;

impl Origin {
    /// The origin that a definition names, unless its value came with it or is asked for elsewhere.
    pub fn of(kind: &SourceKind) -> Option<Self> {
        Some(match kind {
            SourceKind::Env { var } => Self::Env(var.clone()),
            SourceKind::File { path } => Self::File(path.clone()),
            SourceKind::Cmd { argv } => Self::Cmd(argv.clone()),
            SourceKind::ControlPlane { .. } | SourceKind::TokenBroker { .. } => return None,
        })
    }

    /// Fetches the value, which is not empty, or says why there is none. May take for ever; the caller has the
    /// deadline. With `json_key`, the string at that key of a JSON object.
    ///
    /// # Errors
    /// What is wrong, without what was fetched.
    pub async fn fetch(&self, json_key: Option<&str>) -> Result<Secret<String>, String> {
        let bytes = match self {
            Self::Env(var) => read_env(var)?,
            Self::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path));
                read.await.map_err(|_| "reading the file failed".to_owned())??
            }
            Self::Cmd(argv) => cmd::run(argv).await?,
        };
        extract(bytes, json_key)
    }
}

/// The text in what was fetched, which must not be empty: all of it, or the string at a key.
///
/// # Errors
/// What is wrong, without what was fetched.
pub fn extract(mut bytes: Bytes, json_key: Option<&str>) -> Result<Secret<String>, String> {
    if bytes.is_empty() {
        return Err("the value is empty".to_owned());
    }
    if let Some(key) = json_key {
        return pick(&bytes, key);
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err("the value is not UTF-8 text".to_owned())
        }
    }
}

fn read_env(var: &str) -> Result<Bytes, String> {
    let value = std::env::var_os(var).ok_or("the variable is not set")?;
    Ok(Zeroizing::new(value.into_encoded_bytes()))
}

fn read_file(path: &Path) -> Result<Bytes, String> {
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => format!("reading the file failed: {kind}"),
    };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    // Room for all of it and the end: a buffer that grows leaves copies behind.
    let room = usize::try_from(length).unwrap_or(MAX_BYTES).min(MAX_BYTES) + 64;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("the file is larger than {MAX_BYTES} bytes"));
    }
    Ok(bytes)
}

/// The string at the top-level `key` of a JSON object; of several, the last.
fn pick(json: &[u8], key: &str) -> Result<Secret<String>, String> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    // The text of these errors quotes the document, so none of it is kept.
    let picked = reader.deserialize_map(ObjectVisitor { key }).and_then(|found| reader.end().map(|()| found));
    match picked {
        Err(_) => Err("json_key: the value is not a JSON object".to_owned()),
        Ok(None) => Err(format!("json_key: there is no key {key:?}")),
        Ok(Some(Picked::Other)) => Err(format!("json_key: the value at {key:?} is not a string")),
        Ok(Some(Picked::Text(text))) => Ok(text),
    }
}

enum Picked {
    Text(Secret<String>),
    Other,
}

struct ObjectVisitor<'k> {
    key: &'k str,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Option<Picked>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

impl<'de> serde::Deserialize<'de> for Picked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PickedVisitor)
    }
}

struct PickedVisitor;

impl<'de> Visitor<'de> for PickedVisitor {
    type Value = Picked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Picked, E> {
        Ok(Picked::Text(Secret::new(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Picked, E> {
        Ok(Picked::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Picked, E> {
        Ok(Picked::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Picked, E> {
        Ok(Picked::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Picked, E> {
        Ok(Picked::Other)
    }

    fn visit_unit<E>(self) -> Result<Picked, E> {
        Ok(Picked::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Picked, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Picked::Other)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Picked, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Picked::Other)
    }
}
