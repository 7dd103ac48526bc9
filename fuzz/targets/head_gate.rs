//! The gate before the HTTP/1 parser survives any bytes and agrees with itself about what it lets through.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(length) = iron_proxy::gate::examine_for_fuzzing(data) {
        assert!(length <= data.len());
    }
});
