//! Operators, the control plane and tools: everything under `/api/v1` but the sync of proxies.
//!
//! One method per call, in a file per resource: [`Principal`]s, [`Role`]s, the seven kinds of [`Secret`], [`Grant`]s,
//! broker credentials ([`Credential`]), [`Proxy`]s, the audit log. What a caller only passes on (a definition of a secret)
//! stays JSON; what it decides by has a type.
//!
//! Reads of one record answer `None` when there is none. Lists read all pages. Reads, `PUT` and `DELETE` are tried again
//! after failures that may pass, and so are the two kinds of `POST` that the console takes twice (grants, assignments).

mod audit;
mod call;
mod credentials;
mod error;
mod filter;
mod grants;
mod health;
mod list;
mod path;
mod principals;
mod proxies;
mod record;
mod roles;
mod secrets;
mod view;

use std::sync::Arc;
use std::time::Duration;

pub use self::audit::{AuditPage, AuditQuery};
pub use self::call::{Exchange, Observer, Written};
pub use self::credentials::{Credential, Reference};
pub use self::error::{ApiError, Cause, Details};
pub use self::filter::ListFilter;
pub use self::grants::{Grant, Grantee, NewGrant};
pub use self::health::Health;
pub use self::path::Unaddressable;
pub use self::principals::Principal;
pub use self::proxies::{NewProxy, Proxy};
pub use self::record::{Expect, Labels};
pub use self::roles::Role;
pub use self::secrets::Secret;
pub use self::view::{EffectiveConfig, Explained, GrantPath, Probe, Requester, Tried, TriedSecret};
use crate::base::BaseUrl;
use crate::http::{self, SetupError};
use crate::token::TokenSource;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest time for one attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// How often a call is tried again; 0 for never.
    pub retries: u32,
    /// `User-Agent`.
    pub user_agent: String,
}

impl Options {
    /// 30 s, 3 retries.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self { timeout: Duration::from_secs(30), retries: 3, user_agent: user_agent.into() }
    }
}

/// Calls one console with one API key.
pub struct ApiClient {
    http: reqwest::Client,
    base: BaseUrl,
    key: Arc<TokenSource>,
    options: Options,
    observer: Option<Arc<dyn Observer>>,
}

impl ApiClient {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`SetupError`]
    pub fn new(
        base: BaseUrl,
        key: impl Into<Arc<TokenSource>>,
        options: Options,
    ) -> Result<Self, SetupError> {
        let http = http::client(&base, &options.user_agent)?;
        Ok(Self { http, base, key: key.into(), options, observer: None })
    }

    /// Tells somebody of every attempt.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Whom it calls.
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }
}
