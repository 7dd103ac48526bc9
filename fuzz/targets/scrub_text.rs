//! A value is not in the scrubbed text, whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|around: (&[u8], &[u8])| centaur_transform::fuzzing::scrub_leaves_no_value(around.0, around.1));
