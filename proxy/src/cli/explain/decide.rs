//! The decision: the pipeline's, then what the connection upstream would refuse.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use centaur_base::Secret;
use centaur_net::address::is_loopback;
use centaur_net::chain::{Chain, Route};
use centaur_net::dial::DialError;
use centaur_net::guard::DialGuard;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use centaur_policies::spec::TransformSpec;

use super::asked::Asked;
use crate::audit::{Audit, Mode, Record, Trace};
use crate::body::ClientBody;
use crate::config::{Config, ProxyConfig, TlsMode};
use crate::metrics::Metrics;
use crate::pipeline::{Decision, Passage, Permit, Pipeline};
use crate::refusal::Refusal;
use crate::sink::Sink;
use crate::sources::SourcePool;
use crate::target::{Path, RequestTarget};
use crate::upstream::UpstreamError;
use crate::{harness, hop, websocket};

/// What is seen of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// All of it.
    Whole,
    /// Host and port of a tunnel; what comes inside is decided again.
    Tunnel,
    /// The server name: TLS is relayed.
    ServerName,
}

/// What became of the request.
pub(super) struct Decided {
    pub(super) seen: Seen,
    /// What each transform did, up to the one that refused.
    pub(super) traces: Vec<Trace>,
    pub(super) outcome: Result<Outcome, Why>,
    /// A token call of a harness login, in words.
    pub(super) token_call: Option<String>,
}

/// What becomes of a request that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Forwarded,
    Answered,
}

/// Why it is not forwarded.
pub(super) enum Why {
    Refused(Refusal),
    /// A name, and only names of this machine will do.
    UnlessLoopback(Refusal, String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusal = match self {
            Self::Refused(refusal) | Self::UnlessLoopback(refusal, _) => refusal,
        };
        let code = refusal.code();
        write!(f, "({code})")?;
        if let Self::UnlessLoopback(_, host) = self {
            write!(f, " unless {host} resolves to this machine")?;
        }
        let text = refusal.audit_error().unwrap_or_else(|| refusal.body().to_owned());
        let text = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        write!(f, ": {}", text.trim_end())
    }
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Decides about `asked`.
///
/// # Errors
/// What keeps the proxy from starting beyond what loading the configuration found.
pub(super) fn decide(mut config: Config, asked: &Asked) -> Result<Decided, String> {
    let transforms = std::mem::take(&mut config.transforms);
    let pool = SourcePool::default();
    // Held until the pipeline has them. The value is nobody's.
    let presets: Vec<_> = secrets(&transforms)
        .map(|secret| pool.preset(&secret.source, Secret::new("value".to_owned())))
        .collect();
    let pipeline = Pipeline::build(transforms, &config.proxy.harness_logins, &pool)
        .map_err(|error| error.to_string())?;
    drop(presets);
    let upstream = Reach::new(&config.proxy)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting the runtime: {error}"))?;

    let seen = match config.tls.mode {
        _ if asked.is_tunnel() => Seen::Tunnel,
        TlsMode::SniOnly if asked.scheme == Scheme::Https => Seen::ServerName,
        _ => Seen::Whole,
    };
    let audit = Audit::new(Sink::new(std::io::sink()), Metrics::new());
    let mut record = audit.open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Mode::Mitm);
    let host = (&asked.host, asked.port);
    let decision = match seen {
        Seen::Whole => runtime.block_on(request(&pipeline, asked, &mut record)).map(Some),
        Seen::Tunnel if config.tls.mode == TlsMode::SniOnly => {
            let permit = pipeline.relay(host.0, host.1, "CONNECT", &mut record);
            permit.map(|permit| Some(Decision::Forward(permit)))
        }
        Seen::Tunnel => pipeline.tunnel(host.0, host.1, &mut record).map(|()| None),
        Seen::ServerName => {
            let permit = pipeline.relay(host.0, host.1, "", &mut record);
            permit.map(|permit| Some(Decision::Forward(permit)))
        }
    };
    let outcome = match decision {
        Ok(Some(Decision::Forward(permit))) => upstream.check(&permit).map(|()| Outcome::Forwarded),
        Ok(Some(Decision::Answer(_))) => Ok(Outcome::Answered),
        Ok(None) => Ok(Outcome::Forwarded),
        Err(refusal) => Err(refusal.into()),
    };
    let mut traces = std::mem::take(&mut record.request_traces);
    let shown = traces.len();
    traces.retain(|trace| &*trace.name != harness::TRACE);
    let reason = pipeline.harness().at(host.0, host.1, &asked.path).filter(|_| traces.len() < shown);
    Ok(Decided { seen, traces, outcome, token_call: reason.map(ToString::to_string) })
}

fn secrets(
    transforms: &[(String, TransformSpec)],
) -> impl Iterator<Item = &centaur_policies::spec::SecretSpec> {
    let entries = transforms.iter().filter_map(|(_, spec)| match spec {
        TransformSpec::Secrets(entries) => Some(entries),
        _ => None,
    });
    entries.flatten()
}

/// The steps of an exchange up to the permit.
async fn request(pipeline: &Pipeline, asked: &Asked, record: &mut Record) -> Result<Decision, Refusal> {
    let mut parts = asked.parts();
    let sni = (asked.scheme == Scheme::Https).then(|| asked.host.clone());
    let path = Path { scheme: asked.scheme, sni, tunnel: None, proxy_requests: false };
    let target = RequestTarget::read(&path, &parts)?;
    let mut body = ClientBody::full(asked.body.clone());
    let websocket = websocket::is_wanted(&parts).is_some();
    if websocket && !body.is_empty() {
        return Err(Refusal::upgrade_with_body());
    }
    hop::strip_request(&mut parts.headers);
    let mut passage = Passage {
        target: &target,
        parts: &mut parts,
        body: &mut body,
        record,
        websocket,
        expects_continue: false,
        spellings: Vec::new(),
    };
    pipeline.request(&mut passage).await
}

/// The way upstream, as far as it is known without asking anybody.
struct Reach {
    chain: Chain,
    guard: DialGuard,
}

impl Reach {
    fn new(config: &ProxyConfig) -> Result<Self, String> {
        let proxy = &config.upstream_proxy;
        let chain = Chain::parse(&proxy.http_proxy, &proxy.https_proxy, &proxy.no_proxy);
        let guard = DialGuard::parse(&config.upstream_deny_cidrs);
        Ok(Self {
            chain: chain.map_err(|error| format!("proxy.{error}"))?,
            guard: guard.map_err(|error| format!("proxy.upstream_deny_cidrs: {error}"))?,
        })
    }

    /// What the dialler would say. A name other than `localhost` has no address here.
    fn check(&self, permit: &Permit) -> Result<(), Why> {
        let to = permit.destination();
        let refusal = |error: UpstreamError| error.refusal(permit.credential());
        let direct = matches!(self.chain.for_target(to.scheme, &to.host, to.port), Route::Direct);
        if !direct && to.loopback_only {
            return Err(refusal(UpstreamError::PlaintextThroughProxy).into());
        }
        let addresses = known_addresses(&to.host);
        let refused = |ip: &IpAddr| {
            let address = SocketAddr::new(*ip, to.port);
            if let Err(source) = self.guard.check(*ip) {
                return Some(DialError::Denied { address, source });
            }
            (to.loopback_only && !is_loopback(*ip)).then_some(DialError::NotLoopback { address })
        };
        // One address that may be dialled is enough.
        if !addresses.is_empty() {
            let errors: Vec<DialError> = addresses.iter().filter_map(refused).collect();
            let all = errors.len() == addresses.len();
            return match errors.into_iter().next().filter(|_| all) {
                Some(error) => Err(refusal(error.into()).into()),
                None => Ok(()),
            };
        }
        if to.loopback_only {
            let refusal = Refusal::plaintext(permit.credential().unwrap_or("a secret"));
            return Err(Why::UnlessLoopback(refusal, to.host.as_str().to_owned()));
        }
        Ok(())
    }
}

fn known_addresses(host: &CanonicalHost) -> Vec<IpAddr> {
    if let Some(ip) = host.as_ip() {
        return vec![ip];
    }
    if host.as_str().rsplit('.').next() == Some("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    Vec::new()
}
