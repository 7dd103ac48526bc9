//! Whether what an open exchange or tunnel uses is still granted by the pipeline that is in force now.

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::Target;
use http::Method;
use smallvec::SmallVec;

use super::{Kind, Pipeline};
use crate::upstream::Destination;

/// Which credentials were placed, by what identifies them beside their values.
pub type Placed = SmallVec<[u64; 2]>;

/// What an open exchange or tunnel uses.
#[derive(Debug, Clone)]
pub struct Used {
    /// Where it goes.
    pub destination: Destination,
    /// How much of it was decided.
    pub reach: Reach,
    /// Credentials in it.
    pub placed: Placed,
    /// Of which principal; see [`Pipeline::epoch`].
    pub epoch: u64,
}

/// What a decision was about.
#[derive(Debug, Clone)]
pub enum Reach {
    /// One request.
    Request {
        /// As sent by the client.
        method: Method,
        /// Decoded, as sent by the client.
        path: Box<str>,
    },
    /// A tunnel whose inside is seen.
    Tunnel,
    /// A connection of which only the server name is seen.
    Relay,
}

impl Used {
    /// A tunnel or a relay: a host and no credential.
    pub fn of_host(host: &CanonicalHost, port: u16, reach: Reach) -> Self {
        let destination =
            Destination { scheme: Scheme::Https, host: host.clone(), port, loopback_only: false };
        Self { destination, reach, placed: Placed::new(), epoch: 0 }
    }
}

impl Pipeline {
    /// Whether a new request for the same would be let through with the same credentials: each is still bound in the
    /// same way and belongs to the same principal, whatever its value is now, and the destination is still allowed.
    pub fn still_grants(&self, used: &Used) -> bool {
        let same_owner = used.placed.is_empty() || (used.epoch == self.epoch && !self.is_withdrawn());
        let Destination { host, port, .. } = &used.destination;
        let token_calls = matches!(used.reach, Reach::Tunnel) && self.harness.opens(host, *port).is_some();
        let allowed = |kind: &Kind| (token_calls && matches!(kind, Kind::Allowlist(_))) || allows(kind, used);
        same_owner
            && used.placed.iter().all(|credential| self.credentials.contains(credential))
            && self.stages.iter().all(|stage| allowed(&stage.kind))
    }
}

fn allows(kind: &Kind, used: &Used) -> bool {
    let Destination { scheme, host, port, .. } = &used.destination;
    match kind {
        Kind::Gate(_) => false,
        Kind::Allowlist(spec) if spec.warn => true,
        Kind::Allowlist(spec) => match &used.reach {
            Reach::Request { method, path } => {
                let target = Target { scheme: *scheme, host, port: *port, method: method.as_str(), path };
                spec.rules.matches(&target).is_some()
            }
            Reach::Tunnel => spec.rules.matches_host(host, *port, None),
            Reach::Relay => {
                let target = Target { scheme: Scheme::Https, host, port: *port, method: "", path: "" };
                spec.rules.matches(&target).is_some()
            }
        },
        Kind::Unavailable(part) => match &used.reach {
            Reach::Request { method, path } => {
                let target = Target { scheme: *scheme, host, port: *port, method: method.as_str(), path };
                !part.covers_all() && part.rules().matches(&target).is_none()
            }
            Reach::Tunnel => true,
            Reach::Relay => !part.may_cover(host, *port),
        },
        Kind::Annotate(_) | Kind::HeaderAllowlist(_) | Kind::BodyCapture(_) | Kind::Secrets(_) => true,
    }
}
