//! Standing in for the program: signals sent to us are passed on, and its end becomes ours.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::raw::c_int;

use rustix::process::{Signal, pidfd_send_signal};
use signal_hook::consts::signal::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;

use crate::sandbox::Ended;

/// Signals a supervisor is sent.
const FORWARDED: [(c_int, Signal); 7] = [
    (SIGHUP, Signal::HUP),
    (SIGINT, Signal::INT),
    (SIGQUIT, Signal::QUIT),
    (SIGTERM, Signal::TERM),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
    (SIGCONT, Signal::CONT),
];

/// Catches the signals from its creation on; what comes before [`Signals::forward_to`] waits.
///
/// The handlers do not reach the program: exec puts caught signals back to their default. Signals that the caller
/// ignores (`nohup`) stay ignored, for us and for the program.
pub struct Signals(SignalsInfo<WithOrigin>);

impl Signals {
    /// Starts catching.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn catch() -> std::io::Result<Self> {
        let ignored = ignored();
        let caught =
            FORWARDED.iter().map(|(number, _)| *number).filter(|number| ignored >> (number - 1) & 1 == 0);
        SignalsInfo::new(caught).map(Self)
    }

    /// Passes everything on to the process behind `pidfd`, on a thread of its own, until the handle is closed.
    pub fn forward_to(mut self, pidfd: OwnedFd) -> Handle {
        let handle = self.0.handle();
        std::thread::spawn(move || {
            for origin in self.0.forever() {
                // The terminal signals the whole foreground group, of which the program is a member.
                if origin.cause == Cause::Kernel {
                    continue;
                }
                let signal = FORWARDED.iter().find(|(number, _)| *number == origin.signal);
                if let Some((_, signal)) = signal {
                    // A program that is gone needs no signal any more.
                    let _ = pidfd_send_signal(&pidfd, *signal);
                }
            }
        });
        handle
    }
}

/// The set of signals this process ignores, bit 0 for signal 1 (`SigIgn` of proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

/// Ends this process the way the program ended: with its code, or by its signal, so that our parent sees the same.
pub fn end_like(ended: Ended) -> u8 {
    match ended {
        Ended::Code(code) => u8::try_from(code).unwrap_or(125),
        Ended::Signal(signal) => {
            // Does not return for a signal that ends a process by default, as this one has shown it does.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            u8::try_from(128 + signal).unwrap_or(125)
        }
    }
}
