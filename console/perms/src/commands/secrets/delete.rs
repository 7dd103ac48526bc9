//! `secrets delete`

use centaur_client::api::Grantee;

use super::grants::grants;
use crate::address;
use crate::args::SecretArg;
use crate::failure::Failure;
use crate::plan::{Action, Call, Plan, Seen, Step, Target};
use crate::printer::count;
use crate::report::Report;
use crate::session::Session;
use crate::shape::Identity as _;

pub(in crate::commands) async fn run(session: &Session, args: &SecretArg) -> Result<Report, Failure> {
    let secret = address::secret(session, &args.secret).await?;
    let grants = grants(session, &secret).await?;
    let lost = format!("{} go with it", count(grants.len(), "grant"));
    session.printer.notice(&format!("{}: {lost}", secret.called()));
    for grant in &grants {
        let grantee = match grant.grantee {
            Grantee::Principal(id) => id.to_string(),
            Grantee::Role(id) => id.to_string(),
        };
        session.printer.notice(&format!("  {} to {grantee}", grant.id));
    }
    let target =
        Target { kind: "secret", id: Some(secret.id.to_string()), foreign_id: secret.foreign_id.clone() };
    let call = Call::DeleteSecret { id: secret.id, seen: Seen::from(&secret) };
    let step = Step::new(Action::Delete, target, lost, call)
        .with("grants", grants.iter().map(|grant| grant.id.to_string()).collect::<Vec<_>>());
    let mut plan = Plan::new().destructive();
    plan.push(step);
    plan.run(session).await
}
