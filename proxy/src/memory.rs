//! Memory that was freed goes back to the system.

/// Starts the allocator's thread that returns freed memory; without it a proxy that falls idle after a busy time
/// would keep what it had. Call it once, when the process will not fork or change namespaces any more.
pub fn give_back() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!(error = %error, "freed memory is returned on allocation only");
    }
}
