//! `secrets`: which entries apply to a request, their values, and where those went. Bodies are in `secrets/body.rs`.

mod body;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use centaur_policies::rule::{Candidates, RuleSet, Target};
use centaur_policies::spec::{InjectPlace, InjectSpec, ReplaceSpec, SecretMode, SecretSpec};
use centaur_transform::scrub::MIN_LEN;
use centaur_transform::swap::{SwapError, Swapped, Verdict};
use centaur_transform::{Inject, InjectError, SwapSet};
use http::Method;
use smallvec::SmallVec;

pub use self::body::LateSwap;
use super::annotations::Annotations;
use super::{Changed, Findings, Passage};
use crate::harness;
use crate::refusal::Refusal;
use crate::sources::{SecretValue, Source, SourcePool};

/// Compiled sets kept per host.
const MOST_SETS: usize = 64;

/// The entries of one `secrets` transform.
pub(super) struct SecretsStage {
    entries: Vec<Entry>,
    /// The control plane has not vouched for these for too long: no value is placed.
    withdrawn: AtomicBool,
}

/// One entry.
pub(super) struct Entry {
    spec: SecretSpec,
    id: u64,
    name: String,
    source: Arc<Source>,
    inject: Option<Inject>,
    /// Version of the last value of which the log says that it is too short to be scrubbed.
    too_short: AtomicU64,
}

/// What is known for one host: the entries that can apply, and what was compiled for them.
pub(super) struct SecretsPlan {
    entries: Vec<(u32, Candidates)>,
    sets: Mutex<Vec<(Selection, Arc<SwapSet>)>>,
}

/// Numbers of `replace` entries, ascending.
type Selection = SmallVec<[u32; 4]>;

fn annotate(
    swapped: &[(String, Vec<String>)],
    injected: &[(String, Vec<String>)],
    unavailable: &[String],
) -> Annotations {
    let mut notes = Annotations::default();
    notes.placements("swapped", swapped);
    notes.placements("injected", injected);
    if !unavailable.is_empty() {
        notes.texts("secret_unavailable", unavailable);
    }
    notes
}

impl SecretsStage {
    pub(super) fn build(specs: Vec<SecretSpec>, sources: &SourcePool) -> Result<Self, String> {
        let entry = |(i, spec): (usize, SecretSpec)| {
            let inject = match &spec.mode {
                SecretMode::Replace(_) => None,
                SecretMode::Inject(inject) => {
                    Some(Inject::new(inject).map_err(|e| format!("secrets[{i}]: inject: {e}"))?)
                }
            };
            let source = sources.source(&spec.source);
            let name = spec.source.display_name();
            let id = identity(&spec);
            let entry = Entry { id, name, source, inject, spec, too_short: AtomicU64::new(0) };
            // Only what was delivered with its definition is there already.
            if let Some(value) = entry.source.peek() {
                entry.warn_if_short(&value);
            }
            Ok(entry)
        };
        let entries = specs.into_iter().enumerate().map(entry).collect::<Result<_, String>>()?;
        Ok(Self { entries, withdrawn: AtomicBool::new(false) })
    }

    pub(super) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
        for entry in &self.entries {
            entry.source.withdraw();
        }
    }

    pub(super) fn rule_sets(&self) -> impl Iterator<Item = &RuleSet> {
        self.entries.iter().map(|entry| &entry.spec.rules)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn plan(&self, host: &CanonicalHost) -> SecretsPlan {
        let entries = self.entries.iter().zip(0..).filter_map(|(entry, n)| {
            let candidates = entry.spec.rules.for_host(host);
            (!candidates.is_empty()).then_some((n, candidates))
        });
        SecretsPlan { entries: entries.collect(), sets: Mutex::default() }
    }

    pub(super) async fn request(
        &self,
        at: usize,
        plan: Option<&Arc<SecretsPlan>>,
        target: &Target<'_>,
        passage: &mut Passage<'_>,
        notes: &mut Annotations,
        findings: &mut Findings,
    ) -> Result<Changed, Refusal> {
        let Some(plan) = plan.filter(|plan| !plan.entries.is_empty()) else { return Ok(Changed::Nothing) };
        let mut applying: SmallVec<[Applying<'_>; 4]> = SmallVec::new();
        let mut unavailable = Vec::new();
        for (number, candidates) in &plan.entries {
            let entry = &self.entries[*number as usize];
            let Some(rule) = entry.spec.rules.matches_among(candidates, target) else { continue };
            if passage.websocket && !entry.spec.websocket {
                continue;
            }
            let withdrawn = self.withdrawn.load(Ordering::Acquire);
            let value = match entry.source.peek().filter(|_| !withdrawn) {
                Some(value) => Some(value),
                None => match Box::pin(entry.value(withdrawn)).await {
                    Some(value) => Some(value),
                    None if entry.requires() => {
                        notes.text("rejected", &entry.name);
                        notes.text("reject_reason", "secret_unavailable");
                        return Err(Refusal::secret_unavailable(&entry.name));
                    }
                    None => {
                        unavailable.push(entry.name.clone());
                        None
                    }
                },
            };
            let clear = entry.spec.may_go_in_clear(rule, target.host);
            applying.push(Applying { number: *number, entry, value, clear });
        }
        if applying.is_empty() {
            return Ok(Changed::Nothing);
        }
        let mut work = Work { at, plan, target, findings, late: None, path_changed: false };
        let outcome = work.run(&applying, passage, unavailable).await;
        match outcome {
            Ok(annotations) => {
                *notes = annotations;
                if let Some(mut late) = work.late {
                    late.trace = passage.record.request_traces.len();
                    passage.record.late_swaps.push(late);
                }
                Ok(if work.path_changed { Changed::Path } else { Changed::Nothing })
            }
            Err((refusal, name)) => {
                if let Some(name) = name.filter(|_| !refusal.is_error()) {
                    notes.text("rejected", &name);
                }
                Err(refusal)
            }
        }
    }
}

impl Entry {
    /// Tells bindings apart: equal for two entries that differ in their values alone.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Its name, if it sets `Authorization` on some request to this host over TLS.
    pub(super) fn sets_authorization(&self, host: &CanonicalHost) -> Option<String> {
        let SecretMode::Inject(inject) = &self.spec.mode else { return None };
        let InjectPlace::Header(header) = &inject.place else { return None };
        let sets = header.eq_ignore_ascii_case(http::header::AUTHORIZATION.as_str())
            && self.spec.rules.matches_host(host, Scheme::Https.default_port(), Some(Scheme::Https));
        sets.then(|| self.name.clone())
    }

    async fn value(&self, withdrawn: bool) -> Option<Arc<SecretValue>> {
        if withdrawn { None } else { self.source.current().await.ok() }
    }

    fn requires(&self) -> bool {
        match &self.spec.mode {
            SecretMode::Replace(replace) => replace.require,
            SecretMode::Inject(inject) => inject.require,
        }
    }

    /// Says once for each value that is too short to be taken out of responses.
    fn warn_if_short(&self, value: &SecretValue) {
        let short = self.spec.scrub_responses && value.text().expose().trim_ascii().len() < MIN_LEN;
        if short && self.too_short.swap(value.version(), Ordering::Relaxed) != value.version() {
            tracing::warn!(
                secret = %self.name,
                "the value is shorter than {MIN_LEN} bytes, which are too few to recognise it in a response: it is \
                 not scrubbed"
            );
        }
    }

    fn placeholder(&self) -> &str {
        match &self.spec.mode {
            SecretMode::Replace(replace) => &replace.placeholder,
            SecretMode::Inject(InjectSpec { place: InjectPlace::Header(header), .. }) => {
                harness::stand_in(header).unwrap_or(&self.name)
            }
            SecretMode::Inject(_) => &self.name,
        }
    }
}

/// The text of a definition holds everything but the value, which shows as `Secret(..)`.
fn identity(spec: &SecretSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{spec:?}").hash(&mut hasher);
    hasher.finish()
}

struct Applying<'s> {
    number: u32,
    entry: &'s Entry,
    value: Option<Arc<SecretValue>>,
    clear: bool,
}

impl Applying<'_> {
    fn replace(&self) -> Option<&ReplaceSpec> {
        match &self.entry.spec.mode {
            SecretMode::Replace(replace) => Some(replace),
            SecretMode::Inject(_) => None,
        }
    }
}

/// A refusal and the secret it is about.
type Refused = (Refusal, Option<String>);

struct Work<'w> {
    at: usize,
    plan: &'w SecretsPlan,
    target: &'w Target<'w>,
    findings: &'w mut Findings,
    late: Option<LateSwap>,
    path_changed: bool,
}

impl Work<'_> {
    async fn run(
        &mut self,
        applying: &[Applying<'_>],
        passage: &mut Passage<'_>,
        unavailable: Vec<String>,
    ) -> Result<Annotations, Refused> {
        let replacing: SmallVec<[&Applying<'_>; 4]> =
            applying.iter().filter(|a| a.replace().is_some()).collect();
        let mut swapped = Vec::new();
        let mut late_hits = None;
        if !replacing.is_empty() {
            let set = self.plan.set(&replacing).map_err(|e| (e, None))?;
            let values: SmallVec<[Option<&str>; 4]> = replacing
                .iter()
                .map(|a| a.value.as_deref().map(|v: &SecretValue| v.text().expose().as_str()))
                .collect();
            let done = set.head(&values, passage.parts).map_err(|e| swap_refusal(e, &replacing))?;
            self.path_changed =
                done.entries.iter().any(|e| e.locations.contains(&centaur_transform::Location::Path));
            for (n, one) in replacing.iter().enumerate() {
                if !done.entries[n].locations.is_empty() {
                    self.placed(one, passage).map_err(|e| (e, Some(one.entry.name.clone())))?;
                    self.scrub(one);
                }
            }
            for (new, former) in &done.basic {
                self.findings.scrub.encoded(new.expose(), former);
            }
            passage.spellings(&done.spellings);
            late_hits = if set.wants_body() || done.entries.iter().any(|e| e.locations.is_empty()) {
                Box::pin(self.body(&set, &values, &replacing, &done, passage)).await?
            } else {
                Self::verdicts(&set, &replacing, &done)?;
                None
            };
            for (n, one) in replacing.iter().enumerate() {
                let locations = done.entries[n].locations.iter().map(ToString::to_string).collect::<Vec<_>>();
                swapped.push((one.entry.name.clone(), locations));
            }
        }
        let mut injected = Vec::new();
        for one in applying.iter().filter(|a| a.replace().is_none()) {
            let (Some(inject), Some(value)) = (&one.entry.inject, &one.value) else { continue };
            let name = &one.entry.name;
            self.placed(one, passage).map_err(|e| (e, Some(name.clone())))?;
            let done = inject.apply(passage.parts, value.text().expose()).map_err(|e| match e {
                InjectError::Formatter(error) => (Refusal::transform("secrets", "request", error), None),
                InjectError::Unsendable | InjectError::AddressTooLong => (Refusal::unsendable(name), None),
            })?;
            if let Some(spelling) = done.spelling {
                passage.spellings(&[spelling]);
            }
            self.scrub(one);
            if one.entry.spec.scrub_responses {
                self.findings.scrub.text(done.text.expose(), one.entry.placeholder());
            }
            injected.push((name.clone(), vec![done.location.to_string()]));
        }
        if let Some((hits, whole)) = late_hits {
            for (n, (_, locations)) in swapped.iter_mut().enumerate() {
                if whole && hits.hit(n) {
                    locations.push("body".to_owned());
                }
            }
            if !whole {
                self.late = Some(LateSwap {
                    trace: 0,
                    names: swapped.iter().map(|(name, _)| name.clone()).collect(),
                    locations: swapped.iter().map(|(_, locations)| locations.clone()).collect(),
                    injected: injected.clone(),
                    unavailable: unavailable.clone(),
                    hits,
                });
            }
        }
        swapped.retain(|(_, locations)| !locations.is_empty());
        Ok(annotate(&swapped, &injected, &unavailable))
    }

    /// What `require` says after the head: the entries whose placeholder can only be in the body.
    fn verdicts(
        set: &SwapSet,
        replacing: &[&Applying<'_>],
        done: &Swapped,
    ) -> Result<SmallVec<[usize; 4]>, Refused> {
        let mut in_body = SmallVec::<[usize; 4]>::new();
        for (n, one) in replacing.iter().enumerate() {
            let name = &one.entry.name;
            match set.verdict(n, done) {
                Verdict::Pass => {}
                Verdict::InBody => in_body.push(n),
                Verdict::Absent => return Err((Refusal::placeholder_missing(name), Some(name.clone()))),
                Verdict::Competing(header) => {
                    let header = centaur_transform::headers::canonical(header.as_str());
                    return Err((Refusal::competing_credential(name, &header), Some(name.clone())));
                }
            }
        }
        Ok(in_body)
    }

    fn scrub(&mut self, one: &Applying<'_>) {
        if let (Some(value), true) = (&one.value, one.entry.spec.scrub_responses) {
            one.entry.warn_if_short(value);
            self.findings.scrub.value((self.at, one.number), value, one.entry.placeholder());
        }
    }

    /// A value is about to be sent: not in clear, not where the origin echoes the request as it is.
    fn placed(&mut self, one: &Applying<'_>, passage: &Passage<'_>) -> Result<(), Refusal> {
        if passage.parts.method == Method::TRACE {
            return Err(Refusal::trace_method());
        }
        if self.target.scheme == Scheme::Http && !one.clear {
            self.findings.loopback_only = true;
        }
        self.findings.credential.get_or_insert_with(|| one.entry.name.clone());
        self.findings.placed.push(one.entry.id);
        Ok(())
    }
}

impl SecretsPlan {
    /// The compiled set for exactly these entries.
    fn set(&self, replacing: &[&Applying<'_>]) -> Result<Arc<SwapSet>, Refusal> {
        let wanted: Selection = replacing.iter().map(|one| one.number).collect();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, set)) = sets.iter().find(|(selection, _)| *selection == wanted) {
            return Ok(set.clone());
        }
        let set =
            SwapSet::new(replacing.iter().filter_map(|one| one.replace())).map_err(Refusal::internal)?;
        let set = Arc::new(set);
        if sets.len() >= MOST_SETS {
            sets.clear();
        }
        sets.push((wanted, set.clone()));
        Ok(set)
    }
}

fn swap_refusal(error: SwapError, replacing: &[&Applying<'_>]) -> Refused {
    let refusal = match error {
        SwapError::Unsendable { entry } => {
            let name = replacing.get(entry).map_or("a secret", |one| &one.entry.name);
            Refusal::unsendable(name)
        }
        SwapError::DotSegment | SwapError::AddressTooLong => Refusal::transform("secrets", "request", error),
    };
    (refusal, None)
}
