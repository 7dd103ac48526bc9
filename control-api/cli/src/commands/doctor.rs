//! `centaur doctor`: what works on this machine.

pub mod escape;
pub mod trust;
