//! One step of a plan.

use serde_json::{Map, Value};

use super::call::Call;

/// What a step does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is not there yet.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// A role is given to a principal.
    Assign,
    /// A role is taken from a principal.
    Unassign,
    /// A secret is given to somebody.
    Grant,
    /// A grant is withdrawn.
    Revoke,
    /// It is as it should be.
    Unchanged,
}

impl Action {
    /// As the JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Unchanged => "unchanged",
        }
    }

    /// What is said of it when it was done.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "updated",
            Self::Delete => "deleted",
            Self::Assign => "assigned",
            Self::Unassign => "unassigned",
            Self::Grant => "granted",
            Self::Revoke => "revoked",
            Self::Unchanged => "unchanged",
        }
    }

    /// It takes something away.
    pub const fn is_removal(self) -> bool {
        matches!(self, Self::Delete | Self::Unassign | Self::Revoke)
    }
}

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `principal`, `role`, `secret`, `broker_credential`, `grant`.
    pub kind: &'static str,
    /// Its id; `None` for what is not there yet.
    pub id: Option<String>,
    /// Its foreign id; of a grant, that of the secret.
    pub foreign_id: Option<String>,
}

impl Target {
    /// What it is called.
    pub fn called(&self) -> String {
        self.foreign_id.clone().or_else(|| self.id.clone()).unwrap_or_default()
    }
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// Why, for people: `asked for with --role`.
    pub reason: String,
    /// The call that does it; `None` when nothing has to be done.
    pub call: Option<Call>,
    /// Of an update, the members that change, as they are.
    pub before: Map<String, Value>,
    /// The same as they will be.
    pub after: Map<String, Value>,
    /// Further members of the change in the JSON output: to whom, what.
    pub extra: Map<String, Value>,
    /// To or from whom, for people: `to role support`. For plans that are about several.
    pub whom: Option<String>,
    /// The tool that it belongs to; its steps are one line for people.
    pub tool: Option<String>,
    /// A read that later steps need; not shown.
    pub is_silent: bool,
    /// What was to be taken away is not there.
    pub is_absent: bool,
}

impl Step {
    /// A step with a call.
    pub fn new(action: Action, target: Target, reason: impl Into<String>, call: Call) -> Self {
        Self { call: Some(call), ..Self::in_place(target, reason).becoming(action) }
    }

    /// Something that is as it should be.
    pub fn in_place(target: Target, reason: impl Into<String>) -> Self {
        Self {
            action: Action::Unchanged,
            target,
            reason: reason.into(),
            call: None,
            before: Map::new(),
            after: Map::new(),
            extra: Map::new(),
            whom: None,
            tool: None,
            is_silent: false,
            is_absent: false,
        }
    }

    /// Something that was to be taken away and is not there.
    pub fn absent(target: Target, reason: impl Into<String>) -> Self {
        Self { is_absent: true, ..Self::in_place(target, reason) }
    }

    /// A read that later steps need.
    pub fn read(reason: impl Into<String>, call: Call) -> Self {
        let target = Target { kind: "", id: None, foreign_id: None };
        Self { is_silent: true, call: Some(call), ..Self::in_place(target, reason) }
    }

    /// With a further member in the JSON output.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    /// With a member that an update changes.
    #[must_use]
    pub fn changing(mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        self.before.insert(key.to_owned(), before.into());
        self.after.insert(key.to_owned(), after.into());
        self
    }

    /// Says to or from whom.
    #[must_use]
    pub fn whom(self, whom: impl Into<String>) -> Self {
        Self { whom: Some(whom.into()), ..self }
    }

    /// As part of a tool.
    #[must_use]
    pub fn of_tool(self, tool: impl Into<String>) -> Self {
        Self { tool: Some(tool.into()), ..self }
    }

    /// Whether it changes something.
    pub fn is_pending(&self) -> bool {
        self.call.is_some() && !self.is_silent
    }

    fn becoming(self, action: Action) -> Self {
        Self { action, ..self }
    }
}
