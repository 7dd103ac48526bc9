//! `tools register`

use centaur_manifest::discover::Catalog;
use centaur_manifest::register::TOOLS_ROLE;

use crate::args::{RegisterArgs, ToolsRegister};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::registration::{self, Registrar};
use crate::report::Report;
use crate::session::Session;
use crate::tools::{self, Chosen};

pub(in crate::commands) async fn run(session: &Session, args: &ToolsRegister) -> Result<Report, Failure> {
    let catalog = tools::catalog(session)?;
    let (chosen, status) = if args.all {
        every(session, &catalog)?
    } else {
        (tools::chosen(session, &catalog, &args.tools)?, ExitStatus::Success)
    };
    let mut roles: Vec<&str> = args.into.iter().map(String::as_str).collect();
    if args.tools_role && !roles.contains(&TOOLS_ROLE.0) {
        roles.push(TOOLS_ROLE.0);
    }
    let (plan, registrar) = plan(session, &chosen, &roles, &args.how).await?;
    Ok(ended(registrar.finish(plan.run(session).await?), status))
}

/// All tools that can be registered. What cannot is remarked, and decides how the program ends.
pub(super) fn every<'c>(
    session: &Session,
    catalog: &'c Catalog,
) -> Result<(Vec<Chosen<'c>>, ExitStatus), Failure> {
    let (mut chosen, mut status) = (Vec::new(), ExitStatus::Success);
    for tool in catalog.tools.iter().filter(|tool| !tool.is_persona()) {
        match tools::registration(session, catalog, tool) {
            Ok(registration) => chosen.push(Chosen { tool, registration }),
            Err(failure @ Failure::VaultMissing { .. }) => return Err(failure),
            Err(failure) => {
                session.warn(failure.code(), format!("{} is left out: {failure}", tool.name));
                failure.lines().iter().for_each(|line| session.printer.notice(&format!("  {line}")));
                status = match failure {
                    Failure::ManifestInvalid { .. } => ExitStatus::ManifestInvalid,
                    _ if status == ExitStatus::Success => ExitStatus::Partial,
                    _ => status,
                };
            }
        }
    }
    Ok((chosen, status))
}

/// Registers tools, each into its own role and into others.
pub(super) async fn plan<'a>(
    session: &'a Session,
    chosen: &[Chosen<'_>],
    roles: &[&str],
    how: &'a RegisterArgs,
) -> Result<(Plan, Registrar<'a>), Failure> {
    let mut plan = Plan::new();
    let mut others = Vec::new();
    for role in roles {
        others.push(registration::granted_to(session, &mut plan, role).await?);
    }
    let mut registrar = Registrar::new(session, how);
    for chosen in chosen {
        registrar.register(&mut plan, chosen, &[], true, &others).await?;
    }
    registration::remark_new(session, &others);
    Ok((plan, registrar))
}

/// A failure of the plan, or what is left out, comes before what was known before.
pub(super) fn ended(report: Report, status: ExitStatus) -> Report {
    if status == ExitStatus::Success || report.failure.is_some() {
        return report;
    }
    let worse = if status == ExitStatus::ManifestInvalid { status } else { ExitStatus::Partial };
    report.with_status(worse)
}
