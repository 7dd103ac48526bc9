//! What has to be thrown away now and then.

use std::time::Duration;

use centaur_store::{Actor, LoginLimits, Micros, StoreError};
use tokio::time::{Instant, sleep};

use super::{App, log};

/// How often what is kept in memory is looked through, and after how many times the database is.
const TICK: Duration = Duration::from_mins(1);
const TICKS: u32 = 60;
/// Changes are kept for this long: a replica that has not looked for longer begins anew.
const CHANGES_FOR: Duration = Duration::from_hours(24);

/// Does the chores until the console stops. Every replica does them: the second finds nothing to do.
pub(super) async fn run(app: App) {
    let mut stopping = app.stopping();
    for tick in 0_u32.. {
        app.engine().tidy();
        if tick % TICKS == 0 {
            hourly(&app).await;
        }
        tokio::select! {
            () = sleep(TICK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

async fn hourly(app: &App) {
    for (name, result, took) in [timed("changes", changes(app)).await, timed("logins", logins(app)).await] {
        app.metrics().chore(name, result.is_ok(), took, app.store().clock().now());
        if let Err(error) = result {
            log("warn", "a chore failed", &[("chore", name), ("error", &error.to_string())]);
        }
    }
}

async fn timed(
    name: &'static str,
    chore: impl Future<Output = Result<u64, StoreError>>,
) -> (&'static str, Result<u64, StoreError>, Duration) {
    let began = Instant::now();
    let result = chore.await;
    (name, result, began.elapsed())
}

/// Forgets old changes.
async fn changes(app: &App) -> Result<u64, StoreError> {
    let before = ago(app, CHANGES_FOR);
    app.store().write(&Actor::system(), |tx| Box::pin(tx.prune_changes(before))).await
}

/// Forgets attempts to sign in that are too old to count.
async fn logins(app: &App) -> Result<u64, StoreError> {
    let before = ago(app, LoginLimits::default().window);
    app.store().write(&Actor::system(), |tx| Box::pin(tx.prune_login_attempts(before))).await
}

fn ago(app: &App, span: Duration) -> Micros {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Micros(app.store().clock().now().0.saturating_sub(span))
}
