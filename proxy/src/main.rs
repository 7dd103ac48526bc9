//! `iron-proxy`: see [`iron_proxy::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_else(|| "iron-proxy".to_owned());
    iron_proxy::cli::main(&program, &args.collect::<Vec<_>>())
}
