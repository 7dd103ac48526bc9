//! What a partial write says about one attribute.

/// Absent, or sent, where null is something that can be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// The attribute was not sent; what is stored stays.
    #[default]
    Keep,
    /// The attribute becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// What holds after the write.
    pub fn or(self, stored: T) -> T {
        match self {
            Self::Keep => stored,
            Self::Set(value) => value,
        }
    }
}
