//! The tools of the tool directories, by the names that operators use.

use centaur_manifest::discover::{Catalog, Tool, discover};
use centaur_manifest::problem::Problem;
use centaur_manifest::register::{RegisterError, Registration, ids};
use centaur_manifest::source::{SourceError, Sources};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::session::Session;
use crate::shape;

/// A tool and what it becomes.
pub struct Chosen<'c> {
    /// As its manifest has it.
    pub tool: &'c Tool,
    /// In the console.
    pub registration: Registration,
}

/// Looks through the tool directories. What is odd about them is remarked.
///
/// # Errors
/// [`Failure::NoToolDirs`]
pub fn catalog(session: &Session) -> Result<Catalog, Failure> {
    let dirs = &session.settings.tool_dirs;
    if dirs.is_empty() {
        return Err(Failure::NoToolDirs);
    }
    let catalog = discover(dirs);
    for warning in &catalog.warnings {
        session.warn(warning.code.as_str(), warning.to_string());
    }
    Ok(catalog)
}

/// The tool with a name.
///
/// # Errors
/// [`Failure::ToolNotFound`]
pub fn named<'c>(session: &Session, catalog: &'c Catalog, name: &str) -> Result<&'c Tool, Failure> {
    catalog.named(name).ok_or_else(|| Failure::ToolNotFound {
        name: name.to_owned(),
        roots: session.settings.tool_dirs.iter().map(|dir| dir.display().to_string()).collect(),
        similar: catalog.nearest(name).into_iter().map(str::to_owned).collect(),
    })
}

/// The tools with names, each once, with what they become. Nothing is asked.
///
/// # Errors
/// [`Failure::ToolNotFound`], [`Failure::ToolIsPersona`], [`Failure::ManifestInvalid`], [`Failure::SlugCollision`],
/// [`Failure::VaultMissing`], [`Failure::NoSource`]
pub fn chosen<'c>(
    session: &Session,
    catalog: &'c Catalog,
    names: &[String],
) -> Result<Vec<Chosen<'c>>, Failure> {
    let mut all: Vec<Chosen<'c>> = Vec::new();
    for name in names {
        if !all.iter().any(|chosen| chosen.tool.name == *name) {
            let tool = named(session, catalog, name)?;
            let registration = registration(session, catalog, tool)?;
            all.push(Chosen { tool, registration });
        }
    }
    Ok(all)
}

/// What a tool becomes.
///
/// # Errors
/// As [`chosen`].
pub fn registration(session: &Session, catalog: &Catalog, tool: &Tool) -> Result<Registration, Failure> {
    let sources = &session.settings.sources;
    catalog.registration(tool, session.namespace(), sources).map_err(|error| failure(tool, sources, error))
}

fn failure(tool: &Tool, sources: &Sources, error: RegisterError) -> Failure {
    match error {
        RegisterError::Invalid(_) => Failure::ManifestInvalid {
            file: tool.dir.join(centaur_manifest::parse::FILE).display().to_string(),
            problems: tool.problems().to_vec(),
        },
        RegisterError::Persona(name) => Failure::ToolIsPersona { name, dir: tool.dir.display().to_string() },
        RegisterError::SlugCollision { tool, other, role } => Failure::SlugCollision { tool, other, role },
        RegisterError::Policy(SourceError::NoVault(_)) => {
            Failure::VaultMissing { policy: sources.policy.as_str() }
        }
        error => Failure::NoSource(error.to_string()),
    }
}

/// The `tool` of the JSON output: what its manifest says, its role, and the ids that its entries get.
pub fn json(tool: &Tool) -> Value {
    let mut out = json!(tool);
    let role = tool.role();
    let of_manifest = |manifest| {
        let entries = ids(&role, manifest).into_iter();
        entries
            .map(
                |(entry, id)| json!({"list": entry.list, "index": entry.index, "name": entry.name, "id": id}),
            )
            .collect::<Vec<Value>>()
    };
    let ids: Vec<Value> = tool.manifest.iter().flat_map(of_manifest).collect();
    out["role"] = role.clone().into();
    out["ids"] = ids.into();
    out["problems"] = problems(tool).into();
    out["warnings"] = Value::Null;
    if let Value::Object(members) = &mut out {
        members.remove("warnings");
    }
    out
}

/// What is wrong with a manifest, and what is worth a word.
pub fn problems(tool: &Tool) -> Vec<Value> {
    tool.problems().iter().chain(&tool.warnings).map(problem).collect()
}

/// One problem of the JSON output.
pub fn problem(problem: &Problem) -> Value {
    let severity = if problem.code.is_warning() { "warning" } else { "error" };
    json!({
        "code": problem.code.as_str(),
        "severity": severity,
        "path": problem.path,
        "list": problem.list,
        "index": problem.index,
        "name": problem.entry,
        "key": problem.key,
        "line": problem.at.map(|at| at.line),
        "column": problem.at.map(|at| at.column),
        "message": problem.text,
    })
}

/// `static/tool-github-github-token`
pub fn reference(record: &centaur_manifest::register::SecretRecord) -> String {
    format!("{}/{}", shape::type_name(record.kind), record.foreign_id)
}
