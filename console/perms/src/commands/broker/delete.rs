//! `broker delete`

use crate::address;
use crate::args::CredentialArg;
use crate::failure::Failure;
use crate::plan::{Action, Call, Plan, Seen, Step, Target};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::Identity as _;

/// Names the secrets that refer to it before it is tried: the console refuses while there are any.
pub(in crate::commands) async fn run(session: &Session, args: &CredentialArg) -> Result<Report, Failure> {
    let row = address::credential(session, &args.credential).await?;
    let references = session.api()?.references_of(row.id).await.of(session)?.unwrap_or_default();
    for one in &references {
        let name = one.foreign_id.as_deref().unwrap_or(&one.id);
        session.warn("referenced", format!("{} {name} refers to {}", one.kind, row.called()));
    }
    let target = Target {
        kind: "broker_credential",
        id: Some(row.id.to_string()),
        foreign_id: row.foreign_id.clone(),
    };
    let call = Call::DeleteCredential { id: row.id, seen: Seen::from(&row) };
    let ids: Vec<_> = references.iter().map(|one| one.id.clone()).collect();
    let step = Step::new(Action::Delete, target, "asked for", call).with("references", ids);
    let mut plan = Plan::new().destructive();
    plan.push(step);
    plan.run(session).await
}
