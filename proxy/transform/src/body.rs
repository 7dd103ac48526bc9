//! The one body wrapper: decode, replace, encode, frame by frame. What is replaced by what comes as a
//! [`StreamReplacer`], what else there is to it as an [`Edit`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::codec::{CodecError, Codings, Recoder};
use crate::engine::StreamReplacer;

/// What an edit of a body is besides its replacements.
pub(crate) trait Edit {
    /// Notes that a pattern was found.
    fn found(&mut self, pattern: usize);
    /// Changes the trailers.
    fn trailers(&mut self, trailers: &mut HeaderMap);
    /// Has the last word when everything was seen.
    fn verdict(&mut self) -> Result<(), Missing>;
    /// Whether the last word may be an objection. The length of the body is not named then: who gets it has to
    /// notice that it is not whole.
    fn may_object(&self) -> bool;
    /// The number by which the caller knows a pattern.
    fn entry(&self, pattern: usize) -> usize;
}

/// A required placeholder did not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the placeholder of entry {entry} does not occur in the request")]
pub struct Missing {
    /// Number of the entry in its set.
    pub entry: usize,
}

/// A placeholder stands where only a value of the same length can stand, and its value has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value of entry {entry} does not have the length of its placeholder")]
pub struct Misfit {
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
    /// A value cannot stand in the place of its placeholder.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

pin_project! {
    /// A body with its bytes edited on the way. Frames come as soon as they are decided; trailers pass after
    /// the last bytes; after an error nothing follows.
    pub struct EditBody<B, E> {
        #[pin]
        inner: B,
        text: Text<E>,
        recoder: Option<Recoder>,
        // The recoder was fed and did not ask for more yet.
        decoding: bool,
        state: State,
    }
}

/// The plain text of a body on its way through.
struct Text<E> {
    replacer: StreamReplacer,
    edit: E,
}

impl<E: Edit> Text<E> {
    /// Takes the next plain bytes and gives what is decided.
    fn push(&mut self, piece: Bytes) -> Result<Bytes, Misfit> {
        let out = self.replacer.push(piece, &mut |pattern| self.edit.found(pattern));
        self.fitting(out)
    }

    /// Gives the rest at the end.
    fn finish(&mut self) -> Result<Bytes, Misfit> {
        let out = self.replacer.finish(&mut |pattern| self.edit.found(pattern));
        self.fitting(out)
    }

    fn fitting(&self, out: Bytes) -> Result<Bytes, Misfit> {
        match self.replacer.misfit() {
            None => Ok(out),
            Some(pattern) => Err(Misfit { entry: self.edit.entry(pattern) }),
        }
    }

    fn keeps_length(&self) -> bool {
        self.replacer.keeps_length() && !self.edit.may_object()
    }
}

enum State {
    Reading,
    /// The bytes are through; trailers may follow.
    Ending(Option<HeaderMap>),
    Done,
}

impl<B, E> EditBody<B, E> {
    pub(crate) fn around(inner: B, replacer: StreamReplacer, edit: E, codings: Codings) -> Self {
        let recoder = (!codings.is_empty()).then(|| Recoder::new(codings));
        Self { inner, text: Text { replacer, edit }, recoder, decoding: false, state: State::Reading }
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
                match recode(recoder, this.text) {
                    Ok(Recoded { out, hungry }) => {
                        *this.decoding = !hungry;
                        if !out.is_empty() {
                            break Ok(out);
                        }
                        continue;
                    }
                    Err(error) => break Err(error),
                }
            }
            let frame = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => break Err(BodyError::Inner(error)),
                None => {
                    break end(this.text, this.recoder, this.state, None);
                }
            };
            let piece = match frame.into_data() {
                Ok(piece) => piece,
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    this.text.edit.trailers(&mut trailers);
                    break end(this.text, this.recoder, this.state, Some(trailers));
                }
            };
            if let Some(recoder) = this.recoder {
                recoder.feed(piece);
                *this.decoding = true;
                continue;
            }
            match this.text.push(piece) {
                Ok(out) if out.is_empty() => {}
                out => break out.map_err(BodyError::from),
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
            State::Reading => {
                let text = &self.text;
                let idle = text.replacer.held() == 0 && !text.edit.may_object();
                idle && self.recoder.is_none() && self.inner.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Done | State::Ending(_) => SizeHint::with_exact(0),
            State::Reading if self.recoder.is_none() && self.text.keeps_length() => {
                let (inner, held) = (self.inner.size_hint(), self.text.replacer.held() as u64);
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
    text: &mut Text<E>,
    recoder: &mut Option<Recoder>,
    state: &mut State,
    trailers: Option<HeaderMap>,
) -> Result<Bytes, BodyError<Inner>> {
    let rest = text.finish()?;
    text.edit.verdict()?;
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
fn recode<Inner, E: Edit>(recoder: &mut Recoder, text: &mut Text<E>) -> Result<Recoded, BodyError<Inner>> {
    let mut out = Vec::new();
    for _ in 0..STEPS {
        let Some(plain) = recoder.decode()? else {
            out.extend(recoder.flush()?);
            return Ok(Recoded { out: out.into(), hungry: true });
        };
        out.extend(recoder.encode(&text.push(plain)?)?);
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
