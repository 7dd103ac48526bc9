//! A grant and its revocation in turns: from the answer to the write until each proxy obeys.

use std::time::Duration;

use centaur_e2e::real::Database;
use serde_json::json;

use crate::args::Args;
use crate::fleet::Fleet;
use crate::operator::Operator;
use crate::program::Console;
use crate::real_proxy::{HOST, RealProxy};
use crate::seed::{self, Plan};
use crate::stats::{Samples, now_us};
use crate::table::Cell;

/// A change that is not obeyed by then is lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between changes, so that each is one by itself.
const REST: Duration = Duration::from_millis(400);

/// `waiting` proxies of one principal, one of them real; `aim` in milliseconds.
///
/// # Errors
/// When a proxy does not obey.
pub(super) async fn measure(
    args: &Args,
    database: &Database,
    waiting: usize,
    aim: f64,
) -> anyhow::Result<Cell> {
    let plan = Plan { principals: 1, grants: 0, wide: 0, stride: 0, proxies: waiting, secrets: 2 };
    seed::fill(args, database, plan).await?;
    let console = Console::start(args, &database.address()).await?;
    let operator = Operator::new(console.address);
    let secret = json!({
        "foreign_id": "obeyed",
        "inject_config": {"header": "x-api-key"},
        "source": {"source_type": "control_plane", "config": {}, "secret": "fake-value"},
        "rules": [{"host": HOST}],
    });
    let secret = operator.make("static_secrets", &secret).await?;
    let grant = json!({"principal_id": seed::principal(0), "static_secret_id": secret});
    let real = RealProxy::start(args, console.address, &seed::token(0)).await?;
    let mut others = Fleet::new();
    others.join(console.address, 1, waiting - 1, 55, PATIENCE).await?;
    let (mut all, mut of_real, mut granted) = (Samples::default(), Samples::default(), None);
    for _ in 0..args.changes.max(2) {
        tokio::time::sleep(REST).await;
        let wanted = if granted.is_some() { 403 } else { 200 };
        let write = async {
            granted = match granted.take() {
                None => Some(operator.make("grants", &grant).await?),
                Some(id) => operator.remove(&format!("grants/{id}")).await.map(|()| None)?,
            };
            anyhow::Ok(now_us())
        };
        let obeyed = async { anyhow::Ok(tokio::time::timeout(PATIENCE, real.answers(wanted)).await??) };
        let (committed, obeyed, received) =
            tokio::try_join!(write, obeyed, others.changed(waiting - 1, PATIENCE))?;
        of_real.add(obeyed.saturating_sub(committed));
        all.add(obeyed.saturating_sub(committed));
        all.add_since(committed, &received);
        others.all_wait(PATIENCE).await?;
    }
    let (p50, p99, real_p99) = (all.millis(0.5), all.millis(0.99), of_real.millis(0.99));
    Ok(Cell {
        text: format!("p50 {p50:.0} ms, **p99 {p99:.0} ms** (the real proxy {real_p99:.0} ms)"),
        met: p99.max(real_p99) < aim,
        figures: json!({
            "waiting": waiting, "changes": of_real.len(), "p50_ms": p50, "p99_ms": p99,
            "real_proxy_p50_ms": of_real.millis(0.5), "real_proxy_p99_ms": real_p99,
        }),
    })
}
