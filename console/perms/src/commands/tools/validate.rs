//! `tools validate`

use std::fmt::Write as _;

use centaur_manifest::discover::Tool;
use serde_json::{Value, json};

use crate::args::ToolsValidate;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::{count, line};
use crate::report::Report;
use crate::session::Session;
use crate::tools;

pub(in crate::commands) fn run(session: &Session, args: &ToolsValidate) -> Result<Report, Failure> {
    let catalog = tools::catalog(session)?;
    let chosen: Vec<&Tool> = if args.tools.is_empty() {
        catalog.tools.iter().collect()
    } else {
        args.tools.iter().map(|name| tools::named(session, &catalog, name)).collect::<Result<_, _>>()?
    };
    let (mut errors, mut warnings, mut text) = (0, 0, String::new());
    for tool in &chosen {
        for problem in tool.problems() {
            let _ = writeln!(text, "error: {}", line(&problem.to_string()));
        }
        for problem in &tool.warnings {
            let _ = writeln!(text, "warning: {}", line(&problem.to_string()));
        }
        errors += tool.problems().len();
        warnings += tool.warnings.len();
        if let Some(other) = catalog.holder_of_role(tool) {
            let role = tool.role();
            let _ = writeln!(text, "error: {} and {} would share role {role}", other.name, tool.name);
            errors += 1;
        }
    }
    let (checked, errors_text) = (count(chosen.len(), "tool"), count(errors, "error"));
    let _ = writeln!(text, "{checked}: {errors_text}, {}", count(warnings, "warning"));
    let shown: Vec<Value> = chosen
        .iter()
        .map(|tool| {
            let shares = catalog.holder_of_role(tool).map(|other| other.name.as_str());
            let valid = tool.manifest.is_ok() && shares.is_none();
            let problems = tools::problems(tool);
            json!({"name": tool.name, "directory": tool.dir, "valid": valid, "shares_role_with": shares, "problems": problems})
        })
        .collect();
    let is_bad = errors > 0 || (args.strict && warnings > 0);
    let status = if is_bad { ExitStatus::ManifestInvalid } else { ExitStatus::Success };
    Ok(Report::new(json!({ "tools": shown }), text).with_status(status))
}
