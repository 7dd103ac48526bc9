//! The system calls that lead around a network namespace, closed by seccomp.
//!
//! | Call | Why it is refused |
//! |---|---|
//! | `socket`, other than UNIX, IPv4, IPv6, netlink | VSOCK and some others are not bound to a network namespace |
//! | `io_uring_setup` | a ring opens sockets without passing this filter |
//! | `add_key`, `request_key`, `keyctl` | a key request can make the host resolve a name; keyrings may hold secrets |
//! | `ioctl` with `TIOCSTI`, `TIOCLINUX` | typing into the caller's terminal, which is shared |
//!
//! System calls of another architecture (32-bit programs on a 64-bit kernel) end the process: their numbers mean
//! something else, and the table above would not hold for them.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::IsolationError;

/// Address families that a network namespace confines.
const CONFINED: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Marks the x32 twin of a call on x86-64; the twin is refused the same way.
const X32: i64 = 0x4000_0000;

/// Installs the filter for this process and all that follow from it. Needs `no_new_privs`.
pub(super) fn install() -> Result<(), IsolationError> {
    let failed = |error: &dyn std::fmt::Display| IsolationError::new("install the system call filter", error);
    for program in programs().map_err(|e| failed(&e))? {
        seccompiler::apply_filter(&program).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// Two programs, as one has one answer: foreign families do not exist, the other calls are not permitted.
fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let families = CONFINED
        .iter()
        .map(|family| argument(0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs())))
        .collect::<Result<Vec<_>, _>>()?;
    let families = BTreeMap::from([(libc::SYS_socket, vec![SeccompRule::new(families)?])]);
    let terminal = [libc::TIOCSTI, libc::TIOCLINUX]
        .iter()
        .map(|request| SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, *request)?]))
        .collect::<Result<Vec<_>, _>>()?;
    let calls = BTreeMap::from([
        (libc::SYS_io_uring_setup, vec![]),
        (libc::SYS_add_key, vec![]),
        (libc::SYS_request_key, vec![]),
        (libc::SYS_keyctl, vec![]),
        (libc::SYS_ioctl, terminal),
    ]);
    Ok([compile(families, libc::EAFNOSUPPORT)?, compile(calls, libc::EPERM)?])
}

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    // The kernel looks at 32 bits of these arguments, so the filter must not look at more.
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn compile(
    mut rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    if cfg!(target_arch = "x86_64") {
        let twins: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(twins);
    }
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_for_this_machine() {
        assert!(programs().unwrap().iter().all(|program| !program.is_empty()));
    }
}
