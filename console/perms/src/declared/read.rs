//! From a file to a document. All that can be said without asking anybody is said at once.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use time::OffsetDateTime;

use super::{Document, Held, PrincipalEntry, RoleEntry, VERSION};
use crate::address::SecretName;
use crate::failure::Failure;
use crate::span::{self, Direction};

/// Larger files are not read.
const LIMIT: u64 = 16 << 20;

/// Reads a file; `-` is standard input.
///
/// # Errors
/// [`Failure::BadFile`]
pub fn open(path: &Path) -> Result<Document, Failure> {
    let shown = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let bad = |problem: String| Failure::BadFile { path: shown.clone(), problems: vec![problem] };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LIMIT + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text))
    };
    let size = read.map_err(|error| bad(format!("cannot be read: {}", error.kind())))?;
    if size as u64 > LIMIT {
        return Err(bad(format!("is larger than {LIMIT} bytes")));
    }
    parse(&text).map_err(|problems| Failure::BadFile { path: shown, problems })
}

/// Reads the text of a file.
///
/// # Errors
/// What is wrong with it, each with the key.
pub fn parse(text: &str) -> Result<Document, Vec<String>> {
    let file: File = toml::from_str(text).map_err(|error| vec![syntax(&error, text)])?;
    let problems = file.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Document {
        version: VERSION,
        namespace: file.namespace,
        role: file.role.into_iter().map(Role::entry).collect(),
        principal: file.principal.into_iter().map(Principal::entry).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: i64,
    namespace: Option<String>,
    #[serde(default)]
    role: Vec<Role>,
    #[serde(default)]
    principal: Vec<Principal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    id: String,
    name: Option<String>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    secrets: Vec<HeldEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    id: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    secrets: Vec<HeldEntry>,
}

/// A text or a table.
struct HeldEntry(Held);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldTable {
    secret: String,
    priority: Option<i64>,
    expires_at: Option<String>,
}

impl<'de> Deserialize<'de> for HeldEntry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = HeldEntry;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a secret, or a table with `secret` and `priority` or `expires_at`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HeldEntry, E> {
                Ok(HeldEntry(Held { secret: text.to_owned(), priority: None, expires_at: None }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeldEntry, A::Error> {
                let table = HeldTable::deserialize(MapAccessDeserializer::new(map))?;
                let HeldTable { secret, priority, expires_at } = table;
                let expires_at = match expires_at {
                    None => None,
                    Some(text) if span::duration(&text).is_some() => {
                        return Err(A::Error::custom(format!(
                            "`expires_at` is a point in time, such as 2030-01-31T12:00:00Z, not {text}"
                        )));
                    }
                    Some(text) => {
                        let at = span::instant(&text, OffsetDateTime::UNIX_EPOCH, Direction::Ahead);
                        let at = at.ok_or_else(|| {
                            A::Error::custom(format!("`expires_at` is no point in time: {text}"))
                        })?;
                        Some(span::shown(at))
                    }
                };
                Ok(HeldEntry(Held { secret, priority, expires_at }))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl File {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.version != VERSION {
            problems.push(format!("version: {} is not known; this program reads {VERSION}", self.version));
        }
        if self.namespace.as_deref() == Some("") {
            problems.push("namespace: must not be empty".to_owned());
        }
        once(&mut problems, "role", "id", self.role.iter().map(|role| role.id.as_str()));
        for role in &self.role {
            let at = format!("role {}", role.id);
            once(&mut problems, &at, "tools", role.tools.iter().map(String::as_str));
            held(&mut problems, &at, &role.secrets);
        }
        once(&mut problems, "principal", "id", self.principal.iter().map(|one| one.id.as_str()));
        for principal in &self.principal {
            let at = format!("principal {}", principal.id);
            once(&mut problems, &at, "roles", principal.roles.iter().map(String::as_str));
            held(&mut problems, &at, &principal.secrets);
        }
        problems
    }
}

/// Each name stands once and is not empty.
fn once<'a>(problems: &mut Vec<String>, at: &str, key: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.trim().is_empty() {
            problems.push(format!("{at}: {key}: must not be empty"));
        } else if !seen.insert(name) {
            problems.push(format!("{at}: {key}: {name} stands there twice"));
        }
    }
}

fn held(problems: &mut Vec<String>, at: &str, secrets: &[HeldEntry]) {
    once(problems, at, "secrets", secrets.iter().map(|held| held.0.secret.as_str()));
    for HeldEntry(held) in secrets {
        if let Err(failure) = SecretName::parse(&held.secret) {
            problems.push(format!("{at}: secrets: {failure}"));
        }
    }
}

impl Role {
    fn entry(self) -> RoleEntry {
        let secrets = self.secrets.into_iter().map(|held| held.0).collect();
        RoleEntry { id: self.id, name: self.name, tools: self.tools, secrets }
    }
}

impl Principal {
    fn entry(self) -> PrincipalEntry {
        let secrets = self.secrets.into_iter().map(|held| held.0).collect();
        PrincipalEntry { id: self.id, roles: self.roles, secrets }
    }
}

/// Line, and what is wrong there.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_read_again_as_it_is_written() {
        let text = "version = 1\nnamespace = \"default\"\n\n[[role]]\nid = \"tool-support\"\nname = \"Support \\\"desk\\\"\"\n\
             tools = [\"linear\", \"pylon\"]\n\
             secrets = [\"static/a\", { secret = \"static/b\", priority = -5, expires_at = \"2030-01-31T12:00:00Z\" }]\n\n\
             [[principal]]\nid = \"slack-channel-c456\"\nroles = [\"tool-support\"]\nsecrets = []\n";
        let document = parse(text).unwrap();
        assert_eq!(document.role[0].tools, ["linear", "pylon"]);
        assert_eq!(document.role[0].secrets[1].priority, Some(-5));
        assert_eq!(crate::declared::toml(&document), text);
    }

    #[test]
    fn what_is_left_out_is_empty() {
        let document = parse("version = 1\n[[role]]\nid = \"r\"\n").unwrap();
        assert_eq!((document.namespace, document.role[0].secrets.len()), (None, 0));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        for (text, problem) in [
            ("", "line 1: missing field `version`"),
            ("version = 2\n", "version: 2 is not known; this program reads 1"),
            ("version = 1\nnamespace = \"\"", "namespace: must not be empty"),
            (
                "version = 1\n[[role]]\nid = \"r\"\nsecret = []\n",
                "line 4: unknown field `secret`, expected one of `id`, `name`, `tools`, `secrets`",
            ),
            ("version = 1\n[[role]]\nid = \"r\"\n[[role]]\nid = \"r\"\n", "role: id: r stands there twice"),
            ("version = 1\n[[role]]\nid = \" \"\n", "role: id: must not be empty"),
            (
                "version = 1\n[[principal]]\nid = \"p\"\nroles = [\"a\", \"a\"]\n",
                "principal p: roles: a stands there twice",
            ),
            (
                "version = 1\n[[role]]\nid = \"r\"\nsecrets = [\"bcr_9M4ZKJbu\"]\n",
                "role r: secrets: bcr_9M4ZKJbu is not a secret id; expected ssr_, ots_, gas_, gid_, pgs_, hms_ or aas_",
            ),
            (
                "version = 1\n[[role]]\nid = \"r\"\nsecrets = [{ secret = \"a\", value = \"x\" }]\n",
                "line 4: unknown field `value`, expected one of `secret`, `priority`, `expires_at`",
            ),
            (
                "version = 1\n[[role]]\nid = \"r\"\nsecrets = [{ secret = \"a\", expires_at = \"7d\" }]\n",
                "line 4: `expires_at` is a point in time, such as 2030-01-31T12:00:00Z, not 7d",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), [problem], "{text}");
        }
        // All of one file at once.
        let text = "version = 3\n[[role]]\nid = \"r\"\ntools = [\"\"]\nsecrets = [\"gcp/a\"]\n";
        assert_eq!(parse(text).unwrap_err().len(), 3);
    }
}
