//! A response body is scrubbed alike in every coding and under every cut, and a body that is not what its coding says
//! ends or fails, but neither hangs nor panics.
//!
//! Input: a byte for the coding, a byte for the cuts, a byte that chooses between a sound body (the rest is its text)
//! and a broken one (the rest is what is on the wire).
#![no_main]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use centaur_transform::ScrubSet;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::{Body, Frame};
use libfuzzer_sys::fuzz_target;

const VALUE: &[u8] = b"fake/secret+value=1";
const CODINGS: [&str; 5] = ["identity", "gzip", "deflate", "br", "zstd"];

fuzz_target!(|data: &[u8]| {
    let [coding, cut, sound, rest @ ..] = data else { return };
    let coding = CODINGS[usize::from(*coding) % CODINGS.len()];
    let mut builder = ScrubSet::builder();
    let Ok(Some(set)) = builder.value(VALUE, b"placeholder").build() else { return };
    let plain = [rest, VALUE, rest].concat();
    let wire = if sound % 2 == 0 { encode(coding, &plain) } else { rest.to_vec() };

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    let Ok(scrubbed) = set.response(&Method::GET, StatusCode::OK, &mut headers) else {
        panic!("a coding we know");
    };
    let Some(body) = scrubbed.body else { panic!("a response to GET has a body") };
    let Ok(out) = collect(body.wrap(Frames::cut(&wire, *cut))) else {
        assert!(sound % 2 != 0, "a sound body failed");
        return;
    };
    if sound % 2 == 0 {
        let coding =
            headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("identity");
        let out = decode(coding, &out);
        assert_eq!(out, set.text(&plain).unwrap_or(plain));
        assert!(!out.windows(VALUE.len()).any(|window| window == VALUE));
    }
});

struct Frames(VecDeque<Bytes>);

impl Frames {
    fn cut(wire: &[u8], cut: u8) -> Self {
        Self(wire.chunks(1 + usize::from(cut)).map(Bytes::copy_from_slice).collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

fn collect<B: Body<Data = Bytes>>(body: B) -> Result<Vec<u8>, B::Error> {
    let mut body = Box::pin(body);
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    let mut idle = 0;
    loop {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Pending => {
                idle += 1;
                assert!(idle < 1000, "a body that is all there must not wait");
            }
            Poll::Ready(None) => return Ok(out),
            Poll::Ready(Some(frame)) => {
                if let Ok(data) = frame?.into_data() {
                    out.extend_from_slice(&data);
                }
            }
        }
    }
}

fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
    let fast = flate2::Compression::fast();
    let encoded = match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), fast);
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 18);
            encoder.write_all(text).map(|()| encoder.into_inner())
        }
        "zstd" => zstd::encode_all(text, 1),
        _ => Ok(text.to_vec()),
    };
    encoded.expect("memory takes everything")
}

fn decode(coding: &str, wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let read = match coding {
        "gzip" => flate2::read::MultiGzDecoder::new(wire).read_to_end(&mut text),
        "deflate" => flate2::read::ZlibDecoder::new(wire).read_to_end(&mut text),
        "br" => brotli::Decompressor::new(wire, 4096).read_to_end(&mut text),
        "zstd" => {
            zstd::stream::read::Decoder::new(wire).and_then(|mut decoder| decoder.read_to_end(&mut text))
        }
        _ => return wire.to_vec(),
    };
    read.expect("what comes out is sound");
    text
}
