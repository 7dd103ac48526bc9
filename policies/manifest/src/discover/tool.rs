//! One tool that was found.

use std::path::PathBuf;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::manifest::{Entry, Kind, Manifest};
use crate::problem::Problem;
use crate::register::tool_role;

/// A directory with a manifest that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// The name of the directory, which is the tool's.
    pub name: String,
    /// The directory.
    pub dir: PathBuf,
    /// The root it was found in, absolute and without links.
    pub root: PathBuf,
    /// The name of the repository it came with, as a slug.
    pub overlay: String,
    /// Directories that it replaces, the first one first.
    pub shadowed: Vec<PathBuf>,
    /// What the manifest says; or all that is wrong with it, in the order of the file.
    pub manifest: Result<Manifest, Vec<Problem>>,
    /// What is worth a word, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl Tool {
    /// Whether it is a persona. One whose manifest is invalid counts as a tool.
    pub fn is_persona(&self) -> bool {
        matches!(&self.manifest, Ok(manifest) if matches!(manifest.kind, Kind::Persona { .. }))
    }

    /// What is wrong with its manifest; nothing when it counts.
    pub fn problems(&self) -> &[Problem] {
        self.manifest.as_ref().err().map_or(&[], Vec::as_slice)
    }

    /// Its entries, needed ones first; none when the manifest is invalid.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.manifest.iter().flat_map(Manifest::entries)
    }

    /// The foreign id of its own role.
    pub fn role(&self) -> String {
        tool_role(&self.name)
    }
}

/// For programs: where it was found, whether it is valid, and what the manifest says, in one object.
impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("directory", &self.dir)?;
        map.serialize_entry("root", &self.root)?;
        map.serialize_entry("overlay", &self.overlay)?;
        map.serialize_entry("shadowed", &self.shadowed)?;
        map.serialize_entry("valid", &self.manifest.is_ok())?;
        map.serialize_entry("problems", self.problems())?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.serialize_entry("manifest", &self.manifest.as_ref().ok())?;
        map.end()
    }
}
