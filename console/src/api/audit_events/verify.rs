//! Walking the chain of hashes.
//!
//! A log may be longer than what one request has time for. The walk stops then and says where; the next request goes
//! on from there. Each step reads a few hundred events in a transaction of its own, so no walk holds the database or
//! memory.

use std::time::Duration;

use centaur_store::{Chain, Link, Verified};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{number, shown};
use crate::api::answer::{Answer, Result};
use crate::api::call::Call;
use crate::wire::ApiError;

/// For how long one request walks; well under the time it has.
const WITHIN: Duration = Duration::from_secs(15);
/// Events that one request looks at, unless it asks for less.
const MOST: u32 = 1_000_000;

/// Verifies the chain from its beginning or from `after` and `after_hash`, which an earlier answer gave. `seq` and
/// `hash` of an earlier answer, sent back as such, show that nothing before that event was written anew.
pub(super) async fn verify(call: Call) -> Result {
    if let Some(namespace) = &call.key.namespace {
        return Err(ApiError::outside_namespace(namespace).into());
    }
    let kept = pair(&call, "seq", "hash")?;
    let from = match pair(&call, "after", "after_hash")? {
        None => Link::default(),
        Some((seq, hash)) => {
            let hash = bytes(&hash).ok_or_else(|| ApiError::bad_request("after_hash must be a hash"))?;
            Link { seq, hash }
        }
    };
    let most =
        number(&call, "limit")?.map_or(MOST, |limit| u32::try_from(limit).unwrap_or(MOST).clamp(1, MOST));
    let mut data = match walk(&call, from, most).await? {
        Verified::End(Chain::Whole { seq, hash }) => {
            json!({ "whole": true, "seq": seq, "hash": shown::hex(&hash) })
        }
        Verified::End(Chain::BrokenAt(seq)) => json!({ "whole": false, "broken_at": seq }),
        // Neither yes nor no: who does not go on knows nothing of the rest.
        Verified::Up(Link { seq, hash }) => {
            let hash = shown::hex(&hash);
            json!({ "whole": null, "seq": seq, "hash": hash, "next": { "after": seq, "after_hash": hash } })
        }
    };
    if let Some((seq, hash)) = kept {
        let stored = call.read().await?.audit_hash(seq).await?.map(|stored| shown::hex(&stored));
        data["matches"] = Value::from(stored == Some(hash));
    }
    Ok(Answer::body(json!({ "data": data })))
}

async fn walk(call: &Call, from: Link, most: u32) -> Result<Verified> {
    let end = Instant::now() + WITHIN;
    let (mut at, mut left) = (from, i64::from(most));
    loop {
        let limit = u32::try_from(left).unwrap_or(MOST);
        match call.read().await?.verify_audit_after(&at, limit).await? {
            Verified::Up(to) if to.seq - at.seq < left && Instant::now() < end => {
                left -= to.seq - at.seq;
                at = to;
            }
            other => return Ok(other),
        }
    }
}

/// The number of an event and a hash, which belong together.
fn pair(call: &Call, seq: &str, hash: &str) -> Result<Option<(i64, String)>> {
    match (number(call, seq)?, call.query.value(hash).filter(|hash| !hash.is_empty())) {
        (None, None) => Ok(None),
        (Some(number), Some(hash)) => Ok(Some((number, hash.to_ascii_lowercase()))),
        _ => Err(ApiError::bad_request(format!("{seq} and {hash} belong together")).into()),
    }
}

/// The 32 bytes of a hash in hexadecimal.
fn bytes(hash: &str) -> Option<Vec<u8>> {
    let digits = hash.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
