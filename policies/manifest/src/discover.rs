//! Where tools are: the walk through the roots, and which of two tools with one name counts.
//!
//! A root holds tools, and folders that hold tools; nothing deeper is looked at. Of two tools with one name the one of
//! the later root counts and takes the place of the other in the list; they are never merged, and an invalid one does
//! not bring back what it replaced.

mod overlay;
mod tool;
mod walk;

use std::collections::HashMap;
use std::path::PathBuf;

pub use self::overlay::overlay;
pub use self::tool::Tool;
use crate::parse;
use crate::problem::{Code, Problem};
use crate::register::{RegisterError, Registration, registration, tool_role};
use crate::source::Sources;

/// All tools and personas of some roots.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// In the order of the roots; of one root, by path.
    pub tools: Vec<Tool>,
    /// What was noticed on the way, apart from what is wrong with single manifests.
    pub warnings: Vec<Problem>,
}

impl Catalog {
    /// The tool or persona with a name, letter case included.
    pub fn named(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// Names that are spelled most like one that is not there, the nearest first; at most three.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        crate::parse::nearest(name, self.tools.iter().map(|tool| tool.name.as_str()), 3)
    }

    /// Whose role a tool would share: a tool before it whose name comes to the same id.
    pub fn holder_of_role(&self, tool: &Tool) -> Option<&Tool> {
        let role = tool_role(&tool.name);
        self.tools
            .iter()
            .take_while(|before| before.name != tool.name)
            .find(|before| !before.is_persona() && tool_role(&before.name) == role)
    }

    /// What a tool of this catalog becomes in a namespace.
    ///
    /// # Errors
    /// [`RegisterError`]
    pub fn registration(
        &self,
        tool: &Tool,
        namespace: &str,
        sources: &Sources,
    ) -> Result<Registration, RegisterError> {
        let registration = registration(tool, namespace, sources)?;
        match self.holder_of_role(tool) {
            Some(other) => Err(RegisterError::SlugCollision {
                tool: tool.name.clone(),
                other: other.name.clone(),
                role: registration.role.foreign_id,
            }),
            None => Ok(registration),
        }
    }
}

/// Looks through the roots, in their order. A root that is not there contributes nothing.
pub fn discover(roots: &[PathBuf]) -> Catalog {
    let roots: Vec<PathBuf> = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let mut catalog = Catalog::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for root in &roots {
        let mut of_this_root: HashMap<String, PathBuf> = HashMap::new();
        for (name, dir) in walk::candidates(root, &mut catalog.warnings) {
            if let Some(other) = of_this_root.insert(name.clone(), dir.clone()) {
                let text = format!("replaces {} of the same root", other.display());
                catalog.warnings.push(Problem::of_path(Code::ShadowedInRoot, &dir, text));
            }
            let read = parse::directory(&dir, &name);
            let tool = Tool {
                overlay: overlay(&roots, &dir),
                name,
                dir,
                root: root.clone(),
                shadowed: Vec::new(),
                manifest: read.manifest,
                warnings: read.warnings,
            };
            let known = places.get(&tool.name).and_then(|place| catalog.tools.get_mut(*place));
            if let Some(known) = known {
                replace(known, tool, &mut catalog.warnings);
            } else {
                places.insert(tool.name.clone(), catalog.tools.len());
                catalog.tools.push(tool);
            }
        }
    }
    catalog
}

fn replace(known: &mut Tool, mut tool: Tool, warnings: &mut Vec<Problem>) {
    if known.is_persona() != tool.is_persona() && tool.manifest.is_ok() && known.manifest.is_ok() {
        let (is, was) = if tool.is_persona() { ("persona", "tool") } else { ("tool", "persona") };
        let text = format!("is a {is} and replaces the {was} {}", known.dir.display());
        warnings.push(Problem::of_path(Code::KindChanged, &tool.dir, text));
    }
    tool.shadowed = std::mem::take(&mut known.shadowed);
    tool.shadowed.push(known.dir.clone());
    // A root that is listed twice does not shadow itself.
    tool.shadowed.retain(|dir| *dir != tool.dir);
    *known = tool;
}

#[cfg(test)]
mod tests;
