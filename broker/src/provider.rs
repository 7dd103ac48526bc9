//! Who is asked for tokens.

use std::future::Future;

use centaur_oauth::{Answer, Ask, Client, Credential};

/// Asks a token endpoint once, and answers within the credential's time.
pub trait Provider: Send + Sync + 'static {
    /// One call.
    fn ask(&self, credential: &Credential, ask: Ask) -> impl Future<Output = Answer> + Send;
}

impl Provider for Client {
    fn ask(&self, credential: &Credential, ask: Ask) -> impl Future<Output = Answer> + Send {
        Self::ask(self, credential, ask)
    }
}
