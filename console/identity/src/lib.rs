//! OAuth and OpenID Connect as the console uses them, without a web server: what a flow through a browser carries, and
//! who a token is about. The consent flow and the sign-in are built from it (broker.md, sections 11 and 14).
//!
//! A flow, from its start to its end:
//! 1. [`random`] makes a nonce, [`Verifier`] the secret of PKCE;
//! 2. [`States`] signs what comes back in the address, [`FlowCookies`] seals what stays in the browser; each is bound to
//!    one [`Purpose`], so that nothing of a consent is taken in a sign-in;
//! 3. the code is redeemed with [`centaur_oauth::Client::redeem`];
//! 4. [`IdTokens`] verifies the id token, with the keys that [`Jwks`] keeps.
//!
//! [`Discovery`] reads where the endpoints of an issuer are. No clock of its own but for how old something is: a caller
//! says what time it is ([`UnixTime`]).

mod discovery;
mod flow_cookie;
mod id_token;
mod jwks;
mod keys;
mod pkce;
mod randomness;
mod state;
mod time;

pub use discovery::{Discovery, DiscoveryError, Document};
pub use flow_cookie::{Cookie, Flow, FlowCookies, MOST_FLOWS};
pub use id_token::{Claims, Expected, IdTokenError, IdTokens};
pub use jwks::{Jwks, JwksError};
pub use keys::{Keys, Purpose};
pub use pkce::Verifier;
pub use randomness::{NoRandomness, random};
pub use state::{StateError, States};
pub use time::{FLOW_SECONDS, UnixTime};
