//! `export`, `diff`, `apply`

pub(super) mod export;
mod plan;
mod stored;
mod tools;

use crate::args::DeclaredArgs;
use crate::declared;
use crate::failure::Failure;
use crate::report::Report;
use crate::session::Session;

pub(super) async fn diff(session: &Session, args: &DeclaredArgs) -> Result<Report, Failure> {
    let document = document(session, args)?;
    let (plan, registrar) = plan::plan(session, &document, args.additive, &args.how).await?;
    Ok(registrar.finish(plan.differences(true)))
}

pub(super) async fn apply(session: &Session, args: &DeclaredArgs) -> Result<Report, Failure> {
    let document = document(session, args)?;
    let (plan, registrar) = plan::plan(session, &document, args.additive, &args.how).await?;
    Ok(registrar.finish(plan.run(session).await?))
}

/// The file, when it is of the namespace that the command works in.
fn document(session: &Session, args: &DeclaredArgs) -> Result<declared::Document, Failure> {
    let document = declared::open(&args.file)?;
    match &document.namespace {
        Some(namespace) if namespace != session.namespace() => Err(Failure::BadFile {
            path: args.file.display().to_string(),
            problems: vec![format!(
                "namespace: the file is of {namespace}, and this command works in {}; use --namespace {namespace}",
                session.namespace()
            )],
        }),
        _ => Ok(document),
    }
}
