//! The files of `tests/attacks` as types. They are part of the program, so that it can be run anywhere.

use std::path::Path;

use serde::Deserialize;

use super::script::{Step, parse};
use super::{AttackError, io};

/// Everything there is to play.
#[derive(Debug)]
pub struct Corpus {
    /// Configurations that entries ask for.
    pub profiles: Vec<Profile>,
    /// Classes in the order of the report.
    pub classes: Vec<Class>,
}

/// A configuration of the proxy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What entries call it.
    pub name: String,
    /// The YAML, with `@{…}`; `@{extra}` is replaced by `extra`, or by nothing.
    pub config: String,
    /// Lines that only some proxies know. One that does not start with them is started without.
    #[serde(default)]
    pub extra: String,
}

/// A file of attacks.
#[derive(Debug)]
pub struct Class {
    /// Its title in the report.
    pub title: String,
    /// Its entries.
    pub attacks: Vec<Attack>,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Attack {
    /// Unique name.
    pub id: String,
    /// One line: what is tried.
    pub about: String,
    /// Which configuration.
    pub profile: String,
    /// What the client does and gets.
    pub steps: Vec<Step>,
    /// Texts that no origin may receive.
    pub never: Vec<String>,
    /// Texts that some origin must receive.
    pub sees: Vec<String>,
    /// How many audit lines.
    pub audit: Lines,
    /// An honest twin, which shows that the way is open at all.
    pub control: bool,
}

/// How many audit lines an entry leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Not looked at: no request was read, or how many were depends on timing.
    Any,
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    profile: Vec<Profile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    class: String,
    attack: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    about: String,
    #[serde(default = "base")]
    profile: String,
    steps: String,
    #[serde(default)]
    never: Vec<String>,
    #[serde(default)]
    sees: Vec<String>,
    audit: Option<String>,
    #[serde(default)]
    control: bool,
}

fn base() -> String {
    "base".to_owned()
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../tests/attacks/", $name)))),*]
    };
}

const PROFILES: &str = "profiles.toml";

/// The order of the report.
const FILES: [(&str, &str); 14] = files![
    "authority.toml",
    "spelling.toml",
    "smuggling.toml",
    "pipelining.toml",
    "upgrade.toml",
    "hop-by-hop.toml",
    "path.toml",
    "rebinding.toml",
    "reflection.toml",
    "placeholder.toml",
    "foreign.toml",
    "cleartext.toml",
    "exhaustion.toml",
    "token-calls.toml",
];

impl Corpus {
    /// The corpus this program was built with.
    ///
    /// # Errors
    /// A file that does not parse.
    pub fn built_in() -> Result<Self, AttackError> {
        Self::parse(include_str!("../../../../tests/attacks/profiles.toml"), &FILES)
    }

    /// A corpus from a folder with the same file names; files that are absent are left out.
    ///
    /// # Errors
    /// A file that cannot be read or does not parse.
    pub fn from_dir(dir: &Path) -> Result<Self, AttackError> {
        let profiles = std::fs::read_to_string(dir.join(PROFILES)).map_err(io("reading profiles.toml"))?;
        let mut files = Vec::new();
        for (name, _) in FILES {
            match std::fs::read_to_string(dir.join(name)) {
                Ok(text) => files.push((name, text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io("reading the corpus")(error)),
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        Self::parse(&profiles, &files)
    }

    fn parse(profiles: &str, files: &[(&str, &str)]) -> Result<Self, AttackError> {
        let wrong = |file: &str, problem: String| AttackError::Corpus { file: file.to_owned(), problem };
        let profiles: Profiles =
            toml::from_str(profiles).map_err(|error| wrong(PROFILES, error.to_string()))?;
        let profiles = profiles.profile;
        let mut classes: Vec<Class> = Vec::new();
        for (name, text) in files {
            let file: File = toml::from_str(text).map_err(|error| wrong(name, error.to_string()))?;
            let mut attacks = Vec::new();
            for entry in file.attack {
                let id = entry.id.clone();
                let known = |attack: &Attack| attack.id == id;
                if attacks.iter().any(known) || classes.iter().any(|class| class.attacks.iter().any(known)) {
                    return Err(wrong(name, format!("{id} stands twice")));
                }
                if !profiles.iter().any(|profile| profile.name == entry.profile) {
                    return Err(wrong(name, format!("{id}: no profile {}", entry.profile)));
                }
                attacks.push(attack(entry).map_err(|problem| wrong(name, format!("{id}: {problem}")))?);
            }
            classes.push(Class { title: file.class, attacks });
        }
        Ok(Self { profiles, classes })
    }

    /// How many entries are no controls.
    pub fn len(&self) -> usize {
        self.classes.iter().flat_map(|class| &class.attacks).filter(|attack| !attack.control).count()
    }

    /// Whether there is nothing to play.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn attack(entry: Entry) -> Result<Attack, String> {
    Ok(Attack {
        steps: parse(&entry.steps)?,
        audit: lines(entry.audit.as_deref())?,
        id: entry.id,
        about: entry.about,
        profile: entry.profile,
        never: entry.never,
        sees: entry.sees,
        control: entry.control,
    })
}

fn lines(text: Option<&str>) -> Result<Lines, String> {
    match text {
        None => Ok(Lines::AtLeast(1)),
        Some("any") => Ok(Lines::Any),
        Some(text) => {
            let count = |text: &str| text.parse().map_err(|_| format!("audit = {text:?} is no number"));
            match text.strip_suffix("..") {
                Some(least) => count(least).map(Lines::AtLeast),
                None => count(text).map(Lines::Exactly),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Corpus;

    #[test]
    fn the_built_in_corpus_parses_has_a_control_in_each_class_and_the_promised_size() {
        let corpus = Corpus::built_in().expect("parses");
        for class in &corpus.classes {
            assert!(class.attacks.iter().any(|attack| attack.control), "{} has no control", class.title);
        }
        assert!(corpus.len() >= 150, "{} entries", corpus.len());
    }

    #[test]
    fn an_entry_with_an_unknown_key_step_or_profile_is_an_error() {
        let profiles = "[[profile]]\nname = 'base'\nconfig = ''";
        let file = |entry: &str| format!("class = 'c'\n[[attack]]\nid = 'x'\nabout = 'y'\n{entry}");
        for (entry, good) in [
            ("steps = 'fin'", true),
            ("steps = 'fin'\nstatus = 3", false),
            ("steps = 'jump'", false),
            ("steps = 'fin'\nprofile = 'other'", false),
            ("steps = 'fin'\naudit = 'many'", false),
        ] {
            assert_eq!(Corpus::parse(profiles, &[("f", &file(entry))]).is_ok(), good, "{entry}");
        }
    }
}
