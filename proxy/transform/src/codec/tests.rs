use super::*;
use crate::testing::{CODINGS, decode, encode, header_map};

#[test]
fn codings_are_read_from_every_field_in_order() {
    let headers = header_map(&[("content-encoding", "GZIP, identity"), ("content-encoding", " br ,x-gzip")]);
    assert_eq!(codings(&headers).unwrap().as_slice(), [Coding::Gzip, Coding::Brotli, Coding::Gzip]);
    assert!(codings(&header_map(&[])).unwrap().is_empty());
}

#[test]
fn an_unknown_coding_or_a_long_list_is_refused() {
    let read = |value| codings(&header_map(&[("content-encoding", value)]));
    assert!(matches!(read("gzip, compress"), Err(CodecError::Unknown)));
    assert!(matches!(read("gzip, gzip, gzip, gzip"), Err(CodecError::TooMany)));
    assert!(read("gzip, gzip, gzip").is_ok());
}

#[test]
fn only_what_we_can_decode_is_offered_upstream() {
    let cases: [(&[&str], &str); 9] = [
        (&[], "identity"),
        (&["gzip, deflate, br, zstd"], "gzip, deflate, br, zstd"),
        (&["compress, br;q=0.9, *;q=0.1", "dcb, gzip;q=0.5"], "br;q=0.9, gzip;q=0.5"),
        (&["zstd-custom"], "identity"),
        (&["*"], "identity"),
        (&[""], "identity"),
        (&["identity;q=0"], "identity"),
        (&["gzip;q=0, identity;q=0.0"], "identity"),
        (&["gzip, identity;q=0"], "gzip, identity;q=0"),
    ];
    for (values, want) in cases {
        let fields: Vec<_> = values.iter().map(|v| ("accept-encoding", *v)).collect();
        let mut headers = header_map(&fields);
        limit_accept_encoding(&mut headers);
        let got: Vec<_> = headers.get_all("accept-encoding").iter().collect();
        assert_eq!(got, [want], "{values:?}");
    }
}

fn recoded(codings: &[Coding], pieces: &[&[u8]]) -> Result<Vec<u8>, CodecError> {
    let mut recoder = Recoder::new(codings.into());
    let mut out = Vec::new();
    for piece in pieces {
        recoder.feed(Bytes::copy_from_slice(piece));
        while let Some(plain) = recoder.decode()? {
            assert!(plain.len() <= STEP);
            out.extend(recoder.encode(&plain)?);
        }
        out.extend(recoder.flush()?);
    }
    out.extend(recoder.finish()?);
    Ok(out)
}

#[test]
fn what_is_flushed_can_be_read_at_once() {
    for coding in CODINGS {
        let mut recoder = Recoder::new([coding].as_slice().into());
        let mut seen = Vec::new();
        let mut source = Encoder::new(coding, false).ok();
        for event in [&b"data: one\n\n"[..], b"data: two\n\n"] {
            let encoded = source.take().unwrap().run(event, Drain::Flush, &mut source).unwrap();
            recoder.feed(encoded.into());
            while let Some(plain) = recoder.decode().unwrap() {
                seen.extend(recoder.encode(&plain).unwrap());
            }
            seen.extend(recoder.flush().unwrap());
            assert!(recoder.flush().unwrap().is_empty(), "nothing to flush twice");
            assert!(decode(coding, &seen).ends_with(event), "{coding:?}");
        }
    }
}

#[test]
fn an_empty_body_stays_empty_in_every_coding() {
    for coding in CODINGS {
        assert_eq!(recoded(&[coding], &[]).unwrap(), b"");
    }
}

#[test]
fn a_body_that_ends_inside_its_coding_fails_and_the_whole_one_does_not() {
    for coding in CODINGS {
        let whole = encode(coding, b"some text that is long enough to be cut somewhere");
        assert!(recoded(&[coding], &[&whole]).is_ok());
        let cut = recoded(&[coding], &[&whole[..whole.len() - 3]]);
        assert!(matches!(cut, Err(CodecError::Cut(_))), "{coding:?} {cut:?}");
    }
}

#[test]
fn a_body_that_is_not_in_its_coding_fails() {
    for coding in CODINGS {
        let result =
            recoded(&[coding], &[b"\xff\xfe this is plain text, not encoded at all, whatever it says"]);
        assert!(matches!(result, Err(CodecError::Malformed(_) | CodecError::Cut(_))), "{coding:?}");
    }
}

#[test]
fn bare_deflate_is_understood_and_stays_bare() {
    use std::io::{Read as _, Write as _};
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"bare text").unwrap();
    let bare = encoder.finish().unwrap();
    let pieces: Vec<&[u8]> = bare.chunks(1).collect();
    let out = recoded(&[Coding::Deflate], &pieces).unwrap();
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(out.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "bare text");
}

#[test]
fn gzip_members_and_zstd_frames_follow_one_another() {
    for coding in [Coding::Gzip, Coding::Zstd] {
        let both = [encode(coding, b"one "), encode(coding, b"two")].concat();
        for pieces in [vec![both.as_slice()], both.chunks(1).collect()] {
            assert_eq!(decode(coding, &recoded(&[coding], &pieces).unwrap()), b"one two");
        }
    }
}

#[test]
fn what_follows_the_end_of_a_body_is_dropped() {
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
        let padded = [encode(coding, b"text"), b"\0\0secret".to_vec()].concat();
        assert_eq!(decode(coding, &recoded(&[coding], &[&padded]).unwrap()), b"text");
    }
}

#[test]
fn a_window_over_8_mib_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(25)).unwrap();
    std::io::Write::write_all(&mut encoder, b"text").unwrap();
    let bytes = encoder.finish().unwrap();
    assert!(matches!(recoded(&[Coding::Zstd], &[&bytes]), Err(CodecError::Malformed(Coding::Zstd))));
}

#[test]
fn a_body_that_expands_a_thousandfold_is_streamed() {
    for coding in CODINGS {
        let size = 16 << 20;
        let bomb = encode(coding, &vec![b'0'; size]);
        let out = recoded(&[coding], &[&bomb]).unwrap();
        assert!(out.len() < size / 100, "{coding:?} {}", out.len());
        assert_eq!(decode(coding, &out).len(), size);
    }
}
