//! One spelling per host.
