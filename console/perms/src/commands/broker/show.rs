//! `broker show`

use serde_json::json;

use crate::address;
use crate::args::CredentialArg;
use crate::failure::Failure;
use crate::printer::escape_json;
use crate::report::Report;
use crate::session::Session;

pub(in crate::commands) async fn run(session: &Session, args: &CredentialArg) -> Result<Report, Failure> {
    let row = address::credential(session, &args.credential).await?;
    let record = serde_json::to_string_pretty(&row.document).unwrap_or_default();
    let text = format!("broker_credential\n{}\n", escape_json(&record));
    Ok(Report::new(json!({ "type": "broker_credential", "record": row.document }), text))
}
