//! Any template parses or is refused, and what parses runs or fails within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| centaur_transform::fuzzing::formatter(input.0, input.1));
