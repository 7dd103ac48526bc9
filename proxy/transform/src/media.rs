//! What a content type says about the lengths of the texts in a body.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};

/// Kinds of content by what a change of length does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// Text, or nothing was said: a part may grow or shrink.
    Text,
    /// Messages that hold the lengths of their parts: gRPC and Connect frames, protocol buffers, and their kin.
    Messages,
    /// Any other bytes; what the lengths in them mean is not known.
    Binary,
}

impl Media {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else { return Self::Text };
        let essence = essence(value.as_bytes());
        if essence.is_empty() {
            return Self::Text;
        }
        let Some(kind) = after(essence, b"application/") else {
            let textual =
                [&b"text/"[..], b"multipart/", b"message/"].iter().any(|t| after(essence, t).is_some());
            return if textual || suffix(essence).is_some_and(is_text) { Self::Text } else { Self::Binary };
        };
        // Before the suffix is looked at: the frames of `grpc+json` have lengths as well.
        if after(kind, b"grpc").is_some() || after(kind, b"connect+").is_some() {
            return Self::Messages;
        }
        let kind = suffix(kind).unwrap_or(kind);
        if is_text(kind) {
            Self::Text
        } else if is(kind, MESSAGES) {
            Self::Messages
        } else {
            Self::Binary
        }
    }
}

/// Whether a gRPC or Connect stream compresses its messages one by one, so that its bytes cannot be
/// searched.
pub(crate) fn compresses_messages(headers: &HeaderMap) -> bool {
    let coded = |name: &HeaderName| {
        headers.get(name).is_some_and(|v| !v.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
    };
    Media::of(headers) == Media::Messages && (coded(&GRPC_ENCODING) || coded(&CONNECT_ENCODING))
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const CONNECT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

fn essence(value: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value[..end].trim_ascii()
}

fn after<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn suffix(text: &[u8]) -> Option<&[u8]> {
    memchr::memrchr(b'+', text).map(|at| &text[at + 1..])
}

fn is(kind: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| kind.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_text(kind: &[u8]) -> bool {
    is(kind, TEXTS)
}

/// Subtypes of `application`, and suffixes.
const TEXTS: &[&str] = &[
    "json",
    "xml",
    "html",
    "x-www-form-urlencoded",
    "javascript",
    "x-javascript",
    "ecmascript",
    "x-ndjson",
    "ndjson",
    "jsonl",
    "jsonlines",
    "x-jsonlines",
    "json-seq",
    "json5",
    "yaml",
    "x-yaml",
    "toml",
    "graphql",
    "sql",
    "x-sh",
    "csv",
    "rtf",
    "jwt",
    "sparql-query",
];

/// Subtypes of `application`, and suffixes.
const MESSAGES: &[&str] = &[
    "protobuf",
    "x-protobuf",
    "proto",
    "x-proto",
    "vnd.google.protobuf",
    "x-google-protobuf",
    "msgpack",
    "x-msgpack",
    "vnd.msgpack",
    "cbor",
    "bson",
    "x-bson",
    "ubjson",
    "x-thrift",
    "vnd.apache.thrift.binary",
    "vnd.apache.thrift.compact",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header_map;

    #[test]
    fn content_is_told_apart_by_what_its_lengths_mean() {
        let cases = [
            ("", Media::Text),
            ("text/plain; charset=utf-8", Media::Text),
            ("TEXT/HTML", Media::Text),
            ("application/json", Media::Text),
            ("application/problem+json; v=1", Media::Text),
            ("image/svg+xml", Media::Text),
            ("multipart/form-data; boundary=x", Media::Text),
            ("application/x-www-form-urlencoded", Media::Text),
            ("application/grpc", Media::Messages),
            ("Application/gRPC+proto", Media::Messages),
            ("application/grpc+json", Media::Messages),
            ("application/grpc-web-text", Media::Messages),
            ("application/connect+json", Media::Messages),
            ("application/x-protobuf; messageType=a", Media::Messages),
            ("application/senml+cbor", Media::Messages),
            ("application/octet-stream", Media::Binary),
            ("application/zip", Media::Binary),
            ("image/png", Media::Binary),
            ("nonsense", Media::Binary),
        ];
        for (content_type, want) in cases {
            assert_eq!(Media::of(&header_map(&[("content-type", content_type)])), want, "{content_type}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Text);
    }

    #[test]
    fn only_messages_are_compressed_one_by_one() {
        let compressed = |headers: &[(&'static str, &str)]| compresses_messages(&header_map(headers));
        assert!(compressed(&[("content-type", "application/grpc"), ("grpc-encoding", "gzip")]));
        assert!(compressed(&[
            ("content-type", "application/connect+proto"),
            ("connect-content-encoding", "br")
        ]));
        assert!(!compressed(&[("content-type", "application/grpc"), ("grpc-encoding", "Identity")]));
        assert!(!compressed(&[("content-type", "application/grpc")]));
        assert!(!compressed(&[("content-type", "text/plain"), ("grpc-encoding", "gzip")]));
    }
}
