//! The configured transforms, compiled, and the decision they come to.
//!
//! [`Pipeline::request`] is the only maker of a [`Permit`], and the upstream leg asks for one, so nothing is
//! forwarded without a decision. What depends on the host alone (which rules and which secrets can apply) is
//! worked out once per host and kept.

mod annotations;
mod capture;
mod closed;
mod plan;
mod reach;
mod scrub;
mod secrets;
mod token_call;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use centaur_policies::host::CanonicalHost;
use centaur_policies::path::decode_path;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::{Rule, RuleSet, Target};
use centaur_policies::spec::{
    AllowlistSpec, AnnotateGroup, BodyCaptureSpec, HeaderAllowlistSpec, TransformSpec,
};
use centaur_transform::{ScrubSet, headers};
use http::request::Parts;
use http::{HeaderName, Method};

use crate::audit::{Action, Record, Trace};
use crate::body::ClientBody;
use crate::harness::{self, Active, HarnessLogins, When};
use crate::refusal::Refusal;
use crate::sources::SourcePool;
use crate::target::RequestTarget;
use crate::upstream::Destination;
use annotations::Annotations;
pub use closed::{Gate, Unavailable};
use plan::{HostPlan, Plans};
pub use reach::{Placed, Reach, Used};
use scrub::Scrub;
pub use secrets::LateSwap;
use secrets::SecretsStage;
pub use token_call::Answer;

/// All transforms of one configuration. Replaced whole on reload; a request keeps the one it started with.
pub struct Pipeline {
    stages: Vec<Arc<Stage>>,
    plans: Plans,
    has_allowlist: bool,
    /// Whose credentials these are; see [`Self::still_grants`].
    epoch: u64,
    credentials: HashSet<u64>,
    harness: Active,
    /// See [`Self::withdraw`].
    withdrawn: AtomicBool,
}

/// What becomes of a request that is not refused.
#[derive(Debug)]
pub enum Decision {
    /// It is sent on.
    Forward(Permit),
    /// It is answered here, and nothing is sent.
    Answer(Answer),
}

/// One compiled transform. Pipelines that differ elsewhere can share it.
pub struct Stage {
    name: Arc<str>,
    kind: Kind,
}

enum Kind {
    Allowlist(AllowlistSpec),
    Annotate(Vec<AnnotateGroup>),
    HeaderAllowlist(HeaderAllowlistSpec),
    BodyCapture(BodyCaptureSpec),
    Secrets(SecretsStage),
    /// Refuses what it covers, because a transform that belongs there cannot be run.
    Unavailable(Unavailable),
    /// Refuses everything.
    Gate(Gate),
}

/// Leave to forward one request, made by the pipeline alone.
#[derive(Debug)]
pub struct Permit {
    destination: Destination,
    scrub: Option<ScrubSet>,
    credential: Option<String>,
    placed: Placed,
    path: String,
}

impl Permit {
    /// Where the request may go.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// What must not come back.
    pub fn scrub(&self) -> Option<&ScrubSet> {
        self.scrub.as_ref()
    }

    /// Name of the first secret that was placed.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// What the exchange uses, by which a later pipeline says whether it may go on.
    pub fn used(&self, method: &Method, epoch: u64) -> Used {
        let reach = Reach::Request { method: method.clone(), path: self.path.as_str().into() };
        Used { destination: self.destination.clone(), reach, placed: self.placed.clone(), epoch }
    }
}

/// One request on its way through.
pub struct Passage<'r> {
    /// Where it goes.
    pub target: &'r RequestTarget,
    /// Head; edited in place.
    pub parts: &'r mut Parts,
    /// Body; may be wrapped.
    pub body: &'r mut ClientBody,
    /// Receives traces and annotations.
    pub record: &'r mut Record,
    /// It asks for a WebSocket.
    pub websocket: bool,
    /// The client waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// Headers to send under a spelling that the configuration gives.
    pub spellings: Vec<(HeaderName, String)>,
}

impl Passage<'_> {
    fn spellings(&mut self, more: &[(HeaderName, String)]) {
        self.spellings.extend_from_slice(more);
    }
}

/// What the stages found out on the way.
#[derive(Default)]
struct Findings {
    scrub: Scrub,
    credential: Option<String>,
    placed: Placed,
    loopback_only: bool,
}

/// Why a pipeline cannot be built; the texts are those of the reference where it has any.
#[derive(Debug, thiserror::Error)]
#[error("initializing transform {name:?}: {problem}")]
pub struct BuildError {
    name: String,
    problem: String,
}

impl Pipeline {
    /// Compiles the transforms. Nothing is fetched.
    pub fn build(
        specs: Vec<(String, TransformSpec)>,
        harness: &HarnessLogins,
        sources: &SourcePool,
    ) -> Result<Self, BuildError> {
        let stages = specs.into_iter().map(|(name, spec)| Stage::build(name, spec, sources));
        Ok(Self::of(stages.collect::<Result<_, _>>()?, harness, 0))
    }

    /// Puts stages together that were compiled before. Credentials of another `epoch` are not these.
    pub fn of(stages: Vec<Arc<Stage>>, harness: &HarnessLogins, epoch: u64) -> Self {
        let restricts = |stage: &Arc<Stage>| matches!(stage.kind, Kind::Allowlist(_) | Kind::Gate(_));
        let has_allowlist = stages.iter().any(restricts);
        let entries = || stages.iter().filter_map(|stage| stage.secrets()).flat_map(SecretsStage::entries);
        let credentials = entries().map(secrets::Entry::id).collect();
        let harness = harness.active(|host| entries().find_map(|entry| entry.sets_authorization(host)));
        Self {
            stages,
            plans: Plans::default(),
            has_allowlist,
            epoch,
            credentials,
            harness,
            withdrawn: AtomicBool::new(false),
        }
    }

    /// Refuses everything, with one trace named after the gate.
    pub fn closed(gate: Gate) -> Self {
        let stage = Stage { name: gate.name().into(), kind: Kind::Gate(gate) };
        let none = HarnessLogins { when: When::Never, ..HarnessLogins::default() };
        Self::of(vec![Arc::new(stage)], &none, 0)
    }

    /// What tells its credentials apart, whatever their values are.
    pub fn credentials(&self) -> impl Iterator<Item = u64> {
        self.credentials.iter().copied()
    }

    /// Whose credentials these are.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// No value is placed any more, and what one was placed in is not granted any more. Values that were delivered with
    /// their definitions are forgotten.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
        self.stages.iter().filter_map(|stage| stage.secrets()).for_each(SecretsStage::withdraw);
    }

    /// Whether its credentials are withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    /// Whether anything is refused at all.
    pub fn has_allowlist(&self) -> bool {
        self.has_allowlist
    }

    /// The logins whose token calls are answered here.
    pub fn harness(&self) -> &Active {
        &self.harness
    }

    /// Names in order, as the start line shows them.
    pub fn names(&self) -> String {
        self.stages.iter().map(|s| &*s.name).collect::<Vec<_>>().join(" \u{2192} ")
    }

    /// Decides one request and edits it. On a refusal the request must not be sent.
    pub async fn request(&self, passage: &mut Passage<'_>) -> Result<Decision, Refusal> {
        let mut path =
            decode_path(passage.parts.uri.path()).map(std::borrow::Cow::into_owned).unwrap_or_default();
        // Before anything is placed, and whether or not the host is allowed.
        if let Some(reason) = self.harness.at(&passage.target.host, passage.target.port, &path) {
            return Box::pin(token_call::answer(&reason.login, passage)).await.map(Decision::Answer);
        }
        let plan = self.plans.of(&passage.target.host, self);
        let mut findings = Findings::default();
        let mut asked = None;
        for (at, stage) in self.stages.iter().enumerate() {
            let started = Instant::now();
            let mut notes = Annotations::default();
            let outcome = stage.request(at, &plan, passage, &path, &mut notes, &mut findings).await;
            let action = match &outcome {
                Ok(_) => Action::Allow,
                Err(refusal) if refusal.is_error() => Action::Error,
                Err(_) => Action::Reject,
            };
            let error = outcome.as_ref().err().and_then(Refusal::audit_error);
            passage.record.request_traces.push(Trace {
                name: stage.name.clone(),
                action,
                duration: started.elapsed(),
                error,
                annotations: notes.into_json(),
            });
            if outcome? == Changed::Path {
                let edited = decode_path(passage.parts.uri.path()).map(std::borrow::Cow::into_owned);
                if let Ok(edited) = edited {
                    // What the client asked for has no value in it.
                    asked.get_or_insert(std::mem::replace(&mut path, edited));
                }
            }
        }
        let scrub = plan.scrubber(&findings.scrub)?;
        Ok(Decision::Forward(permit(passage.target, findings, scrub, asked.unwrap_or(path))))
    }

    /// Decides a tunnel that will be opened up: on the host alone, whatever comes inside is decided again.
    pub fn tunnel(&self, host: &CanonicalHost, port: u16, record: &mut Record) -> Result<(), Refusal> {
        self.by_host(host, port, None, record)
    }

    /// Decides a connection of which only the server name is seen. A rule that names methods or paths cannot
    /// match here.
    pub fn relay(
        &self,
        host: &CanonicalHost,
        port: u16,
        method: &str,
        record: &mut Record,
    ) -> Result<Permit, Refusal> {
        self.by_host(host, port, Some(method), record)?;
        let target = RequestTarget { scheme: Scheme::Https, host: host.clone(), port, port_named: false };
        Ok(permit(&target, Findings::default(), None, String::new()))
    }

    fn by_host(
        &self,
        host: &CanonicalHost,
        port: u16,
        blind: Option<&str>,
        record: &mut Record,
    ) -> Result<(), Refusal> {
        let mut refusal = None;
        for stage in &self.stages {
            let started = Instant::now();
            let mut notes = Annotations::default();
            if let Kind::Gate(gate) = &stage.kind {
                gate.annotate(&mut notes);
                refusal = Some(gate.refusal());
            } else if let (Kind::Unavailable(part), Some(_)) = (&stage.kind, blind) {
                // What is inside is not seen, so all that could be covered is.
                if part.may_cover(host, port) {
                    part.annotate(&stage.name, &mut notes);
                    refusal = Some(part.refusal(&stage.name));
                }
            } else if let Kind::Allowlist(spec) = &stage.kind {
                let allowed = if let Some(method) = blind {
                    let target = Target { scheme: Scheme::Https, host, port, method, path: "" };
                    spec.rules.matches(&target).is_some()
                } else {
                    spec.rules.matches_host(host, port, None)
                };
                let token_calls = || self.harness.opens(host, port).filter(|_| blind.is_none());
                if !allowed && spec.warn {
                    notes.text("action", "warn");
                } else if let (false, Some(reason)) = (allowed, token_calls()) {
                    notes.text(harness::TRACE, &reason.login.name);
                } else if !allowed {
                    refusal = Some(Refusal::no_rule(&format!("{{host: {:?}}}", host.as_str())));
                }
            }
            record.request_traces.push(Trace {
                name: stage.name.clone(),
                action: if refusal.is_some() { Action::Reject } else { Action::Allow },
                duration: started.elapsed(),
                error: None,
                annotations: notes.into_json(),
            });
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// The response phase: no transform of this build changes responses, scrubbing follows from the permit. The
    /// traces stand in the audit line all the same, as in the reference.
    pub fn response(&self, record: &mut Record) {
        record.response_traces.extend(self.stages.iter().map(|stage| Trace {
            name: stage.name.clone(),
            action: Action::Allow,
            duration: std::time::Duration::ZERO,
            error: None,
            annotations: String::new(),
        }));
    }
}

fn permit(target: &RequestTarget, findings: Findings, scrub: Option<ScrubSet>, path: String) -> Permit {
    Permit {
        destination: Destination {
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            loopback_only: findings.loopback_only,
        },
        scrub,
        credential: findings.credential,
        placed: findings.placed,
        path,
    }
}

/// What a stage did to the head that later rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    Nothing,
    Path,
}

impl Stage {
    /// Compiles one transform. Nothing is fetched.
    pub fn build(name: String, spec: TransformSpec, sources: &SourcePool) -> Result<Arc<Self>, BuildError> {
        let kind = match spec {
            TransformSpec::Allowlist(spec) => Kind::Allowlist(spec),
            TransformSpec::Annotate(groups) => Kind::Annotate(groups),
            TransformSpec::HeaderAllowlist(spec) => Kind::HeaderAllowlist(spec),
            TransformSpec::BodyCapture(spec) => Kind::BodyCapture(spec),
            TransformSpec::Secrets(specs) => match SecretsStage::build(specs, sources) {
                Ok(stage) => Kind::Secrets(stage),
                Err(problem) => return Err(BuildError { name, problem }),
            },
        };
        Ok(Arc::new(Self { name: name.into(), kind }))
    }

    /// Stands for a transform that this build cannot run.
    pub fn unavailable(name: &str, part: Unavailable) -> Arc<Self> {
        Arc::new(Self { name: name.into(), kind: Kind::Unavailable(part) })
    }

    fn secrets(&self) -> Option<&SecretsStage> {
        if let Kind::Secrets(secrets) = &self.kind { Some(secrets) } else { None }
    }

    async fn request(
        &self,
        at: usize,
        plan: &Arc<HostPlan>,
        passage: &mut Passage<'_>,
        path: &str,
        notes: &mut Annotations,
        findings: &mut Findings,
    ) -> Result<Changed, Refusal> {
        let method = passage.parts.method.clone();
        let target = Target {
            scheme: passage.target.scheme,
            host: &passage.target.host,
            port: passage.target.port,
            method: method.as_str(),
            path,
        };
        match &self.kind {
            Kind::Allowlist(spec) => {
                if plan.matches(at, 0, &spec.rules, &target) {
                    return Ok(Changed::Nothing);
                }
                if !spec.warn {
                    return Err(Refusal::no_rule(&Rule::that_would_allow(&target)));
                }
                notes.text("action", "warn");
            }
            Kind::Annotate(groups) => {
                for (n, group) in groups.iter().enumerate() {
                    if plan.matches(at, n, &group.rules, &target) {
                        for (key, value) in headers::annotations(&passage.parts.headers, &group.headers) {
                            notes.text(&key, &value);
                        }
                    }
                }
            }
            Kind::HeaderAllowlist(spec) => {
                if spec.rules.is_empty() || plan.matches(at, 0, &spec.rules, &target) {
                    let stripped = headers::keep_only(&mut passage.parts.headers, &spec.headers);
                    if !stripped.is_empty() {
                        notes.texts("stripped_headers", &stripped);
                    }
                }
            }
            Kind::BodyCapture(spec) => {
                if plan.matches(at, 0, &spec.rules, &target) {
                    Box::pin(capture::capture(spec, passage, notes)).await;
                }
            }
            Kind::Secrets(stage) => {
                return stage.request(at, plan.secrets(at), &target, passage, notes, findings).await;
            }
            Kind::Unavailable(part) => {
                if part.covers_all() || plan.matches(at, 0, part.rules(), &target) {
                    part.annotate(&self.name, notes);
                    return Err(part.refusal(&self.name));
                }
            }
            Kind::Gate(gate) => {
                gate.annotate(notes);
                return Err(gate.refusal());
            }
        }
        Ok(Changed::Nothing)
    }

    /// The rule sets of this stage, in a fixed order, for the per-host plan.
    fn rule_sets(&self) -> Vec<&RuleSet> {
        match &self.kind {
            Kind::Allowlist(spec) => vec![&spec.rules],
            Kind::Annotate(groups) => groups.iter().map(|g| &g.rules).collect(),
            Kind::HeaderAllowlist(spec) => vec![&spec.rules],
            Kind::BodyCapture(spec) => vec![&spec.rules],
            Kind::Secrets(stage) => stage.rule_sets().collect(),
            Kind::Unavailable(part) => vec![part.rules()],
            Kind::Gate(_) => Vec::new(),
        }
    }
}
