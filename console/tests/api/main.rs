//! The running console over HTTP, each test with a database of its own.

mod access;
mod console;
mod grants;
mod principals;
mod secrets;
mod shell;
mod sync;
