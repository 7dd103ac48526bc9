//! When something applies: host or CIDR, port, scheme, method, path.

/// A list of rules; matches when any of them does.
#[derive(Debug, Default)]
pub struct RuleSet;
