//! The engine against rows in memory and a strict provider, with time that only moves when nothing else can.

mod faults;
mod limits;
mod refresh;
mod world;
