//! Bodies an origin sends, and the content codings.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;

/// What the origin answers with.
pub type Body = BoxBody<Bytes, Infallible>;

/// A body of known length.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).boxed()
}

/// `data` under a content coding: `identity`, `gzip`, `deflate` (zlib), `br` or `zstd`.
pub fn compress(coding: &str, data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        "identity" => data.to_vec(),
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(data).expect("memory");
            writer.finish().expect("memory")
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(data).expect("memory");
            writer.finish().expect("memory")
        }
        "br" => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(data).expect("memory");
            out
        }
        "zstd" => zstd::encode_all(data, 3).expect("memory"),
        other => panic!("unknown coding {other}"),
    }
}

/// Takes a content coding off.
pub fn decompress(coding: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        "identity" => out.extend_from_slice(data),
        "gzip" => {
            flate2::read::MultiGzDecoder::new(data).read_to_end(&mut out).expect("gzip");
        }
        "deflate" => {
            flate2::read::ZlibDecoder::new(data).read_to_end(&mut out).expect("deflate");
        }
        "br" => {
            brotli::Decompressor::new(data, 4096).read_to_end(&mut out).expect("br");
        }
        "zstd" => out = zstd::decode_all(data).expect("zstd"),
        other => panic!("unknown coding {other}"),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress};

    #[test]
    fn codings_are_inverse() {
        for coding in ["identity", "gzip", "deflate", "br", "zstd"] {
            let coded = compress(coding, b"some text, some text");
            assert_eq!(decompress(coding, &coded), b"some text, some text", "{coding}");
        }
    }
}
