//! Whether the client is still there, and what the exchange uses still granted.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::ClientGate;
use crate::gate::Gone;
use crate::managed::live::{self, Ticket};

/// Runs `work` unless the client goes away first. A client that has only closed its sending side still gets its
/// answer; whether it is still there shows when something is sent, so after a while it is sent a `100 Continue`,
/// which every HTTP/1.1 client skips.
pub(super) async fn unless_gone<F: Future>(
    gate: Option<&ClientGate>,
    mut work: Pin<&mut F>,
) -> Result<F::Output, Gone> {
    let Some(gate) = gate else { return Ok(work.await) };
    let mut gone = pin!(wait_until_gone(gate));
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        gone.as_mut().poll(cx).map(Err)
    })
    .await
}

/// Runs `work` unless what it uses is withdrawn meanwhile.
pub(super) async fn unless_revoked<T>(
    ticket: Option<&mut Ticket>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let Some(ticket) = ticket else { return Some(work.await) };
    tokio::select! {
        biased;
        () = live::revoked(Some(ticket)) => None,
        done = work => Some(done),
    }
}

/// Pause before a half-closed client is probed, and between probes.
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// Time for a reset to come back.
const PROBE_ANSWER: Duration = Duration::from_millis(200);

async fn wait_until_gone(gate: &ClientGate) -> Gone {
    match poll_fn(|cx| gate.poll_gone(cx)).await {
        Gone::HalfClosed => {}
        gone => return gone,
    }
    if !gate.takes_interim() {
        // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2): it is waited for as long as it takes.
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(PROBE_AFTER).await;
        gate.interim(b"HTTP/1.1 100 Continue\r\n\r\n");
        tokio::time::sleep(PROBE_ANSWER).await;
        if gate.is_broken() {
            return Gone::Reset;
        }
    }
}
