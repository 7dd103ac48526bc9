//! The client against a real console, and against one whose answers get lost on the way.

mod console;
mod faults;
mod lists;
mod relay;
mod resources;
