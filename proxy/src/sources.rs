//! Where the values of secrets come from, and how long each is good for.
//!
//! A [`Source`] fetches when a value is first asked for, and keeps it. While a value is good, reading it takes no
//! lock; before it expires it is fetched again in the background; when that fails the old value stays. Sources are
//! shared by definition through a [`SourcePool`], so a secret that ten entries name is fetched once.
//!
//! Read first: `source.rs`, the state machine; then `origin.rs` for the kinds of source. To add a kind: give it a
//! variant in `centaur_policies::spec::SourceKind`, one in `origin::Origin` or in `centaur_fetch::Origin`, and an arm in
//! its `fetch`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use centaur_base::Secret;
use centaur_fetch::Origin as Plain;
use centaur_policies::spec::{SourceKind, SourceSpec};
use thiserror::Error;

mod broker;
mod origin;
mod source;

pub use broker::BROKER_TOKEN_ENV;
use broker::Broker;
use origin::Origin;
pub use source::Source;

/// A value and what is known about it.
#[derive(Debug)]
pub struct SecretValue {
    text: Secret<String>,
    version: u64,
    header_safe: bool,
}

impl SecretValue {
    fn new(text: Secret<String>, version: u64) -> Self {
        let header_safe = text.expose().bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f));
        Self { text, version, header_safe }
    }

    /// The value.
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// Grows with each new value of any source of the process, and stays while a value is fetched again unchanged.
    /// What is derived from a value may be kept under its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the value can stand in a header (RFC 9110 5.5): no line ends, no NUL, no other control characters.
    pub fn is_header_safe(&self) -> bool {
        self.header_safe
    }
}

/// A secret without a value. Shown in audit lines; holds neither the value nor any part of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("secret {name} is unavailable: {reason}")]
pub struct Unavailable {
    name: Arc<str>,
    reason: Arc<str>,
}

impl Unavailable {
    /// The source's display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why, without the value.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// All sources in use, by definition. Lives as long as the process, across reloads.
#[derive(Debug, Default)]
pub struct SourcePool {
    broker: Arc<Broker>,
    sources: Mutex<HashMap<Definition, Weak<Source>>>,
}

/// A definition. Two that are equal give the same value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Definition {
    origin: Origin,
    json_key: Option<String>,
    ttl: Option<Duration>,
    failure_ttl: Duration,
}

impl SourcePool {
    /// The source for a definition: the one in use, or a new one that has fetched nothing yet. A value that was
    /// delivered inline belongs to its definition and is not shared.
    pub fn source(&self, spec: &SourceSpec) -> Arc<Source> {
        let origin = match &spec.kind {
            SourceKind::ControlPlane { value } => return Arc::new(Source::inline(spec, value)),
            SourceKind::TokenBroker { credential_id } => {
                Origin::broker(&self.broker, credential_id, spec.ttl)
            }
            SourceKind::Env { var } => Origin::Plain(Plain::Env(var.clone())),
            SourceKind::File { path } => Origin::Plain(Plain::File(path.clone())),
            SourceKind::Cmd { argv } => Origin::Plain(Plain::Cmd(argv.clone())),
        };
        self.shared(spec, origin)
    }

    /// [`Self::source`] with a value that was fetched elsewhere, as if it had been fetched here just now: its life
    /// begins, and nothing is fetched until it ends. With a `json_key`, the value is the text at that key. A source
    /// whose value was delivered inline keeps it. The pool alone does not keep a source alive: hold what this gives
    /// until the pipeline is built.
    pub fn preset(&self, spec: &SourceSpec, value: Secret<String>) -> Arc<Source> {
        let source = self.source(spec);
        source.adopt(value);
        source
    }

    fn shared(&self, spec: &SourceSpec, origin: Origin) -> Arc<Source> {
        // Nothing but a reload changes an environment.
        let ttl = spec.ttl.filter(|_| !matches!(origin, Origin::Plain(Plain::Env(_))));
        let definition =
            Definition { origin, json_key: spec.json_key.clone(), ttl, failure_ttl: spec.failure_ttl };
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&definition).and_then(Weak::upgrade) {
            return source;
        }
        sources.retain(|_, source| source.strong_count() > 0);
        let source = Arc::new(Source::fetching(spec, definition.origin.clone(), ttl));
        sources.insert(definition, Arc::downgrade(&source));
        source
    }

    /// A reload: every value is read again when it is next needed, and is no longer used if it cannot be. Requests
    /// that hold a value keep it.
    pub fn reload(&self) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for source in sources.values().filter_map(Weak::upgrade) {
            source.restart();
        }
    }
}

#[cfg(test)]
mod tests;
