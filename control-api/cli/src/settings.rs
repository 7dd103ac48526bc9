//! What the arguments of `centaur run` mean on this machine: flags read, values fetched once, everything checked.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use centaur_base::Secret;
use rustls::pki_types::CertificateDer;

use crate::args::RunArgs;
use crate::binding::{SecretFlag, Source, Target, is_variable, parse_allow, parse_secret};
use crate::console::Access;
use crate::environment::Needle;
use crate::home;

/// Everything `centaur run` works with.
pub struct RunSettings {
    /// What the proxy is told.
    pub policy: Policy,
    /// Where audit lines go; nowhere by default.
    pub audit: Audit,
    /// Whether refusals are explained.
    pub explain: bool,
    /// Whether the program is isolated.
    pub enforced: bool,
    /// Directories that are empty inside: where `centaur up` keeps its keys.
    pub hidden: Vec<PathBuf>,
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Roots the proxy trusts beside the system's; only the doctor has some.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

/// Where the proxy's rules come from.
pub enum Policy {
    /// From flags.
    Flags {
        /// `--secret`
        secrets: Vec<BoundSecret>,
        /// `--allow`
        allows: Vec<Target>,
    },
    /// From `--config`.
    File {
        /// Its text.
        text: String,
    },
    /// From a console.
    Principal(Box<Delegated>),
}

/// A policy that a console keeps.
pub struct Delegated {
    /// `--principal`
    pub principal: String,
    /// The console.
    pub access: Access,
    /// `--allow`
    pub allows: Vec<Target>,
    /// `--placeholder`: variable and placeholder.
    pub named: Vec<(String, String)>,
    /// What the proxy is told beside its policy: the text of `--config`.
    pub local: Option<String>,
}

/// A `--secret` that is ready.
pub struct BoundSecret {
    /// The flag.
    pub flag: SecretFlag,
    /// What the program finds in its environment.
    pub placeholder: String,
    /// The value now, which the proxy begins with. Absent under `--print-config`, which needs none.
    pub value: Option<Secret<String>>,
}

/// Where audit lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audit {
    /// Nowhere.
    Off,
    /// Standard error.
    Stderr,
    /// The end of a file.
    File(PathBuf),
}

impl fmt::Display for Audit {
    /// As `--audit` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => Ok(()),
            Self::Stderr => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl RunSettings {
    /// Reads the arguments against an environment.
    ///
    /// # Errors
    /// Every problem at once, each naming its flag.
    pub fn resolve(args: RunArgs, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let fetch = !args.print_config;
        let mut secrets = secrets(&args, env, fetch, &mut problems);
        let allows = allows(&args.allow, &mut problems);
        let policy = if let Some(principal) = &args.principal {
            delegated(&args, principal, allows, env, &mut problems)
        } else {
            placeholders(&args.placeholder, &mut secrets, &mut problems);
            policy(&args, secrets, allows, &mut problems)
        };
        let hidden = [args.data_dir.as_deref(), None].map(|dir| home::locate(dir, env));
        let hidden = hidden.into_iter().flatten().collect();
        let audit = match args.audit {
            None => Audit::Off,
            Some(path) if path == Path::new("-") => Audit::Stderr,
            Some(path) => Audit::File(path),
        };
        if args.program.is_empty() && !args.print_config {
            problems.push("no program: write it behind --".to_owned());
        }
        let mut words = args.program.into_iter();
        let program = words.next().unwrap_or_default();
        let args_of_program: Vec<OsString> = words.collect();
        if let Some(Policy::Flags { secrets, .. }) = &policy {
            check_arguments(&args_of_program, secrets, &mut problems);
        }
        match policy {
            Some(policy) if problems.is_empty() => Ok(Self {
                policy,
                audit,
                explain: args.explain,
                enforced: !args.cooperative,
                hidden,
                program,
                args: args_of_program,
                extra_roots: Vec::new(),
            }),
            _ => Err(problems),
        }
    }
}

fn secrets(
    args: &RunArgs,
    env: &dyn Fn(&str) -> Option<OsString>,
    fetch: bool,
    problems: &mut Vec<String>,
) -> Vec<BoundSecret> {
    let mut secrets: Vec<BoundSecret> = Vec::new();
    for (index, text) in args.secret.iter().enumerate() {
        let flag = match parse_secret(text) {
            Ok(flag) => flag,
            Err(found) => {
                let label = label(index, text);
                problems.extend(found.into_iter().map(|problem| format!("{label}: {problem}")));
                continue;
            }
        };
        if let Some(other) = secrets.iter().find(|other| other.flag.name == flag.name)
            && other.flag.source != flag.source
        {
            problems.push(format!("--secret {}: given twice with different sources", flag.name));
        }
        // One source is read once, however many flags name it: a command may ask, or count.
        let known = secrets.iter().find(|other| other.flag.source == flag.source);
        let known = known.and_then(|other| other.value.as_ref());
        let read = || match known {
            Some(value) => Ok(Secret::new(value.expose().clone())),
            None => read_value(&flag.source, env),
        };
        let value = match fetch.then(read).transpose() {
            Ok(value) => value,
            Err(problem) => {
                problems.push(format!("--secret {}: {problem}", flag.name));
                None
            }
        };
        secrets.push(BoundSecret { placeholder: flag.name.clone(), flag, value });
    }
    secrets
}

/// How a flag that could not be read is named: by its variable if it has one. Never by its text, which may be a value.
fn label(index: usize, text: &str) -> String {
    let name = text.split(['=', '@']).next().unwrap_or_default();
    if is_variable(name) && text.contains('@') {
        format!("--secret {name}")
    } else {
        format!("--secret (number {})", index + 1)
    }
}

fn placeholders(flags: &[String], secrets: &mut [BoundSecret], problems: &mut Vec<String>) {
    for flag in flags {
        let Some((name, text)) = flag.split_once('=') else {
            problems.push(format!("--placeholder {flag:?}: write NAME=TEXT"));
            continue;
        };
        if text.len() < 4 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            problems.push(format!(
                "--placeholder {name}: the text must be at least 4 printable ASCII characters without spaces"
            ));
        }
        let mut known = false;
        for secret in secrets.iter_mut().filter(|secret| secret.flag.name == name) {
            known = true;
            text.clone_into(&mut secret.placeholder);
        }
        if !known {
            problems.push(format!("--placeholder {name}: there is no --secret of this name"));
        }
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for secret in secrets.iter() {
        let (name, text) = (secret.flag.name.as_str(), secret.placeholder.as_str());
        if let Some((other, _)) = seen.iter().find(|(other, seen)| *other != name && *seen == text) {
            problems.push(format!("--placeholder {name}: the same text as that of {other}"));
        }
        seen.push((name, text));
    }
}

fn allows(flags: &[String], problems: &mut Vec<String>) -> Vec<Target> {
    let read = |flag: &String| parse_allow(flag).map_err(|problem| format!("--allow {flag:?}: {problem}"));
    flags.iter().filter_map(|flag| read(flag).map_err(|problem| problems.push(problem)).ok()).collect()
}

fn policy(
    args: &RunArgs,
    secrets: Vec<BoundSecret>,
    allows: Vec<Target>,
    problems: &mut Vec<String>,
) -> Option<Policy> {
    let Some(path) = &args.config else {
        return Some(Policy::Flags { secrets, allows });
    };
    for (flag, given) in [
        ("--secret", !args.secret.is_empty()),
        ("--allow", !args.allow.is_empty()),
        ("--placeholder", !args.placeholder.is_empty()),
    ] {
        if given {
            problems.push(format!("--config and {flag} cannot be combined: write it into the file"));
        }
    }
    read_config(path, problems).map(|text| Policy::File { text })
}

fn read_config(path: &Path, problems: &mut Vec<String>) -> Option<String> {
    let read = fs::read_to_string(path);
    read.map_err(|error| problems.push(format!("--config {}: {error}", path.display()))).ok()
}

/// `--principal`, with what may stand beside it.
fn delegated(
    args: &RunArgs,
    principal: &str,
    allows: Vec<Target>,
    env: &dyn Fn(&str) -> Option<OsString>,
    problems: &mut Vec<String>,
) -> Option<Policy> {
    if !args.secret.is_empty() {
        problems.push("--principal and --secret cannot be combined: grant the credential to it".to_owned());
    }
    if args.print_config {
        problems.push("--print-config: with --principal the policy is at the console".to_owned());
    }
    if principal.trim().is_empty() {
        problems.push("--principal: must not be empty".to_owned());
    }
    let mut named = Vec::new();
    for flag in &args.placeholder {
        match flag.split_once('=').filter(|(name, _)| is_variable(name)) {
            Some((name, text)) => named.push((name.to_owned(), text.to_owned())),
            None => problems.push(format!("--placeholder {flag:?}: write NAME=TEXT")),
        }
    }
    let local = args.config.as_deref().and_then(|path| read_config(path, problems));
    if !problems.is_empty() {
        return None;
    }
    let access = Access::find(args.console.as_deref(), args.data_dir.as_deref(), env)
        .map_err(|problem| problems.push(format!("--principal {principal}: {problem}")))
        .ok()?;
    Some(Policy::Principal(Box::new(Delegated {
        principal: principal.to_owned(),
        access,
        allows,
        named,
        local,
    })))
}

/// A value on the program's command line would be inside, whatever the environment says.
fn check_arguments(args: &[OsString], secrets: &[BoundSecret], problems: &mut Vec<String>) {
    for secret in secrets {
        let Some(value) = &secret.value else { continue };
        let needle = Needle::new(value.expose());
        for (index, arg) in args.iter().enumerate().filter(|(_, arg)| needle.is_in(arg.as_bytes())) {
            let _ = arg;
            problems.push(format!(
                "argument {} of the program holds the value of {}: write {} there (in single quotes, or with the $ \
                 escaped, so that the shell does not put the value in)",
                index + 1,
                secret.flag.name,
                secret.placeholder
            ));
        }
    }
}

/// Fetches a value once: to fail early, and to know what must not be in the environment.
///
/// # Errors
/// What is wrong, without the value.
pub fn read_value(source: &Source, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Secret<String>, String> {
    let text = match source {
        Source::Env(var) => match env(var).map(OsString::into_string) {
            None => return Err(format!("{var} is not set in the environment")),
            Some(Err(_)) => return Err(format!("{var} is not UTF-8")),
            Some(Ok(text)) => text,
        },
        Source::File(path) => match fs::read_to_string(path) {
            Ok(text) => without_newline(text),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        },
        Source::Command(argv) => run(argv)?,
    };
    let secret = Secret::new(text);
    match secret.expose() {
        text if text.is_empty() => Err(format!("{source} is empty")),
        text if text.bytes().any(|b| b.is_ascii_control()) => {
            Err(format!("{source} holds a line break or another control character, which no header may hold"))
        }
        _ => Ok(secret),
    }
}

fn run(argv: &[String]) -> Result<String, String> {
    let [program, args @ ..] = argv else { return Err("the command is empty".to_owned()) };
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} failed with {}", output.status));
    }
    String::from_utf8(output.stdout).map(without_newline).map_err(|_| format!("{program} printed no UTF-8"))
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// The caller's variable of that name.
pub fn caller_variable(name: &str) -> Option<OsString> {
    std::env::var_os(OsStr::new(name))
}

#[cfg(test)]
mod tests;
