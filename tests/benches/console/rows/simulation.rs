//! Very many proxies that wait at several consoles over one PostgreSQL: what one costs, idle, woken and renewed.
//!
//! Every proxy has a principal of its own with three grants: one that all hold, and two others; about a thousand hold
//! a fourth. So changing a secret reaches all of them, a thousand, or, by a grant, one.

mod outcome;
mod replicas;

use std::time::{Duration, Instant};

use centaur_e2e::real::Database;
use serde_json::json;

pub(super) use self::outcome::Outcome;

use self::replicas::{Replicas, Use};
use crate::args::Args;
use crate::operator::{self, Operator};
use crate::say;
use crate::seed::{self, Plan, Raw};
use crate::stats::{Samples, now_us};

/// Descriptors that a console needs beside its proxies.
const SPARE: usize = 400;
/// Proxies that the second secret reaches, about.
const MANY: usize = 1_000;
/// Secrets; the first two are those that many hold.
const SECRETS: usize = 66;
/// Before memory is read.
const SETTLE: Duration = Duration::from_secs(5);
/// How often one proxy is woken.
const ONES: usize = 20;
/// How often a thousand are.
const MANYS: usize = 5;
/// How often all are.
const ALLS: usize = 2;

/// # Errors
/// When a console or a proxy does not do its part.
pub(super) async fn run(args: &Args, descriptors: u64) -> anyhow::Result<Outcome> {
    let replicas = args.replicas.clamp(1, 200);
    let most = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(SPARE);
    let each = (args.waiters / replicas).clamp(1, most);
    let waiters = each * replicas;
    let stride = (waiters / MANY).max(1);
    let database = Database::postgres().await;
    let plan = Plan { principals: waiters, grants: 3, wide: 0, stride, proxies: waiters, secrets: SECRETS };
    let began = Instant::now();
    let secrets = seed::fill(args, &database, plan).await?;
    say(&format!("  {waiters} proxies are in the database after {:.0} s", began.elapsed().as_secs_f64()));
    let mut outcome = Outcome::new(waiters, replicas);

    let mut all = Replicas::start(args, &database, replicas, each).await?;
    let operator = Operator::new(all.first_address());
    let mut database = Raw::open(&database).await?;
    let empty = all.used();
    let took = all.join(args.seconds_to_wait).await?;
    let joined = all.used();
    outcome.joined(took, empty.until(&joined));
    tokio::time::sleep(SETTLE).await;
    outcome.resting(empty.rss_kib, all.used().rss_kib);
    say(&format!("  all wait after {:.0} s", took.as_secs_f64()));

    outcome.waiting(still(&mut all, &mut database, args.rest).await?);
    say("  they have waited");

    let before = all.used();
    let mut samples = Samples::default();
    // One that nobody holds: a grant of what is held changes nothing, and would be waited for in vain.
    let own = operator.make("static_secrets", &operator::secret(SECRETS, "fake-value-own")).await?;
    for at in 0..ONES {
        // Each time another one, of the replicas in turn; the write goes to the first.
        let number = (at % replicas) * each + 1 + at * 3;
        let grant = json!({"principal_id": seed::principal(number), "static_secret_id": own});
        let committed = {
            operator.make("grants", &grant).await?;
            now_us()
        };
        samples.add_since(committed, &all.changed(|reached| usize::from(reached == number)).await?);
        all.all_wait().await?;
    }
    outcome.woken("one", &samples, ONES, before.until(&all.used()));
    say("  one was woken");

    for (name, secret, divides, times) in [("about 1,000", 1, stride, MANYS), ("all", 0, 1, ALLS)] {
        let before = all.used();
        let mut samples = Samples::default();
        for at in 0..times {
            let value = operator::secret(secret, &format!("fake-value-{secret}-{at}"));
            operator.change(&format!("static_secrets/{}", secrets[secret]), &value).await?;
            let committed = now_us();
            samples.add_since(committed, &all.changed(|reached| usize::from(reached % divides == 0)).await?);
            all.all_wait().await?;
        }
        outcome.woken(name, &samples, times, before.until(&all.used()));
        say(&format!("  {name} were woken"));
    }
    tokio::time::sleep(SETTLE).await;
    outcome.after(empty.rss_kib, &all.used());
    Ok(outcome)
}

/// What is used while nothing changes: processor, transactions of the database, polls that were renewed.
async fn still(all: &mut Replicas, database: &mut Raw, seconds: u64) -> anyhow::Result<(f64, Use, u64, i64)> {
    let transactions =
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let (begin, before) = (Instant::now(), all.used());
    let renewed = all.renewals().await?;
    let done = database.number(transactions).await?;
    tokio::time::sleep(Duration::from_secs(seconds.max(1))).await;
    let used = before.until(&all.used());
    let renewed = all.renewals().await? - renewed;
    let done = database.number(transactions).await? - done;
    Ok((begin.elapsed().as_secs_f64(), used, renewed, done))
}
