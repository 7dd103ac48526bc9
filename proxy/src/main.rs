//! `iron-proxy`: see [`iron_proxy::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // A word that is not UTF-8 names nothing we know, and is refused as such.
    let mut args = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = args.next().unwrap_or_else(|| "iron-proxy".to_owned());
    iron_proxy::cli::main(&program, &args.collect::<Vec<_>>())
}
