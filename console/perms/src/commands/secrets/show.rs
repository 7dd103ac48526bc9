//! `secrets show`

use crate::address;
use crate::args::SecretArg;
use crate::commands::record;
use crate::failure::Failure;
use crate::report::Report;
use crate::session::Session;
use crate::shape;

pub(in crate::commands) async fn run(session: &Session, args: &SecretArg) -> Result<Report, Failure> {
    let secret = address::secret(session, &args.secret).await?;
    Ok(record::report(session, shape::type_name(secret.id.kind), &secret.document))
}
