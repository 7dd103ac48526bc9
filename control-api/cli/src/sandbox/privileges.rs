//! Giving up every privilege, for good: capabilities, the ways back to them, and set-user-ID programs.

use rustix::thread::{CapabilitiesSecureBits as Bits, CapabilitySet, CapabilitySets};

use super::IsolationError;

/// Capabilities the kernel could ever know; unknown ones answer `EINVAL`.
const ALL: u64 = 64;

/// Lets the next program keep what this process may do inside its namespaces; exec takes it from everyone but uid 0.
pub(super) fn keep_across_exec() -> Result<(), IsolationError> {
    let step = "keep the namespace's privileges for the second stage";
    let failed = |error: rustix::io::Errno| IsolationError::new(step, error);
    let sets = rustix::thread::capabilities(None).map_err(failed)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: sets.permitted, ..sets })
        .map_err(failed)?;
    for bit in 0..ALL {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if sets.permitted.contains(capability) {
            rustix::thread::configure_capability_in_ambient_set(capability, true).map_err(failed)?;
        }
    }
    Ok(())
}

/// After this, neither a program run as uid 0 nor a set-user-ID program gains a capability, in any descendant.
pub(super) fn drop_all() -> Result<(), IsolationError> {
    // The bounding set first: emptying it takes a capability itself.
    for bit in 0..ALL {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(capability)
                .map_err(|e| IsolationError::new("empty the capability bounding set", e))?;
        }
    }
    rustix::thread::set_capabilities_secure_bits(
        Bits::NO_ROOT
            | Bits::NO_ROOT_LOCKED
            | Bits::NO_SETUID_FIXUP
            | Bits::NO_SETUID_FIXUP_LOCKED
            | Bits::KEEP_CAPS_LOCKED
            | Bits::NO_CAP_AMBIENT_RAISE
            | Bits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
    .map_err(|e| IsolationError::new("lock the secure bits", e))?;
    rustix::thread::clear_ambient_capability_set()
        .map_err(|e| IsolationError::new("clear the ambient capabilities", e))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)
        .map_err(|e| IsolationError::new("drop the capabilities", e))?;
    rustix::thread::set_no_new_privs(true).map_err(|e| IsolationError::new("set no_new_privs", e))
}
