//! What is replaced in a body does not depend on where the body is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| centaur_transform::fuzzing::replace_is_independent_of_cuts(data));
