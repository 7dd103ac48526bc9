//! Memory that was freed goes back to the system.

use tikv_jemalloc_ctl::{Access as _, AsName as _};

/// Starts the allocator's thread that returns freed memory; without it a proxy that falls idle after a busy time
/// would keep what it had. Call it once, when the process will not fork or change namespaces any more.
pub fn give_back() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!(error = %error, "freed memory is returned on allocation only");
    }
}

/// Gives up what this thread keeps for its next allocations. A busy thread has it back in no time; one that falls idle
/// would keep it for ever.
pub fn trim_thread() {
    // The allocator offers no safe call that only empties the cache; turned off, it is emptied too.
    let cache = b"thread.tcache.enabled\0".name();
    if let Err(error) = cache.write(false).and_then(|()| cache.write(true)) {
        tracing::debug!(error = %error, "the cache of a thread stays");
    }
}
