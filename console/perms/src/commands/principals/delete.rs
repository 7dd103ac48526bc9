//! `principals delete`

use crate::address;
use crate::args::PrincipalArg;
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{Action, Call, Plan, Seen, Step, Target};
use crate::printer::count;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::Identity;

pub(in crate::commands) async fn run(session: &Session, args: &PrincipalArg) -> Result<Report, Failure> {
    let api = session.api()?;
    let principal = address::principal(session, args).await?.found(session)?;
    let grants = api.grants_of_principal(principal.id).await.of(session)?;
    let roles = api.roles_of(principal.id).await.of(session)?;
    let proxies = api.proxies(Some(principal.id)).await.of(session)?;
    let lost = format!(
        "{} and {} go with it; {} will be without a principal",
        count(grants.len(), "direct grant"),
        count(roles.len(), "assignment"),
        if proxies.len() == 1 { "1 proxy".to_owned() } else { format!("{} proxies", proxies.len()) },
    );
    session.printer.notice(&format!("{}: {lost}", address::called(&principal)));
    let secrets = fetch::secrets(session, grants.iter().map(|grant| grant.secret)).await?;
    for grant in &grants {
        let secret = secrets.get(&grant.secret).map_or_else(|| grant.secret.to_string(), Identity::called);
        session.printer.notice(&format!("  grant {} of {secret}", grant.id));
    }
    for role in &roles {
        session.printer.notice(&format!("  role {}", role.called()));
    }
    for proxy in &proxies {
        session.printer.notice(&format!("  proxy {} {}", proxy.id, proxy.name));
    }
    let target = Target {
        kind: "principal",
        id: Some(principal.id.to_string()),
        foreign_id: principal.foreign_id.clone(),
    };
    let call = Call::DeletePrincipal { id: principal.id, seen: Seen::from(&principal) };
    let step = Step::new(Action::Delete, target, lost, call)
        .with("grants", grants.iter().map(|grant| grant.id.to_string()).collect::<Vec<_>>())
        .with("roles", roles.iter().map(|role| role.id.to_string()).collect::<Vec<_>>())
        .with("proxies", proxies.iter().map(|proxy| proxy.id.to_string()).collect::<Vec<_>>());
    let mut plan = Plan::new().destructive();
    plan.push(step);
    plan.run(session).await
}
