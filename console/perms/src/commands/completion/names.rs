//! `__complete WHAT PREFIX`: names for completion scripts. Says nothing when it fails, and gives up early.

use std::time::Duration;

use crate::failure::Failure;
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity, TYPES};

/// Whoever presses a key does not wait longer.
const BUDGET: Duration = Duration::from_secs(2);

pub(in crate::commands) async fn run(session: &Session, what: &str, prefix: &str) -> Report {
    let found = tokio::time::timeout(BUDGET, names(session, what)).await;
    let mut names = found.ok().and_then(Result::ok).unwrap_or_default();
    names.retain(|name| name.starts_with(prefix) && !name.chars().any(char::is_whitespace));
    names.sort();
    names.dedup();
    let text = names.iter().fold(String::new(), |text, name| text + &crate::printer::line(name) + "\n");
    Report::list(names.iter().map(|name| name.as_str().into()).collect(), names.len(), text)
}

async fn names(session: &Session, what: &str) -> Result<Vec<String>, Failure> {
    if what == "tools" {
        let tools = crate::tools::catalog(session)?.tools;
        return Ok(tools.into_iter().filter(|tool| !tool.is_persona()).map(|tool| tool.name).collect());
    }
    let everything = session.everything();
    let api = session.api()?;
    Ok(match what {
        "principals" => called(&api.principals(&everything).await.of(session)?),
        "roles" => called(&api.roles(&everything).await.of(session)?),
        "broker" => called(&api.credentials(&everything).await.of(session)?),
        "secrets" => {
            let all = TYPES.iter().map(|(kind, _)| api.secrets(*kind, &everything));
            let all = crate::fetch::all(session, all).await?;
            all.iter().flat_map(|rows| called(rows)).collect()
        }
        _ => Vec::new(),
    })
}

fn called<T: Identity>(rows: &[T]) -> Vec<String> {
    rows.iter().map(Identity::called).collect()
}
