//! `body_capture`: the beginning of a request body on the audit line. The body itself is sent whole, and the
//! capture is taken before any value was put into it.

use std::time::Duration;

use centaur_policies::spec::BodyCaptureSpec;

use super::Passage;
use super::annotations::Annotations;
use crate::audit::BodyCapture;

/// How long a body that comes in pieces is waited for before the capture is taken as it is.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn capture(spec: &BodyCaptureSpec, passage: &mut Passage<'_>, notes: &mut Annotations) {
    if passage.body.is_swapped() {
        // A value may stand in it; the audit line never holds one.
        notes.text("body_capture_error", "a secrets transform with match_body stands before body_capture");
        return;
    }
    let cap = spec.max_request_body_bytes;
    let (bytes, whole) = match passage.body.peek(cap + 1, PATIENCE).await {
        Ok(read) => read,
        Err(error) => {
            notes.text("body_capture_error", &error.to_string());
            return;
        }
    };
    if bytes.is_empty() {
        return;
    }
    let cut = bytes.len() > cap;
    let kept = if cut { &bytes[..whole_characters(&bytes, cap)] } else { &bytes[..] };
    notes.number("captured_bytes", kept.len());
    notes.flag("truncated", cut || !whole);
    passage.record.body_capture =
        Some(BodyCapture { text: String::from_utf8_lossy(kept).into_owned(), truncated: cut || !whole });
}

/// Where to cut so that the last UTF-8 sequence is complete; gives up after three bytes, for data that is none.
fn whole_characters(bytes: &[u8], cap: usize) -> usize {
    (0..=3.min(cap))
        .map(|back| cap - back)
        .find(|&at| !matches!(bytes.get(at), Some(0x80..=0xbf)))
        .unwrap_or(cap.saturating_sub(3))
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_cut_never_splits_a_character() {
        let text = "aé€😀".as_bytes();
        for cap in 1..text.len() {
            let at = whole_characters(text, cap);
            assert!(std::str::from_utf8(&text[..at]).is_ok(), "{cap}");
            assert!(cap - at <= 3);
        }
        assert_eq!(whole_characters(&[0x80; 10], 8), 5);
    }
}
