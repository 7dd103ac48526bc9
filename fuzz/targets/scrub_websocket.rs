//! Server bytes pass through the WebSocket scrubber with their length, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| centaur_transform::fuzzing::websocket_keeps_length(data));
