//! Why a command fails: text, stable code, exit code, and what may help.

mod remote;

use centaur_client::api::{ApiError, Cause};
use centaur_manifest::problem::Problem;
use serde_json::{Map, Value, json};

use crate::exit::ExitStatus;

/// Why a command fails. Texts begin with a lower-case word or a name, and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is not one.
    #[error("{0}")]
    Usage(String),
    /// A required setting is missing.
    #[error("{option} is not set; use the option or {env}")]
    MissingOption {
        /// `--iron-control-url`
        option: &'static str,
        /// `IRON_CONTROL_URL`
        env: &'static str,
    },
    /// A setting does not read.
    #[error("{name}: {problem}")]
    BadOption {
        /// The option or variable.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file of profiles cannot be used.
    #[error("{path}: {problem}")]
    BadProfile {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No selector.
    #[error("no change requested; add {0}")]
    NothingToDo(&'static str),
    /// An option of another verb.
    #[error("{0}")]
    WrongVerb(&'static str),
    /// A pair without `=` or without a key.
    #[error("{option} wants KEY=VALUE, not {text}")]
    BadPair {
        /// The option.
        option: &'static str,
        /// What was given.
        text: String,
    },
    /// An option that reads a file could not.
    #[error("{option}: {problem}")]
    BadInput {
        /// The option.
        option: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A file of roles and principals that cannot be used.
    #[error("{path} has {}", crate::printer::count(problems.len(), "problem"))]
    BadFile {
        /// The file.
        path: String,
        /// What is wrong with it, each with the key.
        problems: Vec<String>,
    },
    /// A tool is wanted, and no directory with tools is named.
    #[error("no tool directory given; use --tools-dir or TOOL_DIRS")]
    NoToolDirs,
    /// No tool goes by this name.
    #[error("no tool named {name}; searched {}{}", roots.join(", "), similar_text(.similar))]
    ToolNotFound {
        /// The name.
        name: String,
        /// The directories that were searched.
        roots: Vec<String>,
        /// Names that are spelled much like it.
        similar: Vec<String>,
    },
    /// It is one, and no tool.
    #[error("{name} is a persona ({dir}) and has no credentials to grant")]
    ToolIsPersona {
        /// Its name.
        name: String,
        /// Its directory.
        dir: String,
    },
    /// A manifest has problems.
    #[error("{file} has {}", crate::printer::count(problems.len(), "problem"))]
    ManifestInvalid {
        /// The manifest.
        file: String,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// A tool declares no secret of this name.
    #[error("{tool} declares no secret {name}; it declares {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })]
    SecretNameUnknown {
        /// The tool.
        tool: String,
        /// The name.
        name: String,
        /// Those that it declares.
        names: Vec<String>,
    },
    /// A policy of 1Password without a vault.
    #[error("policy {policy} needs a vault; use --op-vault or OP_VAULT")]
    VaultMissing {
        /// The policy.
        policy: &'static str,
    },
    /// A reference has no source under the policy.
    #[error("{0}")]
    NoSource(String),
    /// Two tools come to one role.
    #[error("{other} and {tool} would share role {role}")]
    SlugCollision {
        /// The second one.
        tool: String,
        /// The first one.
        other: String,
        /// The role.
        role: String,
    },
    /// An id that another tool has registered.
    #[error("{id} belongs to tool {other}; add --adopt to take it over")]
    ForeignIdTaken {
        /// The foreign id.
        id: String,
        /// The other tool.
        other: String,
    },
    /// Two options that do not go together, or one that a plan cannot serve.
    #[error("{0}")]
    BadCombination(String),
    /// What was named is not there.
    #[error("{kind} {id} does not exist in namespace {namespace}")]
    NotFound {
        /// `principal`, `role`, `secret`, `broker credential`, `grant`.
        kind: &'static str,
        /// As it was named.
        id: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// No principal goes by this friendly name.
    #[error("{name} matches no principal")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// Several principals do.
    #[error("{name} matches {} principals: {}", ids.len(), ids.join(", "))]
    NameAmbiguous {
        /// The name.
        name: String,
        /// Theirs.
        ids: Vec<String>,
    },
    /// A foreign id that secrets of several types have.
    #[error("{id} names several secrets: {}", found.join(", "))]
    SecretAmbiguous {
        /// The foreign id.
        id: String,
        /// `TYPE/ID` of each.
        found: Vec<String>,
    },
    /// An id of another kind of object.
    #[error("{id} is not a secret id; expected ssr_, ots_, gas_, gid_, pgs_, hms_ or aas_")]
    NotASecretOid {
        /// The id.
        id: String,
    },
    /// An id of another kind of object, where no secret is wanted.
    #[error("{id} is not {wanted}")]
    WrongKind {
        /// The id.
        id: String,
        /// `the id of a principal; expected prn_`
        wanted: &'static str,
    },
    /// A principal that no session would ever use.
    #[error("{id} is not a known principal form; add --create to make it anyway")]
    NotCanonical {
        /// The foreign id.
        id: String,
    },
    /// Something is there already.
    #[error("{kind} {id} exists already; add --update to change it")]
    Exists {
        /// `principal`, `role`.
        kind: &'static str,
        /// Its foreign id.
        id: String,
    },
    /// A role that every session relies on.
    #[error("role {id} is one that sessions rely on; add --force to delete it")]
    Protected {
        /// Its foreign id.
        id: String,
    },
    /// A grant of somebody else.
    #[error("{grant} belongs to {grantee}, not to {principal}")]
    GrantElsewhere {
        /// The grant.
        grant: String,
        /// Whose it is.
        grantee: String,
        /// Whose it was said to be.
        principal: String,
    },
    /// A plan that removes things, without consent.
    #[error("this removes {0} item(s); add --yes")]
    NeedsYes(usize),
    /// The question was answered with no.
    #[error("nothing was changed")]
    Declined,
    /// Somebody else wrote it meanwhile.
    #[error("{kind} {id} changed since it was read; run again or add --force")]
    ConcurrentChange {
        /// `principal`, `role`, `secret`, …
        kind: &'static str,
        /// Its name.
        id: String,
    },
    /// A plan that did not come to its end.
    #[error("{done} of {all} steps done; run the same command again to finish")]
    Partial {
        /// Steps that took effect.
        done: usize,
        /// Steps that were to.
        all: usize,
        /// What stopped it.
        cause: Box<Self>,
    },
    /// Ctrl-C.
    #[error("interrupted; {done} of {all} steps done; run the same command again to finish")]
    Interrupted {
        /// Steps that took effect.
        done: usize,
        /// Steps that were to.
        all: usize,
    },
    /// A broker credential died while it was waited for.
    #[error("broker credential {id} is dead: {reason}")]
    Dead {
        /// Its name.
        id: String,
        /// Why.
        reason: String,
    },
    /// What the console is too old for.
    #[error("this control plane does not offer {0}")]
    Unsupported(&'static str),
    /// Checks of `doctor` or `audit check` failed.
    #[error("{0} check(s) failed")]
    ChecksFailed(usize),
    /// The console refused, could not be reached or was not understood.
    #[error("{}", remote::text(.error, .base))]
    Remote {
        /// The call.
        error: ApiError,
        /// The console's address.
        base: String,
    },
    /// The operating system gives no event loop.
    #[error("cannot start an event loop")]
    Runtime,
}

impl Failure {
    /// Stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::BadCombination(_) => "usage",
            Self::MissingOption { .. } => "missing_option",
            Self::BadOption { .. } => "bad_option",
            Self::BadProfile { .. } => "bad_profile",
            Self::NothingToDo(_) => "nothing_to_do",
            Self::WrongVerb(_) => "wrong_verb",
            Self::BadPair { .. } => "bad_pair",
            Self::BadInput { .. } => "bad_input",
            Self::BadFile { .. } => "bad_file",
            Self::NoToolDirs => "no_tool_dirs",
            Self::ToolNotFound { .. } => "tool_not_found",
            Self::ToolIsPersona { .. } => "tool_is_persona",
            Self::ManifestInvalid { .. } => "manifest_invalid",
            Self::SecretNameUnknown { .. } => "secret_name_unknown",
            Self::VaultMissing { .. } => "vault_missing",
            Self::NoSource(_) => "source_invalid",
            Self::SlugCollision { .. } => "slug_collision",
            Self::ForeignIdTaken { .. } => "foreign_id_taken",
            Self::NotFound { kind: "principal", .. } | Self::NoSuchName { .. } => "principal_not_found",
            Self::NotFound { kind: "role", .. } => "role_not_found",
            Self::NotFound { kind: "secret", .. } => "secret_not_found",
            Self::NotFound { kind: "grant", .. } => "grant_not_found",
            Self::NotFound { .. } => "credential_not_found",
            Self::NameAmbiguous { .. } => "name_ambiguous",
            Self::SecretAmbiguous { .. } => "secret_ambiguous",
            Self::NotASecretOid { .. } => "not_a_secret_oid",
            Self::WrongKind { .. } => "wrong_kind",
            Self::NotCanonical { .. } => "not_canonical",
            Self::Exists { .. } => "exists",
            Self::Protected { .. } => "protected",
            Self::GrantElsewhere { .. } => "grant_not_on_principal",
            Self::NeedsYes(_) => "needs_yes",
            Self::Declined => "declined",
            Self::ConcurrentChange { .. } => "concurrent_change",
            Self::Partial { .. } => "partial",
            Self::Interrupted { .. } => "interrupted",
            Self::Dead { .. } => "broker_dead",
            Self::Unsupported(_) => "unsupported",
            Self::ChecksFailed(_) => "checks_failed",
            Self::Remote { error, .. } => remote::code(error),
            Self::Runtime => "runtime",
        }
    }

    /// How the program ends.
    pub fn exit(&self) -> ExitStatus {
        match self {
            Self::Usage(_)
            | Self::MissingOption { .. }
            | Self::BadOption { .. }
            | Self::BadProfile { .. }
            | Self::NothingToDo(_)
            | Self::WrongVerb(_)
            | Self::BadPair { .. }
            | Self::BadInput { .. }
            | Self::BadFile { .. }
            | Self::NoToolDirs
            | Self::ToolIsPersona { .. }
            | Self::SecretNameUnknown { .. }
            | Self::VaultMissing { .. }
            | Self::NoSource(_)
            | Self::BadCombination(_)
            | Self::NameAmbiguous { .. }
            | Self::SecretAmbiguous { .. }
            | Self::NotASecretOid { .. }
            | Self::WrongKind { .. }
            | Self::NotCanonical { .. }
            | Self::Exists { .. }
            | Self::Protected { .. }
            | Self::NeedsYes(_)
            | Self::Declined => ExitStatus::Usage,
            Self::NotFound { .. } | Self::NoSuchName { .. } | Self::ToolNotFound { .. } => {
                ExitStatus::NotFound
            }
            Self::ManifestInvalid { .. } => ExitStatus::ManifestInvalid,
            Self::GrantElsewhere { .. }
            | Self::ConcurrentChange { .. }
            | Self::SlugCollision { .. }
            | Self::ForeignIdTaken { .. } => ExitStatus::Rejected,
            Self::Partial { .. } => ExitStatus::Partial,
            Self::Interrupted { .. } => ExitStatus::Interrupted,
            Self::Dead { .. } | Self::Unsupported(_) | Self::ChecksFailed(_) | Self::Runtime => {
                ExitStatus::Failure
            }
            Self::Remote { error, .. } => remote::exit(error),
        }
    }

    /// What may help, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingOption { .. } => Some("`centaur-perms doctor` checks the whole setup".to_owned()),
            Self::SecretAmbiguous { .. } => Some("name one as TYPE/FOREIGN_ID".to_owned()),
            Self::NameAmbiguous { .. } => Some("name one by its foreign id".to_owned()),
            Self::NotCanonical { .. } => Some(
                "sessions act as slack-user-<id>, slack-channel-<id> and the like; `principals resolve` derives one"
                    .to_owned(),
            ),
            Self::NotFound { kind: "principal", .. } => {
                Some("`principals list` shows those there are; `principals create` makes one".to_owned())
            }
            Self::NotFound { kind: "role", .. } => {
                Some("`roles list` shows those there are; `roles create` makes one".to_owned())
            }
            Self::NotFound { kind: "secret", .. } => Some("`secrets list` shows those there are".to_owned()),
            Self::ToolNotFound { .. } => Some("`tools list` shows those there are".to_owned()),
            Self::ManifestInvalid { .. } => Some("`tools validate` checks all of them".to_owned()),
            Self::Partial { cause, .. } => Some(format!("stopped by: {cause}")),
            Self::Remote { error, .. } => remote::hint(error),
            _ => None,
        }
    }

    /// Lines under the text, one per problem.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::BadFile { problems, .. } => return problems.clone(),
            Self::ManifestInvalid { problems, .. } => {
                return problems.iter().map(ToString::to_string).collect();
            }
            _ => {}
        }
        let Self::Remote { error, .. } = self else { return Vec::new() };
        let Cause::Answered { status, message, details, .. } = &*error.cause else { return Vec::new() };
        if !matches!(status, 400 | 409 | 422) {
            return Vec::new();
        }
        if details.is_empty() {
            return vec![message.clone()];
        }
        details.iter().map(|(name, messages)| format!("{name}: {}", messages.join("; "))).collect()
    }

    /// The `error` of the JSON output.
    pub fn json(&self) -> Value {
        let mut out = Map::new();
        out.insert("code".to_owned(), self.code().into());
        out.insert("message".to_owned(), self.to_string().into());
        out.insert("hint".to_owned(), json!(self.hint()));
        let error = match self {
            Self::Remote { error, .. } => Some(error),
            Self::Partial { cause, .. } => match &**cause {
                Self::Remote { error, .. } => Some(error),
                _ => None,
            },
            _ => None,
        };
        let problems: Option<Value> = match self {
            Self::BadFile { problems, .. } => Some(json!(problems)),
            Self::ManifestInvalid { problems, .. } => {
                Some(problems.iter().map(crate::tools::problem).collect())
            }
            _ => None,
        };
        out.extend(problems.map(|problems| ("problems".to_owned(), problems)));
        if let Self::Partial { cause, .. } = self {
            out.insert("cause".to_owned(), cause.code().into());
        }
        if let Some(error) = error {
            out.insert("method".to_owned(), error.method.into());
            out.insert("path".to_owned(), json!(error.path));
            out.insert("status".to_owned(), json!(error.status()));
            let details =
                if let Cause::Answered { details, .. } = &*error.cause { json!(details) } else { json!({}) };
            out.insert("details".to_owned(), details);
        }
        Value::Object(out)
    }
}

/// `; similar: a, b`
fn similar_text(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; similar: {}", names.join(", ")) }
}
