//! Times of tokens: whole seconds.

/// Seconds since 1970, as OpenID Connect counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Of a time in microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.div_euclid(1_000_000))
    }

    pub(crate) const fn after(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// How long a flow may take, in seconds: its state and its cookie end then.
pub const FLOW_SECONDS: i64 = 600;
