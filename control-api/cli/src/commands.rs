//! One file per command.

pub mod attack;
pub mod demo;
pub mod doctor;
pub mod run;
pub mod up;

/// Our own failure, as env(1) and timeout(1) have it.
pub const EXIT_OURS: u8 = 125;
