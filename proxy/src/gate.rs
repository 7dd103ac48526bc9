//! The strict door before the HTTP/1 parser.
//!
//! hyper parses HTTP/1; this adapter stands between it and the client's socket and lets nothing through that two
//! readers could frame differently. It follows the framing of every message (head, length or chunks), so it
//! knows where the next head begins, and gives a head to hyper only when it is complete and sound. What is not
//! sound becomes a [`Fault`]: hyper sees the end of the stream, answers what is under way, and the driver of the
//! connection ([`crate::conn`]) writes the fault's answer and its audit line.
//!
//! It also holds back what follows a request that may become a tunnel (`CONNECT`, `Upgrade`) until the answer is
//! known, so early bytes are neither lost nor read as a request, and it sees a client that goes away while hyper
//! is not reading.

mod chunked;
mod clock;
mod head;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use chunked::Chunked;
use clock::Clock;
pub use clock::{CLOCK_STEP, Overdue};
use head::{Examined, Framing};
pub use head::{Fault, examine_for_fuzzing};

use crate::stream::ClientStream;

/// How much is read ahead of hyper while an exchange is under way, in bytes.
const READ_AHEAD: usize = 16 * 1024;

/// A stream behind the gate; clones are handles to the same stream.
pub struct Gate<T>(Arc<Mutex<Inner<T>>>);

impl<T> Clone for Gate<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Limits on heads, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Any request.
    pub request: usize,
    /// `CONNECT`.
    pub connect: usize,
}

struct Inner<T> {
    io: Option<T>,
    limits: HeadLimits,
    /// Read but not admitted.
    inbox: BytesMut,
    /// Admitted but not yet taken by hyper.
    admitted: BytesMut,
    phase: Phase,
    /// The message under way may turn the connection into something else.
    hold_after: bool,
    /// The connection ends after the message under way.
    end_after: bool,
    fault: Option<Fault>,
    /// The body under way broke its framing.
    malformed: bool,
    read_closed: bool,
    read_error: Option<io::Error>,
    waiting: Option<Waker>,
    /// Interim responses to write before the next head, and whether the stream is between two writes of hyper.
    interim: BytesMut,
    flushed: bool,
    clock: Clock,
}

enum Phase {
    Head,
    Body(u64),
    Chunked(Chunked),
    /// Nothing more is admitted until the answer is known.
    Held,
    /// Nothing more is admitted.
    Ended,
}

/// How the client went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It sends nothing more; it may still be reading.
    HalfClosed,
    /// The connection is broken.
    Reset,
    /// It is still there, but its body does not come.
    Stalled,
    /// Its body is not framed as it said.
    Malformed,
}

impl<T> Gate<T> {
    /// A gate before `io`, which starts with a request head.
    pub fn new(io: T, limits: HeadLimits) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            io: Some(io),
            limits,
            inbox: BytesMut::new(),
            admitted: BytesMut::new(),
            phase: Phase::Head,
            hold_after: false,
            end_after: false,
            fault: None,
            malformed: false,
            read_closed: false,
            read_error: None,
            waiting: None,
            interim: BytesMut::new(),
            flushed: true,
            clock: Clock::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request that was held back for became no tunnel: what follows is the next request.
    pub fn resume(&self) {
        let mut inner = self.lock();
        inner.hold_after = false;
        if matches!(inner.phase, Phase::Held) {
            inner.phase = Phase::Head;
            if let Some(waker) = inner.waiting.take() {
                waker.wake();
            }
        }
    }

    /// No further request is read from this connection.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.end_after = true;
        if matches!(inner.phase, Phase::Head | Phase::Held) && inner.admitted.is_empty() {
            inner.phase = Phase::Ended;
        }
        if let Some(waker) = inner.waiting.take() {
            waker.wake();
        }
    }

    /// What is wrong with the bytes that follow, if anything is.
    pub fn take_fault(&self) -> Option<Fault> {
        self.lock().fault.take()
    }

    /// Whether the client's stream ended inside a head.
    pub fn ended_inside_head(&self) -> bool {
        let inner = self.lock();
        inner.read_closed && matches!(inner.phase, Phase::Head) && inner.clock.head_started.is_some()
    }

    /// The stream and the bytes read ahead of it. `None` when it was taken before.
    pub fn take_stream(&self) -> Option<(T, Bytes)> {
        let mut inner = self.lock();
        inner.phase = Phase::Ended;
        let mut ahead = std::mem::take(&mut inner.admitted);
        let inbox = std::mem::take(&mut inner.inbox);
        ahead.extend_from_slice(&inbox);
        Some((inner.io.take()?, ahead.freeze()))
    }

    /// Queues an interim (1xx) response, to be written before the final head. Dropped when it comes too late.
    pub fn interim(&self, bytes: &[u8]) {
        self.lock().interim.extend_from_slice(bytes);
    }

    /// Whether the client of the exchange under way understands interim responses.
    pub fn takes_interim(&self) -> bool {
        self.lock().clock.takes_interim
    }

    /// Says so.
    pub fn set_takes_interim(&self, yes: bool) {
        self.lock().clock.takes_interim = yes;
    }

    /// Whether the body under way broke its framing.
    pub fn is_malformed(&self) -> bool {
        self.lock().malformed
    }
}

impl<T: AsyncRead + Unpin> Gate<T> {
    /// Ready when there is something for a parser to look at: bytes, an end, or an error.
    pub fn poll_stirred(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if !inner.inbox.is_empty() || inner.read_closed || inner.read_error.is_some() {
            return Poll::Ready(());
        }
        if let Err(error) = ready!(inner.fill_inbox(cx)) {
            inner.read_error = Some(error);
        }
        Poll::Ready(())
    }

    /// Ready when the client went away while its request is complete and the answer is not. Reads ahead a little.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<Gone> {
        let mut inner = self.lock();
        if inner.clock.stalled {
            return Poll::Ready(Gone::Stalled);
        }
        if inner.malformed {
            return Poll::Ready(Gone::Malformed);
        }
        if matches!(inner.phase, Phase::Body(_) | Phase::Chunked(_)) || !inner.admitted.is_empty() {
            // hyper reads the body; it will see the end itself.
            return Poll::Pending;
        }
        loop {
            if inner.read_error.is_some() {
                return Poll::Ready(Gone::Reset);
            }
            if inner.read_closed {
                return Poll::Ready(Gone::HalfClosed);
            }
            if inner.inbox.len() >= READ_AHEAD {
                return Poll::Pending;
            }
            match inner.fill_inbox(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => inner.read_error = Some(error),
            }
        }
    }
}

impl<T: AsyncRead + Unpin> Inner<T> {
    /// Reads once into the inbox. Returns the number of bytes.
    fn fill_inbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(io) = self.io.as_mut() else { return Poll::Ready(Ok(0)) };
        let mut room = [const { std::mem::MaybeUninit::<u8>::uninit() }; 4096];
        let mut buf = ReadBuf::uninit(&mut room);
        ready!(Pin::new(io).poll_read(cx, &mut buf))?;
        let read = buf.filled().len();
        if read == 0 {
            self.read_closed = true;
        } else {
            self.inbox.extend_from_slice(buf.filled());
            self.clock.progress = Instant::now();
        }
        Poll::Ready(Ok(read))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.admitted.is_empty() {
                let take = self.admitted.len().min(buf.remaining());
                buf.put_slice(&self.admitted[..take]);
                self.admitted.advance(take);
                return Poll::Ready(Ok(()));
            }
            if !self.inbox.is_empty() {
                self.admit_inbox();
                if !self.admitted.is_empty() {
                    continue;
                }
            }
            match self.phase {
                Phase::Held => {
                    self.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Phase::Ended => return Poll::Ready(Ok(())),
                _ => {}
            }
            if let Some(error) = self.read_error.take() {
                return Poll::Ready(Err(error));
            }
            if self.read_closed {
                return Poll::Ready(Ok(()));
            }
            if self.inbox.is_empty() {
                // The common way: straight into hyper's buffer, looked at in place.
                let Some(io) = self.io.as_mut() else { return Poll::Ready(Ok(())) };
                let before = buf.filled().len();
                ready!(Pin::new(io).poll_read(cx, buf))?;
                let read = buf.filled().len() - before;
                if read == 0 {
                    self.read_closed = true;
                    return Poll::Ready(Ok(()));
                }
                self.clock.progress = Instant::now();
                let admitted = self.scan(&buf.filled()[before..], None);
                if admitted < read {
                    self.inbox.extend_from_slice(&buf.filled()[before + admitted..]);
                    buf.set_filled(before + admitted);
                }
                if admitted > 0 {
                    return Poll::Ready(Ok(()));
                }
                // What is left may need a rewrite, which only the inbox can take.
                continue;
            }
            ready!(self.fill_inbox(cx))?;
        }
    }

    /// Moves what can be admitted from the inbox.
    fn admit_inbox(&mut self) {
        let data = std::mem::take(&mut self.inbox).freeze();
        let mut rewritten = None;
        let admitted = self.scan(&data, Some(&mut rewritten));
        self.admitted.extend_from_slice(&data[..admitted]);
        let mut rest = admitted;
        if let Some((head, length)) = rewritten {
            self.admitted.extend_from_slice(&head);
            rest += length;
        }
        self.inbox.extend_from_slice(&data[rest..]);
    }

    /// Follows the framing over `data`; returns how many bytes may go to hyper. A head that must be rewritten
    /// stops the scan, and is handed out when `rewrite` is given.
    fn scan(&mut self, data: &[u8], mut rewrite: Option<&mut Option<(Vec<u8>, usize)>>) -> usize {
        let mut at = 0;
        let mut message_start = None;
        while at < data.len() {
            let rest = &data[at..];
            match &mut self.phase {
                Phase::Head => match head::examine(rest, self.limits) {
                    Examined::Partial => {
                        if rest.iter().any(|b| !matches!(b, b'\r' | b'\n')) {
                            self.clock.head_started.get_or_insert_with(Instant::now);
                        }
                        break;
                    }
                    Examined::Fault(fault) => {
                        self.fault = Some(*fault);
                        self.phase = Phase::Ended;
                        break;
                    }
                    Examined::Sound { length, framing, rewritten } => {
                        if let Some(head) = rewritten {
                            let Some(slot) = rewrite.as_mut() else { break };
                            **slot = Some((head, length));
                            self.start_message(framing);
                            break;
                        }
                        message_start = Some(at);
                        at += length;
                        self.start_message(framing);
                    }
                },
                Phase::Body(left) => {
                    let take = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= take as u64;
                    at += take;
                    if *left == 0 {
                        self.end_message();
                    }
                }
                Phase::Chunked(chunked) => match chunked.advance(rest) {
                    chunked::Step::More => at = data.len(),
                    chunked::Step::Done(taken) => {
                        at += taken;
                        self.end_message();
                    }
                    // Seen together with its head, the request never reaches the parser; seen later, the body
                    // ends early and the exchange is told why.
                    chunked::Step::Bad => {
                        self.end_after = true;
                        self.phase = Phase::Ended;
                        match message_start {
                            Some(start) => {
                                self.fault = Some(head::malformed(&data[start..]));
                                return start;
                            }
                            None => self.malformed = true,
                        }
                    }
                },
                Phase::Held | Phase::Ended => break,
            }
        }
        at
    }

    fn start_message(&mut self, framing: Framing) {
        self.clock.head_started = None;
        self.hold_after = framing.may_switch;
        self.end_after |= framing.last;
        match framing.body {
            head::BodyLength::None => self.end_message(),
            head::BodyLength::Fixed(length) => self.phase = Phase::Body(length),
            head::BodyLength::Chunked => self.phase = Phase::Chunked(Chunked::default()),
        }
    }

    fn end_message(&mut self) {
        self.phase = if self.hold_after {
            Phase::Held
        } else if self.end_after {
            Phase::Ended
        } else {
            Phase::Head
        };
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gate<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn write_with(
        &mut self,
        write: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        let Some(io) = self.io.as_mut() else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let wrote = write(Pin::new(io));
        self.flushed = false;
        self.note_write(&wrote);
        wrote
    }

    fn note_write(&mut self, wrote: &Poll<io::Result<usize>>) {
        self.clock.write_blocked = wrote.is_pending();
        if matches!(wrote, Poll::Ready(Ok(1..))) {
            self.clock.progress = Instant::now();
        }
    }

    /// Writes queued interim responses, if the stream stands between two messages.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            if !self.flushed {
                self.interim.clear();
                break;
            }
            let Some(io) = self.io.as_mut() else { return Poll::Ready(Ok(())) };
            let wrote = ready!(Pin::new(io).poll_write(cx, &self.interim))?;
            self.interim.advance(wrote);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gate<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        self.lock().write_with(|io| io.poll_write(&mut Context::from_waker(&waker), buf), cx)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        self.lock().write_with(|io| io.poll_write_vectored(&mut Context::from_waker(&waker), bufs), cx)
    }
    fn is_write_vectored(&self) -> bool {
        self.lock().io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.poll_interim(cx))?;
        let Some(io) = inner.io.as_mut() else { return Poll::Ready(Ok(())) };
        let flushed = Pin::new(io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            inner.flushed = true;
        }
        inner.clock.write_blocked = flushed.is_pending();
        flushed
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        let Some(io) = inner.io.as_mut() else { return Poll::Ready(Ok(())) };
        Pin::new(io).poll_shutdown(cx)
    }
}

impl Gate<ClientStream> {
    /// Whether the socket has reported a failure.
    pub fn is_broken(&self) -> bool {
        self.lock().io.as_ref().is_none_or(ClientStream::is_broken)
    }
}

#[cfg(test)]
mod tests;
