//! A SOCKS message is found when its last byte is there, not before, and nothing behind it matters.
#![no_main]

use std::fmt::Debug;

use iron_proxy::socks::{Parsed, greeting, password, request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    ends_where_it_says(data, greeting);
    ends_where_it_says(data, password);
    ends_where_it_says(data, request);
});

fn ends_where_it_says<'d, T: PartialEq + Debug>(data: &'d [u8], parse: fn(&'d [u8]) -> Parsed<T>) {
    let Parsed::Whole(message, length) = parse(data) else { return };
    assert!(length <= data.len());
    assert_eq!(parse(&data[..length]), Parsed::Whole(message, length));
    for part in 0..length {
        assert_eq!(parse(&data[..part]), Parsed::More, "{part} of {length} bytes");
    }
}
