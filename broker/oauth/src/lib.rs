//! Calls to the token endpoints of identity providers, and what their answers mean (broker.md, sections 3, 4 and 9).
//!
//! [`Credential`] is what a call is made from, [`Client::ask`] makes it, [`Answer`] is what came of it. An answer says
//! which of three things follows: there is a token, it may be tried again, it may not. Where it may be tried again it
//! also says whether the provider may have used the refresh token up, which is what decides whether a later refusal is
//! our doing.
//!
//! [`Client::redeem`] exchanges the code of a consent or a sign-in; its answer is read by who knows the provider.
//!
//! Nothing here prints or returns material in an error: codes are words from a short alphabet, whatever a provider
//! writes.

mod answer;
mod client;
mod credential;
mod destination;
mod form;
mod notify;
mod redeem;
mod revoke;

pub use answer::{Answer, Head, Reading, Retryable, Tokens, blames_token, classify, lifetime};
pub use client::{Client, ClientOptions, SetupError};
pub use credential::{Ask, ClientAuth, Credential, Grant, Material, host_of};
pub use destination::{EndpointError, EndpointRules};
pub use redeem::{Redeem, TokenAnswer};
pub use revoke::{Revocation, Revoke, RevokeStyle};
