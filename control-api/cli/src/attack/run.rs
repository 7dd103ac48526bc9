//! One entry from start to verdict, and all of them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::client::{Client, Read1, Response};
use super::corpus::{Attack, Corpus, Lines};
use super::escape::Variables;
use super::judge::{contains, judge, secret_free};
use super::names::{self, Table};
use super::origin::{self, Origins};
use super::pki::Pki;
use super::script::{Listener, Step};
use super::target::Target;
use super::{AttackError, io};

/// Names with an origin; the index is its address, 127.0.0.1 first.
pub const ORIGINS: [&str; 6] =
    ["allowed.test", "other.test", "denied.test", "bound.test", "inject.test", "paths.test"];

/// What the proxy holds. Characters that every encoding changes.
pub const VALUE: &str = "fake/attack+\"value=0123456789";

/// What the attacker holds.
pub const PLACEHOLDER: &str = "ATTACK_PLACEHOLDER";

/// The variable that holds [`VALUE`].
pub const VARIABLE: &str = "ATTACK_VALUE";

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Held,
    /// Not as expected; the first reason.
    Broken(String),
    /// Cannot be played against this target; why.
    NotApplicable(&'static str),
}

/// An entry that was played.
#[derive(Debug)]
pub struct Played {
    /// Its file's title.
    pub class: String,
    /// The entry.
    pub attack: Attack,
    /// What became of it.
    pub verdict: Verdict,
}

/// What to attack.
pub enum Aim {
    /// A program to start with each profile.
    Program(PathBuf),
    /// A running proxy.
    Running(Target),
}

/// Everything around the proxy.
pub struct Stage {
    dir: PathBuf,
    origins: Origins,
    variables: Variables,
    rules: Rules,
    barriers: AtomicUsize,
}

/// How strictly and how patiently is judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether audit lines count.
    pub audit: bool,
    /// How long the proxy may take to answer, to close, or to write an audit line.
    pub patience: Duration,
}

impl Stage {
    /// Sets up certificates in `dir`, origins and the name server. `rules` say what counts.
    ///
    /// # Errors
    /// Sockets or files that cannot be had.
    pub fn set_up(dir: &Path, rules: Rules) -> Result<Self, AttackError> {
        let mut certified = ORIGINS.to_vec();
        certified.extend(["any.wild.test", "rebind.test", "both.test", "127.0.0.1"]);
        let pki = Pki::new(&certified)?;
        for (name, content) in
            [("ca.crt", &pki.proxy_cert), ("ca.key", &pki.proxy_key), ("roots.pem", &pki.upstream_root)]
        {
            std::fs::write(dir.join(name), content).map_err(io("writing certificates"))?;
        }
        let origins = Origins::start(&ORIGINS, &pki.origins)?;
        let dns = names::serve(table())?;

        let mut variables = Variables::default();
        variables.set("dir", dir.display().to_string());
        variables.set("dns", dns.to_string());
        variables.set("plain", origins.plain.to_string());
        variables.set("tls", origins.tls.to_string());
        variables.set("variable", VARIABLE);
        variables.set("placeholder", PLACEHOLDER);
        variables.set("value", VALUE);
        let split = PLACEHOLDER.len() / 2;
        variables.set("placeholder_head", &PLACEHOLDER[..split]);
        variables.set("placeholder_tail", &PLACEHOLDER[split..]);
        for listener in ["listen_http", "listen_https", "listen_tunnel"] {
            variables.set(listener, "127.0.0.1:0");
        }
        // Big-endian bytes, for SOCKS.
        for (name, port) in [("plain_be", origins.plain), ("tls_be", origins.tls)] {
            let [high, low] = port.to_be_bytes();
            variables.set(name, format!("\\x{high:02x}\\x{low:02x}"));
        }
        Ok(Self { dir: dir.to_owned(), origins, variables, rules, barriers: AtomicUsize::new(0) })
    }

    /// What `@{…}` stands for, to be changed before a profile is written.
    pub fn variables(&mut self) -> &mut Variables {
        &mut self.variables
    }

    /// The variables that the proxy needs in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            (VARIABLE.to_owned(), VALUE.to_owned()),
            ("SSL_CERT_FILE".to_owned(), self.dir.join("roots.pem").display().to_string()),
        ]
    }

    /// Plays `corpus` (those whose id or class contains `only`, when given).
    ///
    /// # Errors
    /// A proxy that does not start, or nothing that contains `only`.
    pub fn play(
        &self,
        corpus: &Corpus,
        aim: Aim,
        profile: &str,
        only: Option<&str>,
    ) -> Result<Vec<Played>, AttackError> {
        let wanted = |class: &str, attack: &Attack| {
            only.is_none_or(|only| attack.id.contains(only) || class.contains(only))
        };
        let all: Vec<(&str, &Attack)> = corpus
            .classes
            .iter()
            .flat_map(|class| class.attacks.iter().map(|attack| (class.title.as_str(), attack)))
            .filter(|(class, attack)| wanted(class, attack))
            .collect();
        // A page without a row would read as if everything held.
        if let (true, Some(only)) = (all.is_empty(), only) {
            return Err(AttackError::Usage(format!("no id or class of the corpus contains {only:?}")));
        }
        let mut verdicts = std::collections::HashMap::new();
        match aim {
            Aim::Running(mut target) => {
                if !all.iter().any(|(_, attack)| attack.profile == profile) {
                    return Err(AttackError::Usage(format!("no such entry is of profile {profile:?}")));
                }
                for (_, attack) in &all {
                    let verdict = if attack.profile == profile {
                        self.one(attack, &mut target)
                    } else {
                        Verdict::NotApplicable("another profile")
                    };
                    verdicts.insert(attack.id.clone(), verdict);
                }
            }
            Aim::Program(program) => {
                for profile in &corpus.profiles {
                    let entries: Vec<_> =
                        all.iter().filter(|(_, attack)| attack.profile == profile.name).collect();
                    if entries.is_empty() {
                        continue;
                    }
                    let start =
                        || Target::start(&program, profile, &self.variables, &self.environment(), &self.dir);
                    let mut target = start()?;
                    for (_, attack) in entries {
                        verdicts.insert(attack.id.clone(), self.one(attack, &mut target));
                        if !target.alive() {
                            verdicts.insert(attack.id.clone(), Verdict::Broken("the proxy died".to_owned()));
                            target = start()?;
                        }
                    }
                }
            }
        }
        Ok(all
            .into_iter()
            .map(|(class, attack)| Played {
                class: class.to_owned(),
                attack: attack.clone(),
                verdict: verdicts.remove(&attack.id).unwrap_or(Verdict::NotApplicable("not played")),
            })
            .collect())
    }

    fn one(&self, attack: &Attack, target: &mut Target) -> Verdict {
        let needed = attack.steps.iter().filter_map(|step| match step {
            Step::Open(listener) => Some(*listener),
            _ => None,
        });
        for listener in needed {
            if target.listener(listener).is_none() {
                return Verdict::NotApplicable("a listener is not given");
            }
        }
        let (seen_from, lines_from, written_from) = (self.origins.mark(), target.audited(), target.mark());
        let mut clients = Vec::new();
        let mut responses = Vec::new();
        let played = self.steps(attack, target, &mut clients, &mut responses);
        let mut received: Vec<u8> = clients.iter().flat_map(|client| client.received.clone()).collect();
        drop(clients);
        for response in responses {
            received.extend(response.text);
        }
        let audit = self.audit(attack, target, lines_from);
        let seen = self.origins.since(seen_from);
        let written = target.written(written_from);
        let verdict = played
            .and_then(|()| judge(attack, &self.variables, &seen))
            .and_then(|()| secret_free("the client received", &received))
            .and_then(|()| secret_free("the proxy wrote", written.as_bytes()))
            .and(audit);
        match verdict {
            Ok(()) => Verdict::Held,
            Err(reason) => Verdict::Broken(reason),
        }
    }

    fn steps(
        &self,
        attack: &Attack,
        target: &Target,
        clients: &mut Vec<Client>,
        responses: &mut Vec<Response>,
    ) -> Result<(), String> {
        for step in &attack.steps {
            if let Step::Open(listener) = step {
                let to = target.listener(*listener).ok_or("no such listener")?;
                clients.push(Client::connect(to, self.rules.patience)?);
                continue;
            }
            let client = clients.last_mut().ok_or("a step before `open`")?;
            self.step(step, client, responses)?;
        }
        Ok(())
    }

    fn step(&self, step: &Step, client: &mut Client, responses: &mut Vec<Response>) -> Result<(), String> {
        let bytes = |text: &str| self.variables.bytes(text);
        match step {
            Step::Open(_) => {}
            Step::Tls { name, h2 } => client.tls(name.as_deref(), *h2)?,
            Step::Hello(name) => client.hello(&bytes(name)?),
            Step::Send(text) => client.send(&bytes(text)?),
            Step::Flood(count, text) => client.flood(*count, &bytes(text)?),
            Step::Fin => client.fin(),
            Step::Expect(wanted) => match client.read()? {
                Read1::End => return Err(format!("closed instead of {}", list(wanted))),
                Read1::Response(response) if wanted.contains(&response.status) => responses.push(response),
                Read1::Response(response) => {
                    return Err(format!("status {} instead of {}", response.status, list(wanted)));
                }
            },
            Step::Refused => match client.read()? {
                Read1::Response(response) if response.status < 400 => {
                    return Err(format!("status {} instead of a refusal", response.status));
                }
                Read1::Response(response) => responses.push(response),
                Read1::End => {}
            },
            Step::Any => {
                if let Read1::Response(response) = client.read()? {
                    responses.push(response);
                }
            }
            Step::Closed => client.closed()?,
            Step::Bytes(text) => client.exactly(&bytes(text)?)?,
            Step::ClosedOr(text) => {
                if !client.at_end()? {
                    client.exactly(&bytes(text)?)?;
                }
            }
            Step::Has(text) | Step::Lacks(text) => {
                let found = match responses.last() {
                    Some(last) => contains(&last.text, &bytes(text)?),
                    None => false,
                };
                if found != matches!(step, Step::Has(_)) {
                    let verb = if found { "has" } else { "lacks" };
                    return Err(format!("the response {verb} {text:?}"));
                }
            }
            Step::H2(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| Ok((bytes(name)?, bytes(value)?)))
                    .collect::<Result<_, String>>()?;
                client.h2(&fields);
            }
            Step::H2Raw(text) => client.h2_raw(&bytes(text)?),
            Step::H2Expect(wanted) => match client.h2_status()? {
                Some(status) if wanted.contains(&status) => {}
                Some(status) => return Err(format!("status {status} instead of {}", list(wanted))),
                None => return Err(format!("reset instead of {}", list(wanted))),
            },
            Step::H2Refused => match client.h2_status()? {
                Some(status) if status < 400 => return Err(format!("status {status} instead of a refusal")),
                _ => {}
            },
            Step::H2Any => drop(client.h2_status()?),
        }
        Ok(())
    }

    /// Waits for the lines of this entry, then for the line of one more request, so that late lines are counted too.
    fn audit(&self, attack: &Attack, target: &Target, before: usize) -> Result<(), String> {
        if !target.is_watched() {
            return Ok(());
        }
        let (Lines::Exactly(least) | Lines::AtLeast(least)) = attack.audit else {
            self.barrier(target);
            return Ok(());
        };
        if self.rules.audit {
            target.await_audit(before + least, self.rules.patience);
        }
        self.barrier(target);
        // The barrier's own line does not count.
        let lines = target.audited().saturating_sub(before + 1);
        let held = match attack.audit {
            Lines::Exactly(count) => lines == count,
            Lines::AtLeast(count) => lines >= count,
            Lines::Any => true,
        };
        if held || !self.rules.audit {
            Ok(())
        } else {
            Err(format!("{lines} audit lines instead of {least}"))
        }
    }

    fn barrier(&self, target: &Target) {
        let Some(to) = target.listener(Listener::Http) else { return };
        // No text of an entry may stand in it, since origins are searched for those.
        let path = format!("/barrier-{}", self.barriers.fetch_add(1, Ordering::Relaxed));
        if let Ok(mut client) = Client::connect(to, self.rules.patience) {
            let host = format!("allowed.test:{}", self.origins.plain);
            client
                .send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes());
            let _ = client.read();
        }
        target.await_path(&path, self.rules.patience);
    }
}

/// The names of the runs: origins by their order, and some that lead astray.
fn table() -> Table {
    let mut table = Table::default();
    for (index, name) in ORIGINS.iter().enumerate() {
        table.set(name, &[origin::address(index)]);
    }
    let at = |name: &str| origin::address(ORIGINS.iter().position(|&origin| origin == name).unwrap_or(0));
    let ip = |text: &str| text.parse::<IpAddr>().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    // Somewhere else than this machine, and an address that no TCP packet leaves for.
    for name in ["far.test", "far-inject.test"] {
        table.set(name, &[ip("224.0.0.1")]);
    }
    table.set("any.wild.test", &[at("allowed.test")]);
    table.set("wild.test", &[at("allowed.test")]);
    for (name, address) in [
        ("loop.test", "127.0.0.1"),
        ("loop6.test", "::1"),
        ("mapped.test", "::ffff:127.0.0.1"),
        ("zero.test", "0.0.0.0"),
        ("zero6.test", "::"),
        ("metadata.test", "169.254.169.254"),
        ("metadata6.test", "fd00:ec2::254"),
        ("nat64.test", "64:ff9b::7f00:1"),
        ("sixtofour.test", "2002:7f00:1::"),
    ] {
        table.set(name, &[ip(address)]);
    }
    table.alternate("rebind.test", &[&[at("allowed.test")], &[at(super::judge::DENIED)]]);
    table.set("both.test", &[at(super::judge::DENIED), at("allowed.test")]);
    table
}

fn list(statuses: &[u16]) -> String {
    statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
