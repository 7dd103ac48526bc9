//! The one body wrapper: decode, edit, encode, frame by frame. What the edit is comes as a parameter.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::codec::{CodecError, Codings, Recoder};

/// A change to the bytes of a body.
pub(crate) trait Edit {
    /// Takes the next plain bytes and gives what is decided.
    fn push(&mut self, piece: Bytes) -> Bytes;
    /// Gives the rest at the end.
    fn finish(&mut self) -> Bytes;
    /// Changes the trailers.
    fn trailers(&mut self, trailers: &mut HeaderMap);
    /// Has the last word when everything was seen.
    fn verdict(&mut self) -> Result<(), Missing>;
    /// Whether the bytes cannot change, so that a known length holds.
    fn is_idle(&self) -> bool;
    /// Whether the length cannot change.
    fn keeps_length(&self) -> bool;
    /// How many bytes were taken and not given yet.
    fn held(&self) -> usize;
}

/// A required placeholder did not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the placeholder of entry {entry} does not occur in the request")]
pub struct Missing {
    /// Number of the entry in its set.
    pub entry: usize,
}

/// Why an edited body ended in an error. The exchange must fail with it: what was sent is not the whole body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    /// From the body inside.
    #[error(transparent)]
    Inner(E),
    /// The coding is broken.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A required placeholder did not occur; known at the end only.
    #[error(transparent)]
    Missing(#[from] Missing),
}

pin_project! {
    /// A body with its bytes edited on the way. Frames come as soon as they are decided; trailers pass after
    /// the last bytes; after an error nothing follows.
    pub struct EditBody<B, E> {
        #[pin]
        inner: B,
        edit: E,
        recoder: Option<Recoder>,
        // The recoder was fed and did not ask for more yet.
        decoding: bool,
        state: State,
    }
}

enum State {
    Reading,
    /// The bytes are through; trailers may follow.
    Ending(Option<HeaderMap>),
    Done,
}

impl<B, E> EditBody<B, E> {
    pub(crate) fn around(inner: B, edit: E, codings: Codings) -> Self {
        let recoder = (!codings.is_empty()).then(|| Recoder::new(codings));
        Self { inner, edit, recoder, decoding: false, state: State::Reading }
    }

    /// Whether the body is decoded and encoded again.
    pub fn is_recoded(&self) -> bool {
        self.recoder.is_some()
    }
}

impl<B, E> fmt::Debug for EditBody<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditBody").field("recoded", &self.recoder.is_some()).finish_non_exhaustive()
    }
}

impl<B: Body<Data = Bytes>, E: Edit> Body for EditBody<B, E> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let result = loop {
            match this.state {
                State::Done => return Poll::Ready(None),
                State::Ending(trailers) => {
                    let trailers = trailers.take();
                    *this.state = State::Done;
                    return Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))));
                }
                State::Reading => {}
            }
            if *this.decoding
                && let Some(recoder) = this.recoder
            {
                match recode(recoder, this.edit) {
                    Ok(Recoded { out, hungry }) => {
                        *this.decoding = !hungry;
                        if !out.is_empty() {
                            break Ok(out);
                        }
                        continue;
                    }
                    Err(error) => break Err(error.into()),
                }
            }
            let frame = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => break Err(BodyError::Inner(error)),
                None => {
                    break end(this.edit, this.recoder, this.state, None);
                }
            };
            let piece = match frame.into_data() {
                Ok(piece) => piece,
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    this.edit.trailers(&mut trailers);
                    break end(this.edit, this.recoder, this.state, Some(trailers));
                }
            };
            if let Some(recoder) = this.recoder {
                recoder.feed(piece);
                *this.decoding = true;
                continue;
            }
            let out = this.edit.push(piece);
            if !out.is_empty() {
                break Ok(out);
            }
        };
        match result {
            Ok(out) if out.is_empty() => {
                // The body ended without further bytes.
                let State::Ending(trailers) = std::mem::replace(this.state, State::Done) else {
                    return Poll::Ready(None);
                };
                Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))))
            }
            Ok(out) => Poll::Ready(Some(Ok(Frame::data(out)))),
            Err(error) => {
                *this.state = State::Done;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Done | State::Ending(None) => true,
            State::Ending(Some(_)) => false,
            // An edit that only watches may still object at the end.
            State::Reading => self.edit.is_idle() && self.recoder.is_none() && self.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Done | State::Ending(_) => SizeHint::with_exact(0),
            State::Reading if self.recoder.is_none() && self.edit.keeps_length() => {
                let (inner, held) = (self.inner.size_hint(), self.edit.held() as u64);
                let mut hint = SizeHint::new();
                hint.set_lower(inner.lower() + held);
                if let Some(upper) = inner.upper() {
                    hint.set_upper(upper + held);
                }
                hint
            }
            State::Reading => SizeHint::default(),
        }
    }
}

/// Ends the bytes of a body.
fn end<Inner, E: Edit>(
    edit: &mut E,
    recoder: &mut Option<Recoder>,
    state: &mut State,
    trailers: Option<HeaderMap>,
) -> Result<Bytes, BodyError<Inner>> {
    let rest = edit.finish();
    edit.verdict()?;
    let out = match recoder {
        None => rest,
        Some(recoder) => {
            let mut out = recoder.encode(&rest)?;
            out.extend(recoder.finish()?);
            Bytes::from(out)
        }
    };
    *state = State::Ending(trailers);
    Ok(out)
}

struct Recoded {
    out: Bytes,
    /// More input is needed.
    hungry: bool,
}

/// Decodes, edits and encodes until there is output or more input is needed. At most [`STEPS`] at a time; after
/// that what the encoders hold is flushed, so that a body which expands without end gives frames all the same.
fn recode(recoder: &mut Recoder, edit: &mut impl Edit) -> Result<Recoded, CodecError> {
    let mut out = Vec::new();
    for _ in 0..STEPS {
        let Some(plain) = recoder.decode()? else {
            out.extend(recoder.flush()?);
            return Ok(Recoded { out: out.into(), hungry: true });
        };
        out.extend(recoder.encode(&edit.push(plain))?);
        if out.len() >= ENOUGH {
            return Ok(Recoded { out: out.into(), hungry: false });
        }
    }
    out.extend(recoder.flush()?);
    Ok(Recoded { out: out.into(), hungry: false })
}

/// With [`crate::codec::STEP`] of 32 KiB: at most 1 MiB is decoded per poll.
const STEPS: usize = 32;
/// Output that is worth a frame.
const ENOUGH: usize = 16 * 1024;
