//! `GET /api/v1/proxies/:id/wait`: until a proxy has acknowledged a configuration.

use std::time::Duration;

use centaur_base::oid::ProxyId;
use centaur_store::Proxy;
use tokio::time::{Instant, sleep_until};

use super::answer::{Answer, Result};
use super::call::Call;
use super::proxies::{RESOURCE, TYPE, shown};
use super::routes::{Routes, route};
use super::target::{found, oid};
use crate::openapi::{Parameter, Verb, integer};
use crate::wire::{ApiError, Query};

/// In seconds, unless it is said otherwise.
const TIMEOUT: u64 = 30;
/// The longest, in seconds; what is between has limits of a minute.
const LONGEST: u64 = 55;

pub(super) fn routes() -> Routes {
    let most = |most: Option<u64>| integer(Some(0), most.and_then(|most| i64::try_from(most).ok()));
    let operation = RESOURCE
        .of_one("waitForProxy", "A proxy, when it has acknowledged a configuration or the time is over")
        .with([Parameter::query("generation", most(None)), Parameter::query("timeout", most(Some(LONGEST)))])
        .gives(200, "As it is then; `acknowledged_generation` tells which", RESOURCE.shown())
        .fails(&[422]);
    route("/api/v1/proxies/{id}/wait", Verb::Get, operation, wait)
}

/// The proxy, as soon as it has acknowledged the generation, or when the time is over: `in_sync` and
/// `acknowledged_generation` tell which.
async fn wait(call: Call) -> Result {
    let id: ProxyId = oid(call.param(0), TYPE)?;
    let asked: Option<i64> =
        number(&call.query, "generation", i64::MAX.unsigned_abs())?.map(u64::cast_signed);
    let timeout = number(&call.query, "timeout", LONGEST)?.unwrap_or(TIMEOUT);
    let end = Instant::now() + Duration::from_secs(timeout);
    let engine = call.app.engine();
    engine.settle().await;
    let acknowledgement = engine.acknowledgement(id);
    let mut stopping = call.app.stopping();
    // Without a number: the configuration at the beginning, whatever comes later.
    let mut wanted = asked;
    loop {
        let told = acknowledgement.told();
        let mut tx = call.read().await?;
        let row = found(tx.proxy(id).await?, TYPE, call.param(0))?;
        let (last, now) = (tx.last_change().await?, tx.now());
        drop(tx);
        let wanted = *wanted.get_or_insert(row.generation);
        let is_over = Instant::now() >= end || *stopping.borrow();
        // What it acknowledged may have ended by itself since.
        let still_has = row.in_sync(now) || row.generation > wanted;
        if is_over || (still_has && has(&row, wanted, last)) {
            return Ok(Answer::one(shown(&row, now)));
        }
        tokio::select! {
            () = told => {}
            () = sleep_until(end) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
}

/// Whether a proxy has all that was changed up to the change `wanted`. Changes that say nothing of this proxy leave its
/// generation below; one that was not made yet cannot have been acknowledged.
fn has(row: &Proxy, wanted: i64, last: i64) -> bool {
    wanted <= last && row.acknowledged_generation.is_some_and(|it| it >= wanted.min(row.generation))
}

fn number(query: &Query, name: &str, most: u64) -> Result<Option<u64>> {
    let Some(text) = query.value(name) else { return Ok(None) };
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| is_digits && *number <= most);
    number
        .map(Some)
        .ok_or_else(|| ApiError::invalid(name, format!("must be an integer from 0 to {most}")).into())
}
