//! `audit check`: what should not be, from what the console has.

use std::collections::{BTreeMap, BTreeSet};

use centaur_base::oid::{PrincipalId, RoleId, SecretId};
use centaur_client::api::{Credential, Grant, Principal, Proxy, Role, Secret};
use centaur_manifest::principal::{Form, repaired};
use serde_json::{Value, json};

use crate::credential::Placement;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::fetch;
use crate::printer::{Table, count};
use crate::report::Report;
use crate::session::{Calls as _, Session};
use crate::shape::{Identity as _, MANAGED, TYPES};

pub(in crate::commands) async fn run(session: &Session) -> Result<Report, Failure> {
    let state = State::read(session).await?;
    let findings = state.findings();
    let mut table = Table::new();
    for finding in &findings {
        table.row([finding.code, &finding.object, &finding.message]);
    }
    let items: Vec<Value> = findings
        .iter()
        .map(|one| json!({"code": one.code, "object": one.object, "message": one.message}))
        .collect();
    let text = table.text() + &format!("{}\n", count(findings.len(), "finding"));
    let differs = session.settings.exit_code && !findings.is_empty();
    let status = if differs { ExitStatus::Differences } else { ExitStatus::Success };
    Ok(Report::list(items, findings.len(), text).with_status(status))
}

/// Something that should not be.
struct Finding {
    code: &'static str,
    object: String,
    message: String,
}

/// All of a namespace.
struct State {
    principals: Vec<(Principal, Vec<Role>)>,
    direct: BTreeMap<PrincipalId, Vec<Grant>>,
    roles: Vec<(Role, Vec<Grant>)>,
    secrets: Vec<Secret>,
    credentials: Vec<Credential>,
    proxies: Vec<Proxy>,
}

impl State {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let api = session.api()?;
        let everything = session.everything();
        let principals = fetch::holders(session).await?;
        let direct =
            fetch::all(session, principals.iter().map(|(row, _)| api.grants_of_principal(row.id))).await?;
        let direct = principals.iter().map(|(row, _)| row.id).zip(direct).collect();
        let roles = api.roles(&everything).await.of(session)?;
        let grants = fetch::grants_of_each(session, &roles).await?;
        let secrets =
            fetch::all(session, TYPES.iter().map(|(kind, _)| api.secrets(*kind, &everything))).await?;
        let credentials = match api.credentials(&everything).await {
            Ok(rows) => rows,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(session.remote(error)),
        };
        Ok(Self {
            principals,
            direct,
            roles: roles.into_iter().zip(grants).collect(),
            secrets: secrets.into_iter().flatten().collect(),
            credentials,
            proxies: api.proxies(None).await.of(session)?,
        })
    }

    fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |code, object: String, message: String| found.push(Finding { code, object, message });
        self.roles(&mut add);
        self.principals(&mut add);
        self.secrets(&mut add);
        for row in self.credentials.iter().filter(|row| row.status == "dead") {
            add("broker_dead", row.called(), "cannot refresh any more; supply fresh credentials".to_owned());
        }
        found
    }

    fn roles(&self, add: &mut impl FnMut(&'static str, String, String)) {
        let held: BTreeSet<RoleId> =
            self.principals.iter().flat_map(|(_, roles)| roles).map(|role| role.id).collect();
        for (role, _) in self.roles.iter().filter(|(role, _)| !held.contains(&role.id)) {
            add("role_unused", role.called(), "no principal holds it".to_owned());
        }
    }

    fn principals(&self, add: &mut impl FnMut(&'static str, String, String)) {
        let bound: BTreeSet<PrincipalId> = self.proxies.iter().filter_map(|proxy| proxy.principal).collect();
        for (row, held) in &self.principals {
            if !bound.contains(&row.id) {
                add("principal_unbound", row.called(), "no proxy is bound to it".to_owned());
            }
            let foreign_id = row.foreign_id.as_deref().unwrap_or_default();
            if let Some(meant) = repaired(foreign_id) {
                add("not_canonical", row.called(), format!("no session acts as it; {meant} may be meant"));
            } else if Form::of(foreign_id).is_none() {
                add("not_canonical", row.called(), "is not a form that a session acts as".to_owned());
            }
            for (secret, role) in self.doubled(row, held) {
                add(
                    "granted_twice",
                    row.called(),
                    format!("{secret} is granted directly and by role {role}"),
                );
            }
        }
    }

    /// Secrets that a principal has directly and by a role.
    fn doubled(&self, row: &Principal, held: &[Role]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for grant in self.direct.get(&row.id).into_iter().flatten() {
            let by = |(role, grants): &&(Role, Vec<Grant>)| {
                held.iter().any(|held| held.id == role.id)
                    && grants.iter().any(|other| other.secret == grant.secret)
            };
            let roles = self.roles.iter().filter(by);
            found.extend(roles.map(|(role, _)| (self.called(grant.secret), role.called())));
        }
        found
    }

    fn secrets(&self, add: &mut impl FnMut(&'static str, String, String)) {
        let known: BTreeSet<SecretId> = self.secrets.iter().map(|row| row.id).collect();
        // A principal may be granted a secret of another namespace; a role cannot.
        for (role, grants) in &self.roles {
            for grant in grants.iter().filter(|grant| !known.contains(&grant.secret)) {
                add(
                    "grant_dangling",
                    grant.id.to_string(),
                    format!("role {} is granted {}, which is not there", role.called(), grant.secret),
                );
            }
        }
        for row in &self.secrets {
            if !row.labels.get(MANAGED.0).is_some_and(|value| value == MANAGED.1) {
                add(
                    "secret_unlabelled",
                    row.called(),
                    "does not have the label managed-by=centaur".to_owned(),
                );
            }
            for host in Placement::of(row).hosts.iter().filter(|host| is_catch_all(host)) {
                add("catch_all_host", row.called(), format!("goes to every host that {host} matches"));
            }
        }
        let placeholders: Vec<(String, String)> = self
            .secrets
            .iter()
            .filter_map(|row| Some((row.called(), Placement::of(row).placeholder?)))
            .collect();
        for (at, (name, text)) in placeholders.iter().enumerate() {
            for (other, other_text) in &placeholders[at + 1..] {
                let message = if text == other_text {
                    format!("has the placeholder of {other}: {text}")
                } else if text.contains(other_text.as_str()) {
                    format!("has the placeholder {text}, which contains that of {other}: {other_text}")
                } else if other_text.contains(text.as_str()) {
                    format!("has the placeholder {text}, which is part of that of {other}: {other_text}")
                } else {
                    continue;
                };
                add("placeholder_overlap", name.clone(), message);
            }
        }
    }

    fn called(&self, id: SecretId) -> String {
        self.secrets.iter().find(|row| row.id == id).map_or_else(|| id.to_string(), Secret::called)
    }
}

/// A pattern that says nothing about where a credential goes.
fn is_catch_all(host: &str) -> bool {
    matches!(host, "0.0.0.0/0" | "::/0") || (!host.is_empty() && host.chars().all(|c| matches!(c, '*' | '.')))
}
