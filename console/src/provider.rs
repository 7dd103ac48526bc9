//! Whose OAuth clients can be registered, and how each provider wants to be asked (broker.md, section 12).
//!
//! To add one: a variant of [`Provider`], a file in `provider/` with its `Strategy`, a line in `Provider::strategy`,
//! and its rows in the tests of the consent flow.

mod attio;
mod generic;
mod github;
mod google;
mod granola;
mod linear;
mod slack;
mod strategy;

use centaur_store::{MovedProviders, OauthApp, moved_endpoint};

pub(crate) use strategy::{GrantedScopes, Identity, Issuer, IssuerKeys, Profile, Strategy};

/// A provider that the console knows, or one that an app describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Attio.
    Attio,
    /// One that the app describes.
    Generic,
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
    pub const ALL: [Self; 7] =
        [Self::Attio, Self::Generic, Self::Github, Self::Google, Self::Granola, Self::Linear, Self::Slack];

    /// The name in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attio => "attio",
            Self::Generic => "generic",
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

    /// How the provider of an app is asked, wherever it was moved to; `None` for one that this program does not know, or
    /// that the app does not describe.
    pub(crate) fn strategy(app: &OauthApp, moved: &MovedProviders) -> Option<Strategy> {
        let mut strategy = match Self::named(&app.provider)? {
            Self::Attio => attio::strategy(),
            Self::Generic => return generic::strategy(app),
            Self::Github => github::strategy(),
            Self::Google => google::strategy(),
            Self::Granola => granola::strategy(),
            Self::Linear => linear::strategy(),
            Self::Slack => slack::strategy(),
        };
        if let Some(base) = moved.get(&app.provider) {
            strategy.moved(base, |endpoint| moved_endpoint(moved, Some(&app.provider), endpoint));
        }
        Some(strategy)
    }
}

#[cfg(test)]
mod tests;
