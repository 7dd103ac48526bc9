use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const LIMITS: HeadLimits = HeadLimits { request: 4096, connect: 512 };

fn gate() -> (Gate<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (Gate::new(ours, LIMITS), theirs)
}

/// What the gate lets through of `sent` when the client then closes, however the bytes are split.
async fn admitted(sent: &[u8], piece: usize) -> (Vec<u8>, Option<Fault>) {
    let (mut gate, mut client) = gate();
    for part in sent.chunks(piece) {
        client.write_all(part).await.unwrap();
    }
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    gate.read_to_end(&mut got).await.unwrap();
    (got, gate.take_fault())
}

#[tokio::test]
async fn sound_messages_pass_unchanged_however_they_are_split() {
    let sent = b"POST /a HTTP/1.1\r\nHost: x.test\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x.test\r\n\r\n\
        PUT /c HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: x.test\r\n\r\n";
    for piece in [1, 2, 7, 64, 4096] {
        let (got, fault) = admitted(sent, piece).await;
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(sent));
        assert!(fault.is_none());
    }
}

#[tokio::test]
async fn unsound_heads_never_reach_the_parser_and_sound_twins_do() {
    let table: &[(&str, &str, &str)] = &[
        ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "400 Bad Request: missing required Host header"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "400 Bad Request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:  a \r\n\r\n",
            "400 Bad Request: malformed Host header",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "400 Bad Request",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\nx",
            "400 Bad Request",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            "501 Not Implemented",
        ),
        (
            "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "505 HTTP Version Not Supported: unsupported protocol version",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
            "400 Bad Request: invalid header name",
        ),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request"),
    ];
    for (refused, allowed, status_line) in table {
        let (got, fault) = admitted(refused.as_bytes(), 4096).await;
        assert!(got.is_empty(), "{refused:?} was admitted");
        assert_eq!(fault.expect(refused).status_line, *status_line, "{refused:?}");
        let (got, fault) = admitted(allowed.as_bytes(), 4096).await;
        assert_eq!(String::from_utf8_lossy(&got), *allowed);
        assert!(fault.is_none(), "{allowed:?}");
    }
}

#[tokio::test]
async fn a_fault_behind_a_sound_request_leaves_the_first_alone() {
    let first = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let (got, fault) = admitted(format!("{first}GET /b HTTP/1.1\r\n\r\n").as_bytes(), 4096).await;
    assert_eq!(String::from_utf8_lossy(&got), first);
    let fault = fault.unwrap();
    assert_eq!((fault.method.as_str(), fault.path.as_str(), fault.code), ("GET", "/b", "missing-host"));
}

#[tokio::test]
async fn folded_lines_are_joined_and_odd_targets_are_encoded() {
    let (got, fault) =
        admitted(b"GET /a#b\\c?q=<x> HTTP/1.1\r\nHost: a\r\nX-A: one\r\n \t two\r\n\r\n", 4096).await;
    assert!(fault.is_none());
    assert_eq!(
        String::from_utf8_lossy(&got),
        "GET /a%23b%5Cc?q=%3Cx%3E HTTP/1.1\r\nHost: a\r\nX-A: one two\r\n\r\n"
    );
}

#[test]
fn the_connect_of_an_old_client_is_rewritten_only_if_its_target_is_an_authority() {
    let limits = HeadLimits { request: 4096, connect: 4096 };
    let Examined::Sound { rewritten, .. } = head::examine(b"CONNECT a.test:443 HTTP/1.0\r\n\r\n", limits)
    else {
        panic!("refused");
    };
    assert_eq!(rewritten.as_deref(), Some(&b"CONNECT a.test:443 HTTP/1.1\r\n\r\n"[..]));
    let refused = head::examine(b"CONNECT a]b.test:443 HTTP/1.0\r\n\r\n", limits);
    assert!(matches!(refused, Examined::Fault(fault) if fault.status_line == "400 Bad Request"));
}

#[tokio::test]
async fn heads_over_the_limit_are_refused() {
    let big = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "v".repeat(5000));
    assert_eq!(admitted(big.as_bytes(), 4096).await.1.unwrap().status, 431);
    let connect = format!("CONNECT a:1 HTTP/1.1\r\nX-A: {}\r\n\r\n", "v".repeat(600));
    assert_eq!(admitted(connect.as_bytes(), 4096).await.1.unwrap().status, 431);
    let fits = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "v".repeat(600));
    assert!(admitted(fits.as_bytes(), 4096).await.1.is_none());
}

#[tokio::test]
async fn bytes_behind_a_tunnel_request_are_held_until_the_answer_is_known() {
    let (mut gate, mut client) = gate();
    let head = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    client.write_all(&[head, &b"\x16\x03early"[..]].concat()).await.unwrap();
    let mut got = vec![0; head.len()];
    gate.read_exact(&mut got).await.unwrap();
    assert_eq!(got, head);
    let mut more = [0; 1];
    let mut buf = ReadBuf::new(&mut more);
    poll_fn(|cx| {
        assert!(Pin::new(&mut gate).poll_read(cx, &mut buf).is_pending());
        Poll::Ready(())
    })
    .await;
    let (mut stream, ahead) = gate.take_stream().unwrap();
    let mut rest = ahead.to_vec();
    drop(client);
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x16\x03early");
}

#[tokio::test]
async fn a_refused_upgrade_resumes_with_the_next_request() {
    let (mut gate, mut client) = gate();
    let first = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let second = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(&[&first[..], second].concat()).await.unwrap();
    let mut got = vec![0; first.len()];
    gate.read_exact(&mut got).await.unwrap();
    gate.resume();
    let mut got = vec![0; second.len()];
    gate.read_exact(&mut got).await.unwrap();
    assert_eq!(got, second);
}

#[tokio::test]
async fn both_framings_at_once_end_the_connection() {
    let first =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let (got, fault) =
        admitted(format!("{first}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), 4096).await;
    assert_eq!(String::from_utf8_lossy(&got), first);
    assert!(fault.is_none());
}

#[tokio::test]
async fn a_client_that_closes_while_waiting_is_noticed() {
    let (mut gate, mut client) = gate();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut got = [0; 27];
    gate.read_exact(&mut got).await.unwrap();
    poll_fn(|cx| {
        assert!(gate.poll_gone(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    client.shutdown().await.unwrap();
    assert_eq!(poll_fn(|cx| gate.poll_gone(cx)).await, Gone::HalfClosed);
}
