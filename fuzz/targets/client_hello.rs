//! What a ClientHello says does not depend on how much of it has arrived, nor on what follows it.
#![no_main]

use iron_proxy::sniff::{Parsed, parse_hello};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = parse_hello(data);
    let longer = parse_hello(&[data, b"and more"].concat());
    match &whole {
        Parsed::More => {}
        decided => assert_eq!(&longer, decided),
    }
    for cut in [1, 5, 6, data.len() / 2, data.len().saturating_sub(1)] {
        let Some(part) = data.get(..cut) else { continue };
        let early = parse_hello(part);
        assert!(early == Parsed::More || early == whole, "{cut} bytes: {early:?}, all: {whole:?}");
    }
});
