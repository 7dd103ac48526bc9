//! Ctrl-C: reading stops at once; of writing, the step under way is finished first.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;

use crate::failure::Failure;
use crate::report::Report;
use crate::session::Session;

/// Whether the program is to stop, and whether it may at once.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_asked: Cell<bool>,
    is_writing: Cell<bool>,
}

impl Interrupt {
    /// From here on steps are finished.
    pub fn begin_writing(&self) {
        self.is_writing.set(true);
    }

    /// No step shall follow.
    pub fn is_asked(&self) -> bool {
        self.is_asked.get()
    }
}

/// Runs a command to its end, or to the first Ctrl-C that it may be left at. A second one does not wait.
pub(crate) async fn guarded(
    session: &Session,
    command: impl Future<Output = Result<Report, Failure>>,
) -> Result<Report, Failure> {
    let mut command = pin!(command);
    loop {
        tokio::select! {
            outcome = &mut command => return outcome,
            Ok(()) = tokio::signal::ctrl_c() => {
                if !session.interrupt.is_writing.get() || session.interrupt.is_asked.get() {
                    return Err(Failure::Interrupted { done: 0, all: 0 });
                }
                session.interrupt.is_asked.set(true);
                session.printer.notice("finishing the step under way; once more to stop at once");
            }
        }
    }
}
