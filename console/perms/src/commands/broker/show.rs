//! `broker show`

use crate::address;
use crate::args::CredentialArg;
use crate::commands::record;
use crate::failure::Failure;
use crate::report::Report;
use crate::session::Session;

pub(in crate::commands) async fn run(session: &Session, args: &CredentialArg) -> Result<Report, Failure> {
    let row = address::credential(session, &args.credential).await?;
    Ok(record::report(session, "broker_credential", &row.document))
}
