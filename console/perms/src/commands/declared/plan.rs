//! What it takes to make the roles and principals of a file what it says of them.

use std::collections::BTreeMap;

use centaur_base::oid::{PrincipalId, RoleId, SecretId};
use centaur_client::api::{Grant, Grantee, Principal, Role};
use centaur_manifest::principal::Form;
use serde_json::json;
use time::OffsetDateTime;

use super::stored::{self, Roles, StoredPrincipal, StoredRole, is_called};
use super::tools::{self, Tools, Wanted};
use crate::address::Who;
use crate::args::RegisterArgs;
use crate::commands::principals::{grant as principal_grant, tombstone};
use crate::commands::roles::create as role_create;
use crate::commands::{grant_end, renew, reprioritize};
use crate::declared::{self, DIRECT_PRIORITY, Document, Held, PrincipalEntry, ROLE_PRIORITY, RoleEntry};
use crate::failure::Failure;
use crate::fetch;
use crate::plan::{Action, Call, Made, MadeSecret, Plan, Seen, Step, Target, Terms};
use crate::registration::Registrar;
use crate::session::Session;
use crate::shape::{Identity, MANAGED};
use crate::span::{self, Direction};

/// Reads what there is, and plans the difference. `is_additive` leaves out what would take something away.
pub(super) async fn plan<'a>(
    session: &'a Session,
    document: &Document,
    is_additive: bool,
    how: &'a RegisterArgs,
) -> Result<(Plan, Registrar<'a>), Failure> {
    let mut plan = Plan::new().destructive();
    let mut registrar = Registrar::new(session, how);
    let tools = tools::of(session, &mut registrar, &mut plan, &document.role).await?;
    let roles = stored::roles(session, document).await?;
    let principals = stored::principals(session, document).await?;
    let secrets = stored::secrets(session, document, &tools.secrets).await?;
    let mut work = Work { session, plan, tools, secrets, is_additive, now: OffsetDateTime::now_utc() };
    for (entry, stored) in document.role.iter().zip(&roles.of_entries) {
        work.role(entry, stored.as_ref()).await?;
    }
    for (entry, stored) in document.principal.iter().zip(&principals) {
        work.principal(entry, stored, &roles).await?;
    }
    Ok((work.plan, registrar))
}

struct Work<'a> {
    session: &'a Session,
    plan: Plan,
    tools: Tools,
    secrets: BTreeMap<String, Wanted>,
    is_additive: bool,
    now: OffsetDateTime,
}

/// Who holds something.
enum Holder {
    Role(Made<RoleId>, String),
    Principal(Made<PrincipalId>, String),
}

impl Holder {
    fn kind(&self) -> &'static str {
        match self {
            Self::Role(..) => "role",
            Self::Principal(..) => "principal",
        }
    }

    fn called(&self) -> &str {
        match self {
            Self::Role(_, called) | Self::Principal(_, called) => called,
        }
    }

    fn with(&self, step: Step, word: &str) -> Step {
        let whom = format!("{word} {} {}", self.kind(), self.called());
        step.with(self.kind(), self.called()).whom(whom)
    }

    fn usual_priority(&self) -> i64 {
        match self {
            Self::Role(..) => ROLE_PRIORITY,
            Self::Principal(..) => DIRECT_PRIORITY,
        }
    }

    fn grant(&self, secret: MadeSecret, terms: Terms) -> Call {
        match self {
            Self::Role(role, _) => Call::GrantToRole { role: role.clone(), secret, terms },
            Self::Principal(principal, _) => {
                Call::GrantToPrincipal { principal: principal.clone(), secret, terms }
            }
        }
    }
}

/// A secret with the terms on which it shall be held.
struct Asked {
    wanted: Wanted,
    priority: i64,
    expires_at: Option<String>,
}

impl Work<'_> {
    async fn role(&mut self, entry: &RoleEntry, stored: Option<&StoredRole>) -> Result<(), Failure> {
        let (made, grants) = if let Some(StoredRole { row, grants }) = stored {
            self.rename(row, entry.name.as_deref());
            (Made::Id(row.id), grants.as_slice())
        } else if let Some(name) = self.tools.made_roles.get(&entry.id).cloned() {
            self.name_made(&entry.id, &name, entry.name.as_deref());
            (Made::By(entry.id.clone()), [].as_slice())
        } else {
            let name = entry.name.as_deref().unwrap_or(&entry.id);
            let labels = json!({ MANAGED.0: MANAGED.1 });
            let reason = "the file names it";
            self.plan.push(role_create::create(self.session, &entry.id, name, labels, reason));
            (Made::By(entry.id.clone()), [].as_slice())
        };
        let called = stored.map_or_else(|| entry.id.clone(), |stored| stored.row.called());
        let holder = Holder::Role(made, called);
        let of_tools: Vec<Wanted> =
            entry.tools.iter().filter_map(|tool| self.tools.secrets.get(tool)).flatten().cloned().collect();
        self.membership(&holder, of_tools, &entry.secrets, grants).await
    }

    /// The role of a tool, which registering the tool makes under a name of its own.
    fn name_made(&mut self, id: &str, made: &str, name: Option<&str>) {
        let Some(name) = name.filter(|name| *name != made) else { return };
        let target = Target { kind: "role", id: None, foreign_id: Some(id.to_owned()) };
        let data = json!({ "namespace": self.session.namespace(), "foreign_id": id, "name": name });
        let call = Call::PutRole { at: id.to_owned(), data, seen: Seen::default() };
        let step = Step::new(Action::Update, target, "the file names it so", call);
        self.plan.push(step.changing("name", made, name));
    }

    fn rename(&mut self, row: &Role, name: Option<&str>) {
        let Some(name) = name.filter(|name| row.name.as_deref() != Some(*name)) else { return };
        let call =
            Call::PutRole { at: row.id.to_string(), data: json!({ "name": name }), seen: Seen::from(row) };
        let step = Step::new(Action::Update, role_create::target(row), "the file names it so", call);
        self.plan.push(step.changing("name", row.name.clone(), name));
    }

    async fn principal(
        &mut self,
        entry: &PrincipalEntry,
        stored: &StoredPrincipal,
        roles: &Roles,
    ) -> Result<(), Failure> {
        let made = match &stored.who {
            Who::Found(row) => Made::Id(row.id),
            Who::Missing { foreign_id } => {
                if Form::of(foreign_id).is_none() {
                    let text = format!(
                        "{foreign_id} is not a known principal form; it is made, for the file names it"
                    );
                    self.session.warn("not_canonical", text);
                }
                self.plan.push(principal_grant::create(self.session, foreign_id));
                Made::By(foreign_id.clone())
            }
        };
        let called = match &stored.who {
            Who::Found(row) => row.called(),
            Who::Missing { foreign_id } => foreign_id.clone(),
        };
        let holder = Holder::Principal(made.clone(), called);
        self.assignments(&holder, &made, entry, stored, roles);
        self.membership(&holder, Vec::new(), &entry.secrets, &stored.grants).await
    }

    fn assignments(
        &mut self,
        holder: &Holder,
        made: &Made<PrincipalId>,
        entry: &PrincipalEntry,
        stored: &StoredPrincipal,
        roles: &Roles,
    ) {
        let (mut steps, mut given, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for name in &entry.roles {
            if stored.roles.iter().any(|held| is_called(held, name)) {
                continue;
            }
            let row = roles.named(name);
            given.extend(row.map(|row| row.id.to_string()));
            given.push(row.map_or_else(|| name.clone(), Role::called));
            let target = row.map_or_else(
                || Target { kind: "role", id: None, foreign_id: Some(name.clone()) },
                role_create::target,
            );
            let role = row.map_or_else(|| Made::By(name.clone()), |row| Made::Id(row.id));
            let call = Call::Assign { principal: made.clone(), role };
            steps.push(holder.with(Step::new(Action::Assign, target, "the file names it", call), "to"));
        }
        if let Who::Found(principal) = &stored.who {
            for role in stored.roles.iter().filter(|role| !self.is_additive && !names(entry, role)) {
                taken.push(role.called());
                steps.push(holder.with(unassign(principal, role), "from"));
            }
            self.plan.extend(tombstone::revise(principal, &given, &taken));
        }
        self.plan.extend(steps);
    }

    /// Grants what is missing, sets other terms, and withdraws what the file does not name.
    async fn membership(
        &mut self,
        holder: &Holder,
        of_tools: Vec<Wanted>,
        held: &[Held],
        grants: &[Grant],
    ) -> Result<(), Failure> {
        let asked = self.asked(holder, of_tools, held)?;
        for asked in &asked {
            let there = match asked.wanted.secret {
                MadeSecret::Id(id) => grants.iter().find(|grant| grant.secret == id),
                MadeSecret::By(..) => None,
            };
            self.plan.extend(match there {
                Some(there) => self.terms(there, asked).map(|step| holder.with(step, "of")),
                None => Some(holder.with(grant(holder, asked), "to")),
            });
        }
        if self.is_additive {
            return Ok(());
        }
        let is_asked = |id: SecretId| asked.iter().any(|asked| asked.wanted.secret == MadeSecret::Id(id));
        let is_in_force = |grant: &&Grant| grant_end(grant).is_none_or(|end| end > self.now);
        let surplus: Vec<&Grant> =
            grants.iter().filter(is_in_force).filter(|grant| !is_asked(grant.secret)).collect();
        let known = fetch::secrets(self.session, surplus.iter().map(|grant| grant.secret)).await?;
        for grant in surplus {
            let called = known.get(&grant.secret).map_or_else(|| grant.secret.to_string(), Identity::called);
            let target = Target { kind: "grant", id: Some(grant.id.to_string()), foreign_id: Some(called) };
            let call = Call::Revoke { grant: grant.id };
            let step = Step::new(Action::Revoke, target, "the file does not name it", call);
            self.plan.push(holder.with(step.with("secret", grant.secret.to_string()), "from"));
        }
        Ok(())
    }

    /// All that a holder shall hold, each once. What is named one by one has its own terms.
    fn asked(&self, holder: &Holder, of_tools: Vec<Wanted>, held: &[Held]) -> Result<Vec<Asked>, Failure> {
        let usual = holder.usual_priority();
        let mut all: Vec<Asked> = Vec::new();
        for held in held {
            let Some(wanted) = self.secrets.get(&held.secret) else { continue };
            if all.iter().any(|asked| asked.wanted.secret == wanted.secret) {
                let text =
                    format!("{} {} names the secret {} twice", holder.kind(), holder.called(), wanted.called);
                return Err(Failure::BadCombination(text));
            }
            let (priority, expires_at) = (held.priority.unwrap_or(usual), held.expires_at.clone());
            all.push(Asked { wanted: wanted.clone(), priority, expires_at });
        }
        for wanted in of_tools {
            if !all.iter().any(|asked| asked.wanted.secret == wanted.secret) {
                all.push(Asked { wanted, priority: usual, expires_at: None });
            }
        }
        Ok(all)
    }

    /// What a grant that is there needs to have the terms of the file.
    fn terms(&self, there: &Grant, asked: &Asked) -> Option<Step> {
        let usual = match there.grantee {
            Grantee::Role(_) => ROLE_PRIORITY,
            Grantee::Principal(_) => DIRECT_PRIORITY,
        };
        let is_same_priority = there.priority.unwrap_or(usual) == asked.priority;
        let wanted = asked.expires_at.as_deref();
        let wanted = wanted.and_then(|text| span::instant(text, self.now, Direction::Ahead));
        // Files have whole seconds.
        let is_same_end = grant_end(there).map(span::shown) == wanted.map(span::shown);
        let target = Target {
            kind: "grant",
            id: Some(there.id.to_string()),
            foreign_id: Some(asked.wanted.called.clone()),
        };
        match (is_same_end, is_same_priority) {
            (true, true) => None,
            (true, false) => Some(reprioritize(there, target, asked.priority)),
            (false, _) => {
                let terms = Terms { priority: Some(asked.priority), expires_at: asked.expires_at.clone() };
                Some(renew(there, target, &terms))
            }
        }
    }
}

fn names(entry: &PrincipalEntry, role: &Role) -> bool {
    entry.roles.iter().any(|name| is_called(role, name))
}

fn unassign(principal: &Principal, role: &Role) -> Step {
    let call = Call::Unassign { principal: principal.id, role: role.id };
    Step::new(Action::Unassign, role_create::target(role), "the file does not name it", call)
}

fn grant(holder: &Holder, asked: &Asked) -> Step {
    let priority = (asked.priority != holder.usual_priority()).then_some(asked.priority);
    let terms = Terms { priority, expires_at: asked.expires_at.clone() };
    let call = holder.grant(asked.wanted.secret.clone(), terms);
    let target = Target { kind: "grant", id: None, foreign_id: Some(asked.wanted.called.clone()) };
    let step = Step::new(Action::Grant, target, "the file names it", call);
    match &asked.wanted.secret {
        MadeSecret::Id(id) => step.with("secret", id.to_string()),
        MadeSecret::By(kind, name) => step.with("secret", declared::typed(*kind, name)),
    }
}
