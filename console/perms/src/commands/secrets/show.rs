//! `secrets show`

use serde_json::json;

use crate::address;
use crate::args::SecretArg;
use crate::failure::Failure;
use crate::printer::escape_json;
use crate::report::Report;
use crate::session::Session;
use crate::shape;

pub(in crate::commands) async fn run(session: &Session, args: &SecretArg) -> Result<Report, Failure> {
    let secret = address::secret(session, &args.secret).await?;
    let kind = shape::type_name(secret.id.kind);
    let record = serde_json::to_string_pretty(&secret.document).unwrap_or_default();
    let text = format!("{kind}\n{}\n", escape_json(&record));
    Ok(Report::new(json!({ "type": kind, "record": secret.document }), text))
}
