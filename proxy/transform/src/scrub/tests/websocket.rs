use super::*;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

fn scrubber() -> WebSocketScrubber {
    let mut builder = ScrubSet::builder();
    builder.value(b"fake-secret-1", b"short").value(b"fakekey", b"a-longer-placeholder");
    builder.build().unwrap().unwrap().websocket()
}

#[test]
fn values_are_replaced_at_the_same_length_wherever_the_bytes_are_cut() {
    let long = [&b"x".repeat(70_000)[..], b"fakekey"].concat();
    let wire = [
        frame(0x81, b"hi fake-secret-1 and fakekey"),
        frame(0x01, b"first fake-se"),
        frame(0x89, b"ping fakekey"),
        frame(0x00, b"cre"),
        frame(0x80, b"t-1 last"),
        frame(0x82, &long),
        frame(0x88, b""),
    ]
    .concat();
    let clean = [&b"x".repeat(70_000)[..], b"a-longe"].concat();
    let want = [
        frame(0x81, b"hi short******** and a-longe"),
        frame(0x01, b"first short**"),
        frame(0x89, b"ping fakekey"),
        frame(0x00, b"***"),
        frame(0x80, b"*** last"),
        frame(0x82, &clean),
        frame(0x88, b""),
    ]
    .concat();
    for size in [1, 2, 3, 7, 19, 1000, usize::MAX] {
        let mut scrubber = scrubber();
        let mut out = Vec::new();
        for piece in wire.chunks(size.min(wire.len())) {
            out.extend_from_slice(&scrubber.push(piece).unwrap());
        }
        out.extend_from_slice(&scrubber.finish());
        assert!(out == want, "pieces of {size}");
        assert_eq!(scrubber.hits(), 4);
    }
}

#[test]
fn escaped_values_are_replaced_at_the_length_they_stand_in() {
    let mut builder = ScrubSet::builder();
    builder.value(b"fake/key-1", "pläce".as_bytes());
    let mut scrubber = builder.build().unwrap().unwrap().websocket();
    let wire = frame(0x81, br#"{"a":"fake\/key-1","b":"fake%2Fkey\u002d1"}"#);
    let want = frame(0x81, "{\"a\":\"pläce*****\",\"b\":\"pläce***********\"}".as_bytes());
    let out = scrubber.push(&wire).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&want));
}

#[test]
fn the_end_of_a_message_is_never_held() {
    let mut scrubber = scrubber();
    let wire = frame(0x81, b"ends in fake-se");
    assert_eq!(scrubber.push(&wire).unwrap(), wire);
}

#[test]
fn what_hides_the_text_closes_the_connection() {
    assert_eq!(scrubber().push(&[0xc1, 1, 0]), Err(WebSocketError::Extension));
    assert_eq!(scrubber().push(&[0x81, 0x81, 0, 0, 0, 0, 0]), Err(WebSocketError::Masked));
    let endless = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(scrubber().push(&endless), Err(WebSocketError::Length));
    assert!(scrubber().push(&[0x81, 1, 0]).is_ok());
}
