//! What the tests of several modules share: bodies in frames, codings done the plain way.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use crate::codec::Coding;

pub(crate) const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

/// A body whose frames are cut as wished, with a pause before each.
pub(crate) struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    paused: bool,
}

impl Frames {
    pub(crate) fn cut(text: &[u8], cuts: &[usize]) -> Self {
        let mut frames = VecDeque::new();
        let mut left = text;
        for cut in cuts.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (piece, rest) = left.split_at((*cut).clamp(1, left.len()));
            frames.push_back(Frame::data(Bytes::copy_from_slice(piece)));
            left = rest;
        }
        Self { frames, paused: false }
    }

    pub(crate) fn whole(text: impl AsRef<[u8]>) -> Self {
        Self::cut(text.as_ref(), &[usize::MAX])
    }

    pub(crate) fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.frames.push_back(Frame::trailers(trailers));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.paused = !self.paused;
        if self.paused {
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.frames.iter().filter_map(Frame::data_ref).map(|d| d.len() as u64).sum())
    }
}

/// Everything a body gave until it ended or failed.
#[derive(Debug)]
pub(crate) struct Collected<E> {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<E>,
}

impl<E> Collected<E> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

pub(crate) fn collect<B: Body<Data = Bytes>>(body: B) -> Collected<B::Error> {
    let mut body = Box::pin(body);
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Collected { frames: Vec::new(), trailers: None, error: None };
    loop {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(error))) => {
                all.error = Some(error);
                assert!(
                    matches!(body.as_mut().poll_frame(&mut cx), Poll::Ready(None)),
                    "nothing after an error"
                );
                break;
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => all.frames.push(data),
                Err(frame) => all.trailers = frame.into_trailers().ok(),
            },
        }
    }
    assert!(all.frames.iter().all(|frame| !frame.is_empty()), "no empty frames");
    all
}

pub(crate) fn encode(coding: Coding, text: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            encoder.write_all(text).unwrap();
            encoder.into_inner()
        }
        Coding::Zstd => zstd::encode_all(text, 3).unwrap(),
    }
}

/// As much as can be decoded.
pub(crate) fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut read = |mut reader: Box<dyn std::io::Read + '_>| {
        let mut buffer = [0; 1024];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            out.extend_from_slice(&buffer[..n]);
        }
    };
    match coding {
        Coding::Gzip => read(Box::new(flate2::read::MultiGzDecoder::new(bytes))),
        Coding::Deflate => read(Box::new(flate2::read::ZlibDecoder::new(bytes))),
        Coding::Brotli => read(Box::new(brotli::Decompressor::new(bytes, 4096))),
        Coding::Zstd => {
            if let Ok(reader) = zstd::stream::read::Decoder::new(bytes) {
                read(Box::new(reader));
            }
        }
    }
    out
}

pub(crate) fn name(coding: Coding) -> &'static str {
    match coding {
        Coding::Gzip => "gzip",
        Coding::Deflate => "deflate",
        Coding::Brotli => "br",
        Coding::Zstd => "zstd",
    }
}

pub(crate) fn header_map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}
