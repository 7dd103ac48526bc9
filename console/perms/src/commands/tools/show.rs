//! `tools show`

use std::fmt::Write as _;

use centaur_manifest::register::{SecretRecord, ids};
use serde_json::json;

use crate::args::ToolArg;
use crate::credential;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::{Table, line};
use crate::report::Report;
use crate::session::Session;
use crate::tools;

pub(in crate::commands) fn run(session: &Session, args: &ToolArg) -> Result<Report, Failure> {
    let catalog = tools::catalog(session)?;
    let tool = tools::named(session, &catalog, &args.tool)?;
    let mut data = tools::json(tool);
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", line(value));
    };
    field("name", &tool.name);
    field("directory", &tool.dir.display().to_string());
    field("overlay", &tool.overlay);
    for dir in &tool.shadowed {
        field("shadows", &dir.display().to_string());
    }
    let manifest = match &tool.manifest {
        Ok(manifest) => manifest,
        Err(problems) => {
            for problem in problems {
                let _ = writeln!(text, "error: {}", line(&problem.to_string()));
            }
            return Ok(Report::new(data, text).with_status(ExitStatus::ManifestInvalid));
        }
    };
    field("description", manifest.description.as_deref().unwrap_or("-"));
    field("commands", &manifest.commands.join(", "));
    if tool.is_persona() {
        field("kind", "persona: has no credentials to grant");
        return Ok(Report::new(data, text));
    }
    field("role", &tool.role());
    // Without a vault the ids can be shown, and the sources cannot.
    let registration = tools::registration(session, &catalog, tool);
    let records: &[SecretRecord] = match &registration {
        Ok(registration) => &registration.secrets,
        Err(failure) => {
            session.warn(failure.code(), failure.to_string());
            &[]
        }
    };
    let mut table = Table::new().indented(2);
    table.row(["NAME", "NEEDED", "ID", "SOURCE", "HOSTS"]);
    let role = tool.role();
    for (entry, id) in ids(&role, manifest) {
        let record = records.iter().find(|one| one.list == entry.list && one.index == entry.index);
        let sources = record.map(|record| credential::sources_of(&record.data).join(",")).unwrap_or_default();
        let id = record.map_or(id, tools::reference);
        let needed =
            if entry.list == centaur_manifest::manifest::List::Required { "yes" } else { "optional" };
        table.row([&entry.name, needed, &id, &sources, &entry.binding.hosts().join(",")]);
    }
    let plain = manifest.entries().filter(|entry| entry.binding.type_name() == "plain");
    for entry in plain {
        table.row([entry.name.as_str(), "setting", "", "", ""]);
    }
    if manifest.entries().next().is_none() {
        text.push_str("secrets\n  none\n");
    } else {
        text.push_str("secrets\n");
        text.push_str(&table.text());
    }
    for warning in &tool.warnings {
        let _ = writeln!(text, "warning: {}", line(&warning.to_string()));
    }
    data["secrets"] = records
        .iter()
        .map(|record| json!({"id": record.foreign_id, "declared": record.declared, "record": record.data}))
        .collect();
    Ok(Report::new(data, text))
}
