//! A TLS 1.2 client hello made by hand, for server names that no TLS library would send.

/// The record, with `name` as the server name, whatever its bytes.
pub fn client_hello(name: &[u8]) -> Vec<u8> {
    let mut entry = vec![0];
    entry.extend(prefixed(name));
    let extension = [&[0, 0][..], &prefixed(&prefixed(&entry))].concat();

    let mut body = vec![3, 3];
    body.extend([0x5a; 32]);
    body.push(0);
    // ECDHE with AES-128-GCM, both signature kinds; no compression.
    body.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    // supported_groups x25519 and P-256; signature_algorithms ECDSA-P256 and RSA-PSS; point formats.
    let rest =
        [&[0, 10, 0, 6, 0, 4, 0, 29, 0, 23][..], &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4], &[0, 11, 0, 2, 1, 0]]
            .concat();
    body.extend(prefixed(&[extension, rest].concat()));

    let mut handshake = vec![1, 0];
    handshake.extend(prefixed(&body));
    let mut record = vec![0x16, 3, 1];
    record.extend(prefixed(&handshake));
    record
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use rustls::server::Acceptor;

    use super::client_hello;

    #[test]
    fn a_tls_library_understands_it() {
        let mut acceptor = Acceptor::default();
        let hello = client_hello(b"a.test");
        acceptor.read_tls(&mut hello.as_slice()).expect("bytes");
        let Ok(Some(accepted)) = acceptor.accept() else { panic!("not a client hello") };
        assert_eq!(accepted.client_hello().server_name(), Some("a.test"));
    }
}
