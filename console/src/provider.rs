//! Whose OAuth clients can be registered (broker.md, section 12).

/// A provider that the console knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Attio.
    Attio,
    /// GitHub.
    Github,
    /// Google.
    Google,
    /// Granola.
    Granola,
    /// Linear.
    Linear,
    /// Slack.
    Slack,
}

impl Provider {
    /// All of them, by name.
    pub const ALL: [Self; 6] =
        [Self::Attio, Self::Github, Self::Google, Self::Granola, Self::Linear, Self::Slack];

    /// The name in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attio => "attio",
            Self::Github => "github",
            Self::Google => "google",
            Self::Granola => "granola",
            Self::Linear => "linear",
            Self::Slack => "slack",
        }
    }

    /// The provider of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}
