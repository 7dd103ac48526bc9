//! What the options, the environment and the profile come to.

mod profile;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use centaur_base::Secret;
use centaur_client::base::BaseUrl;
use centaur_client::token::TokenSource;
use centaur_manifest::roots;
pub use centaur_manifest::source::{SourcePolicy, Sources};

use self::profile::Profile;
use crate::args::Globals;
use crate::failure::Failure;
use crate::span;

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What every command goes by.
#[derive(Debug)]
pub struct Settings {
    /// The console, when one is named.
    pub url: Option<BaseUrl>,
    /// The API key, when one is given.
    pub key: Option<Arc<TokenSource>>,
    /// The namespace of what is named.
    pub namespace: String,
    /// Directories with tools, in the order in which later ones shadow earlier ones.
    pub tool_dirs: Vec<PathBuf>,
    /// How references become sources.
    pub sources: Sources,
    /// How results are printed.
    pub output: Output,
    /// Nothing is written.
    pub dry_run: bool,
    /// A dry run that finds differences ends with 8.
    pub exit_code: bool,
    /// Removals are not asked about.
    pub yes: bool,
    /// What changed meanwhile is written over.
    pub force: bool,
    /// No notices and warnings.
    pub quiet: bool,
    /// Each request is shown.
    pub verbose: bool,
    /// Per attempt.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Foreign ids of the roles that new principals get.
    pub default_roles: Vec<String>,
    /// Where writes are noted; `None` when that is off or there is no place for it.
    pub audit_file: Option<PathBuf>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For people, with more columns.
    Wide,
    /// For programs.
    Json,
}

impl Output {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "wide" => Some(Self::Wide),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Settings {
    /// Flags beat variables, which beat the profile. A variable that is empty counts as not set.
    ///
    /// # Errors
    /// [`Failure::BadOption`], [`Failure::BadProfile`]
    pub fn resolve(globals: &Globals, env: Env<'_>) -> Result<Self, Failure> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let profile = match globals.context.clone().or_else(|| env("CENTAUR_PERMS_CONTEXT")) {
            Some(name) => Profile::load(&name, &env)?,
            None => Profile::default(),
        };
        let text = |flag: &Option<String>, name: &str, stored: &Option<String>| {
            flag.clone().or_else(|| env(name)).or_else(|| stored.clone())
        };
        let bad = |name: &str, problem: &str| Failure::BadOption {
            name: name.to_owned(),
            problem: problem.to_owned(),
        };

        let url = text(&globals.iron_control_url, "IRON_CONTROL_URL", &profile.iron_control_url);
        let url = url.map(|url| BaseUrl::parse(&url)).transpose();
        let url = url.map_err(|error| bad("--iron-control-url", &error.to_string()))?;
        let output = text(&globals.output, "CENTAUR_PERMS_OUTPUT", &profile.output);
        let output = output.map(|name| {
            Output::named(&name)
                .ok_or_else(|| bad("--output", &format!("{name} is none of table, wide, json")))
        });
        let policy = text(&globals.source_policy, "FIREWALL_MANAGER_SECRET_SOURCE", &profile.source_policy)
            .map(|name| {
                SourcePolicy::named(&name).ok_or_else(|| {
                    bad(
                        "--source-policy",
                        &format!("{name} is none of env, onepassword, onepassword-connect"),
                    )
                })
            });
        let ttl = text(&globals.op_ttl, "FIREWALL_MANAGER_SECRET_TTL", &profile.op_ttl);
        let ttl = ttl.unwrap_or_else(|| Sources::DEFAULT_TTL.to_owned());
        if span::duration(&ttl).is_none() {
            return Err(bad("--op-ttl", &format!("{ttl} is no length of time; write 90s, 10m or 1h")));
        }
        let timeout = globals.timeout.or(profile.timeout).unwrap_or(30);
        if timeout == 0 {
            return Err(bad("--timeout", "has to be at least 1"));
        }
        let namespace = text(&globals.namespace, "IRON_CONTROL_NAMESPACE", &profile.namespace);
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        if namespace.is_empty() {
            return Err(bad("--namespace", "must not be empty"));
        }
        let roles = text(&globals.default_roles, "CENTAUR_DEFAULT_ROLES", &profile.default_roles);
        let roles = roles.unwrap_or_else(|| "infra".to_owned());
        Ok(Self {
            url,
            key: key(globals, &env, &profile).map(Arc::new),
            namespace,
            tool_dirs: tool_dirs(globals, &env, &profile),
            sources: Sources {
                policy: policy.transpose()?.unwrap_or_default(),
                is_explicit: globals.source_policy.is_some(),
                vault: text(&globals.op_vault, "OP_VAULT", &profile.op_vault),
                ttl,
            },
            output: output.transpose()?.unwrap_or_default(),
            dry_run: globals.dry_run,
            exit_code: globals.exit_code,
            yes: globals.yes,
            force: globals.force,
            quiet: globals.quiet,
            verbose: globals.verbose,
            timeout: Duration::from_secs(timeout.into()),
            retries: globals.retries.or(profile.retries).unwrap_or(3),
            default_roles: roles
                .split(',')
                .map(str::trim)
                .filter(|role| !role.is_empty())
                .map(str::to_owned)
                .collect(),
            audit_file: audit_file(&env),
        })
    }
}

impl Settings {
    /// The same for shells: plain lines, without remarks, and without trying again.
    #[must_use]
    pub fn for_completion(self) -> Self {
        Self { output: Output::Table, quiet: true, retries: 0, audit_file: None, ..self }
    }
}

/// The option, the option's file, the variable, the variable's file, then the profile.
fn key(globals: &Globals, env: Env<'_>, profile: &Profile) -> Option<TokenSource> {
    let value = |text: String| TokenSource::Value(Secret::new(text));
    if let Some(key) = &globals.iron_control_api_key {
        return Some(value(key.expose().to_owned()));
    }
    if let Some(file) = &globals.iron_control_api_key_file {
        return Some(TokenSource::File(file.clone()));
    }
    if let Some(key) = env("IRON_CONTROL_API_KEY") {
        return Some(value(key));
    }
    if let Some(file) = env("IRON_CONTROL_API_KEY_FILE") {
        return Some(TokenSource::File(file.into()));
    }
    if let Some(key) = &profile.iron_control_api_key {
        return Some(value(key.0.expose().to_owned()));
    }
    profile.iron_control_api_key_file.clone().map(TokenSource::File)
}

/// Those of the variable come after those of the options; of two tools with one name the later counts.
fn tool_dirs(globals: &Globals, env: Env<'_>, profile: &Profile) -> Vec<PathBuf> {
    let listed: Vec<PathBuf> = match env("TOOL_DIRS") {
        Some(list) => roots::split(&list),
        None => Vec::new(),
    };
    let given = if globals.tools_dir.is_empty() { &profile.tools_dir } else { &globals.tools_dir };
    given.iter().cloned().chain(listed).collect()
}

/// `$XDG_STATE_HOME/centaur/perms-audit.jsonl`
fn audit_file(env: Env<'_>) -> Option<PathBuf> {
    if env("CENTAUR_PERMS_AUDIT").is_some_and(|word| word == "off") {
        return None;
    }
    let state = env("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(env("HOME")?).join(".local/state")));
    state.filter(|dir| dir.is_absolute()).map(|dir| dir.join("centaur/perms-audit.jsonl"))
}

#[cfg(test)]
mod tests;
