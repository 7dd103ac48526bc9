//! Registering tools: their roles, their secrets, and the grants between the two.
//!
//! Everything is read first ([`Registrar::register`] adds steps and writes nothing), and what is as it should be is not
//! written again. A secret whose broker credential is missing is left out and counted, so that the rest is not held up.

mod broker;
mod compare;

use std::collections::{HashMap, HashSet};

use centaur_base::oid::{RoleId, SecretKind};
use centaur_client::api::{Grant, Role, Secret};
use centaur_manifest::manifest::List;
use centaur_manifest::register::{Labels, RoleRecord, SecretRecord, TOOLS_ROLE};
use serde_json::{Map, Value, json};

use crate::args::RegisterArgs;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::plan::{Action, Call, Made, MadeSecret, Plan, Seen, Step, Target, Terms};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};
use crate::tools::Chosen;

/// A role that the secrets are granted to.
pub struct GrantedTo {
    /// The role.
    pub role: Made<RoleId>,
    /// What it is called.
    pub called: String,
    /// What it holds.
    pub granted: Vec<Grant>,
}

/// A tool with its steps planned.
pub struct Registered {
    /// Its own role.
    pub role: Made<RoleId>,
    /// The same, as steps name it.
    pub target: Target,
    /// Its secrets, without those that are left out: what they are called, and what they are.
    pub secrets: Vec<(String, MadeSecret)>,
}

/// Registers tools in one plan.
pub struct Registrar<'a> {
    session: &'a Session,
    how: &'a RegisterArgs,
    claimed: HashMap<(SecretKind, String), String>,
    credentials: HashSet<String>,
    left_out: usize,
}

impl<'a> Registrar<'a> {
    /// Nothing yet.
    pub fn new(session: &'a Session, how: &'a RegisterArgs) -> Self {
        Self { session, how, claimed: HashMap::new(), credentials: HashSet::new(), left_out: 0 }
    }

    /// Plans one tool: its role, its secrets, and their grants to its own role (`to_own`) and to others. `only` are the
    /// declared names that are wanted; all when there is none.
    ///
    /// # Errors
    /// [`Failure::SecretNameUnknown`], [`Failure::ForeignIdTaken`]; what the calls say.
    pub async fn register(
        &mut self,
        plan: &mut Plan,
        chosen: &Chosen<'_>,
        only: &[String],
        to_own: bool,
        others: &[GrantedTo],
    ) -> Result<Registered, Failure> {
        let (session, tool) = (self.session, chosen.tool.name.as_str());
        let records = self.wanted(chosen, only)?;
        let (api, namespace) = (session.api()?, session.namespace());
        let role = &chosen.registration.role;
        let stored_role = api.role_named(namespace, &role.foreign_id).await.of(session)?;
        let mut stored = Vec::new();
        for record in &records {
            let row = api.secret_named(record.kind, namespace, &record.foreign_id).await.of(session)?;
            self.own(tool, record, row.as_ref())?;
            stored.push(row);
        }
        let granted = match &stored_role {
            Some(row) if to_own => api.grants_of_role(row.id).await.of(session)?,
            _ => Vec::new(),
        };
        let mut ready = Vec::new();
        for (record, row) in records.into_iter().zip(stored) {
            if self.has_credential(plan, tool, record).await? {
                ready.push((record, row));
            }
        }
        let directory = chosen.tool.dir.display().to_string();
        let made = if let Some(row) = &stored_role {
            plan.push(role_step(row, &role.labels).of_tool(tool).with("directory", directory.as_str()));
            Made::Id(row.id)
        } else {
            let target = Target { kind: "role", id: None, foreign_id: Some(role.foreign_id.clone()) };
            let call = Call::PutRole {
                at: role.foreign_id.clone(),
                data: role.data(namespace),
                seen: Seen::default(),
            };
            let step = Step::new(Action::Create, target, "the role of a tool", call);
            plan.push(step.of_tool(tool).with("directory", directory.as_str()));
            let made = Made::By(role.foreign_id.clone());
            if to_own && !ready.is_empty() {
                let call = Call::ReadGrants { role: made.clone() };
                plan.push(Step::read("what it holds", call).of_tool(tool));
            }
            made
        };
        let own = GrantedTo { role: made.clone(), called: role.foreign_id.clone(), granted };
        let roles: Vec<&GrantedTo> = to_own.then_some(&own).into_iter().chain(others).collect();
        let mut secrets = Vec::new();
        for (record, row) in ready {
            plan.push(self.secret_step(record, row.as_ref()).of_tool(tool));
            let secret = row.as_ref().map_or_else(
                || MadeSecret::By(record.kind, record.foreign_id.clone()),
                |row| MadeSecret::Id(row.id),
            );
            for role in &roles {
                plan.push(grant_step(role, record, &secret).of_tool(tool));
            }
            secrets.push((record.foreign_id.clone(), secret));
        }
        let target = Target {
            kind: "role",
            id: stored_role.map(|row| row.id.to_string()),
            foreign_id: Some(own.called),
        };
        Ok(Registered { role: made, target, secrets })
    }

    /// Says in the report that something was left out.
    pub fn finish(&self, mut report: Report) -> Report {
        if self.left_out == 0 || report.failure.is_some() {
            return report;
        }
        report.data["complete"] = false.into();
        report.with_status(ExitStatus::Partial)
    }

    /// The records that are asked for, in the order in which they are.
    fn wanted<'c>(&self, chosen: &'c Chosen<'_>, only: &[String]) -> Result<Vec<&'c SecretRecord>, Failure> {
        let records = &chosen.registration.secrets;
        if only.is_empty() {
            let is_wanted = |record: &&SecretRecord| record.list == List::Required || !self.how.no_optional;
            return Ok(records.iter().filter(is_wanted).collect());
        }
        let mut wanted: Vec<&SecretRecord> = Vec::new();
        for name in only {
            let mut found = records.iter().filter(|record| record.declared == *name).peekable();
            if found.peek().is_none() {
                let mut names: Vec<String> = records.iter().map(|record| record.declared.clone()).collect();
                names.dedup();
                let (tool, name) = (chosen.tool.name.clone(), name.clone());
                return Err(Failure::SecretNameUnknown { tool, name, names });
            }
            for record in found {
                if !wanted.iter().any(|known| std::ptr::eq(*known, record)) {
                    wanted.push(record);
                }
            }
        }
        Ok(wanted)
    }

    /// No id of another tool is taken from it unasked.
    fn own(&mut self, tool: &str, record: &SecretRecord, stored: Option<&Secret>) -> Result<(), Failure> {
        let key = (record.kind, record.foreign_id.clone());
        let claimed = self.claimed.insert(key, tool.to_owned());
        let other = claimed.as_deref().or_else(|| stored.and_then(shape::tool_of));
        match other {
            Some(other) if other != tool && !self.how.adopt => {
                Err(Failure::ForeignIdTaken { id: record.foreign_id.clone(), other: other.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn secret_step(&self, record: &SecretRecord, stored: Option<&Secret>) -> Step {
        let target =
            |id: Option<String>| Target { kind: "secret", id, foreign_id: Some(record.foreign_id.clone()) };
        let Some(stored) = stored else {
            let call = put(record, record.data.clone(), Seen::default());
            return of_type(record, Step::new(Action::Create, target(None), "a tool declares it", call));
        };
        let target = target(Some(stored.id.to_string()));
        let kept = compare::kept_policy(record, stored, &self.session.settings.sources);
        if let Some(policy) = kept {
            let text = format!(
                "{} keeps its source, which was registered with --source-policy {policy}; give the option to change it",
                record.foreign_id
            );
            self.session.warn("source_policy_kept", text);
        }
        let wanted = compare::wanted(record, stored, kept.is_some());
        let changes = compare::changes(&wanted, stored);
        if changes.is_empty() {
            return of_type(record, Step::in_place(target, "it is as declared"));
        }
        let call = put(record, wanted, Seen::from(stored));
        let mut step = Step::new(Action::Update, target, "a tool declares it otherwise", call);
        for (name, before, after) in changes {
            step = step.changing(&name, before, after);
        }
        of_type(record, step)
    }
}

/// Whether a secret is not as its tool declares it under the policy of this run.
pub fn differs(record: &SecretRecord, stored: &Secret) -> bool {
    // Which policy was asked for is no difference by itself.
    let mut changes = compare::changes(&compare::wanted(record, stored, false), stored);
    changes.retain(|(name, ..)| name != "labels" || !compare::is_registered_so(record, stored));
    !changes.is_empty()
}

fn put(record: &SecretRecord, data: Value, seen: Seen) -> Call {
    Call::PutSecret { kind: record.kind, at: record.foreign_id.clone(), data, seen }
}

fn of_type(record: &SecretRecord, step: Step) -> Step {
    step.with("type", shape::type_name(record.kind)).with("declared", record.declared.as_str())
}

fn grant_step(role: &GrantedTo, record: &SecretRecord, secret: &MadeSecret) -> Step {
    let mut target = Target { kind: "grant", id: None, foreign_id: Some(record.foreign_id.clone()) };
    let there = match secret {
        MadeSecret::Id(id) => role.granted.iter().find(|grant| grant.secret == *id),
        MadeSecret::By(..) => None,
    };
    let step = if let Some(there) = there {
        target.id = Some(there.id.to_string());
        Step::in_place(target, "it is granted")
    } else {
        let call =
            Call::GrantToRole { role: role.role.clone(), secret: secret.clone(), terms: Terms::default() };
        Step::new(Action::Grant, target, "a secret of the tool", call)
    };
    step.with("role", role.called.as_str())
}

/// A role that is there gets the labels it has to have; its name is left to people.
pub fn role_step(row: &Role, labels: &Labels) -> Step {
    let target = Target { kind: "role", id: Some(row.id.to_string()), foreign_id: row.foreign_id.clone() };
    let missing: Map<String, Value> = labels
        .iter()
        .filter(|(key, value)| row.labels.get(*key).and_then(Value::as_str) != Some(value.as_str()))
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    if missing.is_empty() {
        return Step::in_place(target, "it is there");
    }
    let mut all = row.labels.clone();
    all.extend(missing.clone());
    let old = |key: &String| (key.clone(), row.labels.get(key).cloned().unwrap_or_default());
    let before: Map<String, Value> = missing.keys().map(old).collect();
    let call =
        Call::PutRole { at: row.id.to_string(), data: json!({ "labels": all }), seen: Seen::from(row) };
    let step = Step::new(Action::Update, target, "the role of a tool", call);
    step.changing("labels", before, missing)
}

/// Says which roles a plan makes without having been asked for them. For when everything else was found in order.
pub fn remark_new(session: &Session, roles: &[GrantedTo]) {
    let new = roles.iter().filter(|role| matches!(role.role, Made::By(_)) && role.called != TOOLS_ROLE.0);
    for GrantedTo { called, .. } in new {
        session.warn("role_created", format!("there is no role {called}; it is made"));
    }
}

/// A role that secrets are granted to, made when there is none.
///
/// # Errors
/// What the calls say.
pub async fn granted_to(session: &Session, plan: &mut Plan, name: &str) -> Result<GrantedTo, Failure> {
    if let Some(row) = crate::address::role(session, name).await? {
        crate::address::same_namespace("role", name, &row.namespace, session.namespace())?;
        let granted = session.api()?.grants_of_role(row.id).await.of(session)?;
        let target =
            Target { kind: "role", id: Some(row.id.to_string()), foreign_id: row.foreign_id.clone() };
        plan.push(Step::in_place(target, "it is there"));
        return Ok(GrantedTo { role: Made::Id(row.id), called: row.called(), granted });
    }
    let (tools, shown) = TOOLS_ROLE;
    let record = RoleRecord::managed(name, if name == tools { shown } else { name });
    let target = Target { kind: "role", id: None, foreign_id: Some(name.to_owned()) };
    let data = record.data(session.namespace());
    let call = Call::PutRole { at: name.to_owned(), data, seen: Seen::default() };
    plan.push(Step::new(Action::Create, target, "there is none", call));
    Ok(GrantedTo { role: Made::By(name.to_owned()), called: name.to_owned(), granted: Vec::new() })
}
