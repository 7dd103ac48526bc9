//! What the benches have in common: what a process uses, and figures as text.

pub mod text;
pub mod usage;
