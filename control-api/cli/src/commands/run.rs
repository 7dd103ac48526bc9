//! `centaur run`: any program behind a proxy of its own.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use centaur_base::Secret;
use iron_proxy::config::Config;
use iron_proxy::managed::settings::Settings as ManagedSettings;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags};

use super::EXIT_OURS;
use crate::args::RunArgs;
use crate::audit::AuditLines;
use crate::binding::Source;
use crate::engine::{self, Engine, EngineError, Fetched};
use crate::environment::Environment;
use crate::generate::{self, Binding, Paths};
use crate::principal::Registration;
use crate::printer;
use crate::sandbox::{Ended, Isolation, IsolationError, Listeners, Masks, Plan, TUNNEL_PORT};
use crate::session::Session;
use crate::settings::{Policy, RunSettings, caller_variable};
use crate::supervise::{Signals, end_like};
use crate::trust::Trust;

/// Runs the command and returns its exit code, which is the program's own if it ran.
pub fn run(args: RunArgs) -> u8 {
    let print_config = args.print_config;
    let settings = match RunSettings::resolve(args, &caller_variable) {
        Ok(settings) => settings,
        Err(problems) => {
            problems.iter().for_each(printer::error);
            return EXIT_OURS;
        }
    };
    if print_config {
        printer::out_raw(&shown_config(&settings));
        return 0;
    }
    match run_program(&settings) {
        Ok(ended) => end_like(ended),
        Err(error) => {
            error.print();
            error.exit()
        }
    }
}

/// Why the program did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A step of the isolation.
    #[error("{0}")]
    Isolation(#[from] IsolationError),
    /// The proxy did not start.
    #[error("{0}")]
    Proxy(#[from] EngineError),
    /// The file of `--audit`.
    #[error("--audit {0}: {1}")]
    Audit(String, #[source] io::Error),
    /// The principal's policy.
    #[error("--principal {0}: {1}")]
    Principal(String, String),
    /// A file or directory of ours.
    #[error("cannot {0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// Cooperative mode: the program itself.
    #[error("cannot run {0}: {1}")]
    Program(String, #[source] io::Error),
}

impl RunError {
    /// Exit code: 125 for what is ours, 126 and 127 for the program (env(1)).
    pub fn exit(&self) -> u8 {
        match self {
            Self::Isolation(error) => error.exit,
            Self::Program(_, error) if error.kind() == io::ErrorKind::NotFound => 127,
            Self::Program(..) => 126,
            Self::Proxy(_) | Self::Audit(..) | Self::Principal(..) | Self::Io(..) => EXIT_OURS,
        }
    }

    /// Says what failed and what may help.
    pub fn print(&self) {
        printer::error(self);
        if let Self::Isolation(error) = self {
            error.hint.iter().for_each(printer::hint);
            if error.exit == EXIT_OURS {
                printer::hint(
                    "--cooperative runs the program without isolation: it can then ignore the proxy",
                );
            }
        }
    }
}

/// Starts proxy and program, and waits for the program.
///
/// # Errors
/// See [`RunError`]; the program did not run then.
pub fn run_program(settings: &RunSettings) -> Result<Ended, RunError> {
    // From here on no other process of this user can read our memory, environment or files.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let session = Session::open().map_err(|e| RunError::Io("make a private directory", e))?;
    let config = load_config(settings, &session)?;
    let audit = AuditLines::open(&settings.audit, settings.explain)
        .map_err(|e| RunError::Audit(settings.audit.to_string(), e))?;
    let registration = register(settings)?;
    let held = Held::of(settings, &config, registration.as_ref())?;
    let env = program_environment(settings, &session, &config, &held)?;
    let managed = managed(settings, registration.as_ref())?;
    let run = Run { settings, session: &session, config, held, audit, managed };
    if settings.enforced { run.enforced(env) } else { run.cooperative(env) }
}

/// What both ways of running need.
struct Run<'a> {
    settings: &'a RunSettings,
    session: &'a Session,
    config: Config,
    held: Held,
    audit: AuditLines,
    managed: Option<ManagedSettings>,
}

impl Run<'_> {
    fn enforced(self, mut env: Environment) -> Result<Ended, RunError> {
        let mut masks = Masks::gather(env.iter(), self.held.files.iter().cloned());
        self.settings.hidden.iter().for_each(|directory| masks.hide(directory));
        env.route(&self.session.proxy_url("127.0.0.1", TUNNEL_PORT));
        env.route_java("127.0.0.1", TUNNEL_PORT);
        let env = env.into_vec();
        let scratch = self.session.scratch();
        let Self { settings, config, audit, held, managed, .. } = self;
        let (program, args) = (&settings.program, &settings.args);
        let plan = Plan { program, args, env: &env, scratch: &scratch, masks: &masks };
        let mut isolation = Isolation::prepare(&plan)?;
        let engine = Engine::start(
            config,
            &held.fetched,
            isolation.take_listeners(),
            audit,
            settings.extra_roots.clone(),
            managed,
        )?;
        let signals = Signals::catch().map_err(|e| RunError::Io("catch signals", e))?;
        let forwarding = signals.forward_to(isolation.start()?);
        let ended = isolation.wait();
        forwarding.close();
        engine.stop();
        Ok(ended?)
    }

    fn cooperative(self, mut env: Environment) -> Result<Ended, RunError> {
        let failed = |e| RunError::Io("open the listener", e);
        let tunnel = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let port = tunnel.local_addr().map_err(failed)?.port();
        let listeners = Listeners { tunnel: vec![tunnel], ..Listeners::default() };
        let Self { settings, session, config, audit, held, managed } = self;
        let roots = settings.extra_roots.clone();
        let engine = Engine::start(config, &held.fetched, listeners, audit, roots, managed)?;
        warn_of_exceptions(settings, &env);
        env.route(&session.proxy_url("127.0.0.1", port));
        env.route_java("127.0.0.1", port);
        let signals = Signals::catch().map_err(|e| RunError::Io("catch signals", e))?;
        let mut child = Command::new(&settings.program)
            .args(&settings.args)
            .env_clear()
            .envs(env.into_vec())
            .spawn()
            .map_err(|e| RunError::Program(settings.program.to_string_lossy().into_owned(), e))?;
        let pidfd = pidfd(&child).map_err(|e| RunError::Io("watch the program", e))?;
        let forwarding = signals.forward_to(pidfd);
        let status = child.wait().map_err(|e| RunError::Io("wait for the program", e))?;
        forwarding.close();
        engine.stop();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(Ended::Signal);
        Ok(signal.unwrap_or_else(|| Ended::Code(status.code().unwrap_or(i32::from(EXIT_OURS)))))
    }
}

fn pidfd(child: &Child) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?)
}

/// What must not be inside, and what stands in its place.
#[derive(Default)]
struct Held {
    /// Variable and placeholder.
    placeholders: Vec<(String, String)>,
    /// Values that no variable may hold.
    values: Vec<Secret<String>>,
    /// Files that hold values.
    files: Vec<PathBuf>,
    /// What programs gave already.
    fetched: Vec<Fetched>,
}

impl Held {
    fn of(
        settings: &RunSettings,
        config: &Config,
        registration: Option<&Registration>,
    ) -> Result<Self, RunError> {
        let mut held = Self::default();
        match &settings.policy {
            Policy::Flags { secrets, .. } => {
                for secret in secrets {
                    held.placeholders.push((secret.flag.name.clone(), secret.placeholder.clone()));
                    if let Some(value) = &secret.value {
                        let copy = || Secret::new(value.expose().clone());
                        held.values.push(copy());
                        held.fetched
                            .push(Fetched { argv: generate::argv(&secret.flag.source), value: copy() });
                    }
                    if let Source::File(path) = &secret.flag.source {
                        held.files.push(path.clone());
                    }
                }
            }
            Policy::File { .. } => {
                for entry in engine::held(config) {
                    if let Some(variable) = entry.variable {
                        held.values.extend(std::env::var(&variable).ok().map(Secret::new));
                        held.placeholders.push((variable, entry.placeholder.unwrap_or_default()));
                    }
                    if let Some(path) = entry.file {
                        held.values.extend(fs::read_to_string(&path).ok().map(Secret::new));
                        held.files.push(path);
                    }
                }
                held.files.extend(config.tls.ca_key.clone());
            }
            Policy::Principal(delegated) => {
                let Some(registration) = registration else { return Ok(held) };
                let named = registration.variables(&delegated.named);
                held.placeholders = named.map_err(|e| RunError::Principal(delegated.principal.clone(), e))?;
                let copy = |value: &Secret<String>| Secret::new(value.expose().clone());
                held.values.extend(delegated.access.values().chain([registration.token()]).map(copy));
                // What the caller has under the same names is most likely what they stand for.
                let env = |name: &str| std::env::var(name).ok();
                let callers = held.placeholders.iter().filter_map(|(name, _)| env(name)).map(Secret::new);
                let own = held.placeholders.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
                let callers = callers.chain(registration.values(&env));
                let callers =
                    callers.filter(|value| !value.expose().is_empty() && !own.contains(value.expose()));
                held.values.extend(callers);
                held.files.extend(registration.files().iter().cloned());
                held.files.extend(delegated.access.file().map(Path::to_owned));
                held.files.extend(config.tls.ca_key.clone());
            }
        }
        Ok(held)
    }
}

/// Registers a proxy for the principal, if the policy is one's.
fn register(settings: &RunSettings) -> Result<Option<Registration>, RunError> {
    let Policy::Principal(delegated) = &settings.policy else { return Ok(None) };
    let program = settings.program.to_string_lossy();
    let opened = Registration::open(&delegated.access, &delegated.principal, &program);
    opened.map(Some).map_err(|e| RunError::Principal(delegated.principal.clone(), e))
}

fn managed(
    settings: &RunSettings,
    registration: Option<&Registration>,
) -> Result<Option<ManagedSettings>, RunError> {
    let (Policy::Principal(delegated), Some(registration)) = (&settings.policy, registration) else {
        return Ok(None);
    };
    let made = registration.settings(&delegated.allows);
    made.map(Some).map_err(|e| RunError::Principal(delegated.principal.clone(), e))
}

fn load_config(settings: &RunSettings, session: &Session) -> Result<Config, RunError> {
    let (cert, key, token) = (session.ca_cert(), session.ca_key(), session.token_file());
    let paths = Paths { ca_cert: &cert, ca_key: &key, token: &token, enforced: settings.enforced };
    Ok(engine::load(&config_text(settings, &paths), session, settings.enforced)?)
}

fn config_text(settings: &RunSettings, paths: &Paths<'_>) -> String {
    match &settings.policy {
        Policy::File { text } => text.clone(),
        Policy::Principal(delegated) => delegated.local.clone().unwrap_or_else(|| generate::local(paths)),
        Policy::Flags { secrets, allows } => {
            let bindings: Vec<Binding<'_>> = secrets
                .iter()
                .map(|secret| Binding { flag: &secret.flag, placeholder: &secret.placeholder })
                .collect();
            generate::yaml(&bindings, allows, paths)
        }
    }
}

/// The configuration with names in place of the files in memory, so that it can be run on its own.
fn shown_config(settings: &RunSettings) -> String {
    let paths =
        Paths { ca_cert: "ca.crt", ca_key: "ca.key", token: "client-token", enforced: settings.enforced };
    config_text(settings, &paths)
}

fn program_environment(
    settings: &RunSettings,
    session: &Session,
    config: &Config,
    held: &Held,
) -> Result<Environment, RunError> {
    let mut env = Environment::new(std::env::vars_os());
    let bundles = env.bundles();
    for name in env.strip(&held.values) {
        let expected = held.placeholders.iter().any(|(variable, _)| name == variable.as_str());
        if settings.explain && !expected {
            printer::note(format_args!("{} held a real value and was removed", name.to_string_lossy()));
        }
    }
    for (variable, placeholder) in &held.placeholders {
        if !placeholder.is_empty() {
            env.set(variable.as_str(), placeholder.as_str());
        }
    }
    let own_ca = config.tls.ca_cert.as_ref().map_or_else(
        || Ok(session.ca_pem().to_owned()),
        |path| fs::read_to_string(path).map_err(|e| RunError::Io("read tls.ca_cert", e)),
    )?;
    let trust = Trust::write(session.directory(), &own_ca, &bundles)
        .map_err(|e| RunError::Io("write the trust bundle", e))?;
    env.trust(&trust);
    Ok(env)
}

/// Without isolation an exception leads past the proxy, where the placeholder is sent as it is.
fn warn_of_exceptions(settings: &RunSettings, env: &Environment) {
    let Policy::Flags { secrets, .. } = &settings.policy else { return };
    for entry in env.exceptions() {
        let suffix = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        for target in secrets.iter().flat_map(|secret| &secret.flag.targets) {
            let host = target.host.trim_start_matches("*.");
            if entry == "*" || host == suffix || host.ends_with(&format!(".{suffix}")) {
                printer::note(format_args!(
                    "NO_PROXY has {entry}: calls to {host} go past the proxy and fail"
                ));
            }
        }
    }
}
