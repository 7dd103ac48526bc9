//! Entry points for fuzz targets: each takes any bytes and panics when a promise does not hold.

use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::engine::{Fit, Patterns, StreamReplacer};
use crate::escape::Escapes;
use crate::format::Formatter;
use crate::scrub::ScrubSet;

/// The output of a replacer does not depend on where its input is cut.
///
/// The first byte chooses the escapes, the second how the rest is divided: up to four short patterns, then the
/// text, which is cut after as many bytes as its own bytes say.
pub fn replace_is_independent_of_cuts(data: &[u8]) {
    let [mode, split, rest @ ..] = data else { return };
    let escapes =
        [Escapes::RAW, Escapes::FORM, Escapes::PATH, Escapes::JSON, Escapes::ANY][usize::from(*mode) % 5];
    let (patterns, text) = rest.split_at(rest.len().min(usize::from(split % 32)));
    let list: Vec<&[u8]> = patterns.split(|&b| b == 0).filter(|p| p.len() > 1).take(4).collect();
    if list.is_empty() {
        return;
    }
    let Ok(compiled) = Patterns::new(&list, escapes) else { return };
    let compiled = Arc::new(compiled);
    let with: Arc<[_]> = (0..list.len()).map(|i| Zeroizing::new(vec![b'A' + i as u8; i + 1])).collect();

    let whole = compiled.replace(text, &with, |_| {}).unwrap_or_else(|| text.to_vec());
    let mut replacer = StreamReplacer::new(Arc::clone(&compiled), with, Fit::Free);
    let mut pieces = Vec::new();
    let mut left = text;
    while let Some(&first) = left.first() {
        let (piece, rest) = left.split_at(left.len().min(1 + usize::from(first % 7)));
        pieces.extend_from_slice(&replacer.push(Bytes::copy_from_slice(piece), &mut |_| {}));
        left = rest;
    }
    pieces.extend_from_slice(&replacer.finish(&mut |_| {}));
    assert_eq!(pieces, whole);
}

/// A value is not in the scrubbed text, whatever stands around it.
pub fn scrub_leaves_no_value(before: &[u8], after: &[u8]) {
    const VALUE: &[u8] = b"fake/secret+value=1";
    let mut builder = ScrubSet::builder();
    let Ok(Some(set)) = builder.value(VALUE, b"*").build() else { return };
    let text = [before, VALUE, after].concat();
    let scrubbed = set.text(&text).expect("the value is found");
    assert!(!scrubbed.windows(VALUE.len()).any(|w| w == VALUE));
}

/// Any text parses or is refused, and what parses runs or fails within its limits.
pub fn formatter(text: &str, value: &str) {
    if let Ok(formatter) = Formatter::parse(text) {
        let _ = formatter.run(value);
    }
}

/// Any server bytes pass through the WebSocket scrubber with their length, or are refused.
pub fn websocket_keeps_length(data: &[u8]) {
    let mut builder = ScrubSet::builder();
    let Ok(Some(set)) = builder.value(b"secret-1", b"p").build() else { return };
    let mut scrubber = set.websocket();
    let mut out = 0;
    for piece in data.chunks(5) {
        match scrubber.push(piece) {
            Ok(bytes) => out += bytes.len(),
            Err(_) => return,
        }
    }
    assert_eq!(out + scrubber.finish().len(), data.len());
}
