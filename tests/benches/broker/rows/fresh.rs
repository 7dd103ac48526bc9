//! Very many credentials that are due one after the other.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use centaur_e2e::bench::usage;
use centaur_e2e::real::Database;
use centaur_e2e::strict::Provider;
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::time::sleep;

use crate::table::Cell;
use crate::{Args, world};

/// Between two refreshes of a token of one hour.
const INTERVAL_US: i64 = 2_880_000_000;

pub(super) async fn measure(args: &Args, database: &Database) -> anyhow::Result<Cell> {
    let provider = Provider::start();
    let console = world::console(database, false).await;
    let api = console.api();
    let numbers: Vec<_> = (0..args.credentials).collect();
    for batch in numbers.chunks(8) {
        let make =
            batch.iter().map(async |number| world::credential(&api, &provider, &format!("f{number}")).await);
        join_all(make).await;
    }
    console.stop().await;
    spread(database).await?;
    let console = world::console(database, true).await;
    // The first look at all of them is not what keeps them fresh.
    sleep(Duration::from_secs(2)).await;
    let (calls, cpu, began) = (provider.calls(), usage::cpu_us(console.pid()), Instant::now());
    sleep(Duration::from_secs(args.seconds)).await;
    let (calls, cpu) = (provider.calls() - calls, usage::cpu_us(console.pid()) - cpu);
    let share = cpu as f64 / began.elapsed().as_micros() as f64 * 100.0;
    let per_second = calls as f64 / began.elapsed().as_secs_f64();
    ensure!(calls > 0, "nothing was refreshed");
    console.stop().await;
    let each = cpu as f64 / calls as f64 / 1e3;
    Ok(Cell {
        text: format!("**{share:.1} %** at {per_second:.1} refreshes/s, {each:.1} ms of processor each"),
        met: share < 5.0,
    })
}

/// As they are after an hour: minted, and due evenly over the interval.
async fn spread(database: &Database) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let sql = format!(
        "UPDATE broker_credentials SET last_refresh = {now}, \
         next_attempt_at = {now} + (id * 2654435761 % 1000003) * {step}",
        step = INTERVAL_US / 1_000_003
    );
    let sql = AssertSqlSafe(sql);
    match database {
        Database::Sqlite(_) => {
            let mut raw = SqliteConnection::connect(&database.address()).await?;
            sqlx::raw_sql(sql).execute(&mut raw).await?;
            raw.close().await?;
        }
        Database::Postgres(address) => {
            let mut raw = PgConnection::connect(address).await?;
            sqlx::raw_sql(sql).execute(&mut raw).await?;
            raw.close().await?;
        }
    }
    Ok(())
}
