//! Which principal a session acts as, derived from its thread key and from what its ingress vouches for.
//!
//! A foreign id depends on ids alone: renaming a channel or a person changes the display name and nothing else. Slack
//! teams are a label, not a part of the id, unless a deployment serves several workspaces ([`TeamForm`]). Only ids
//! that an ingress has authenticated may be given as the acting user; whether one has is for the caller to check.
//!
//! Read first: [`Session::principal`]. The known forms are in `principal/form.rs`, the grammar of thread keys in
//! `principal/thread_key.rs`.

mod form;
mod thread_key;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use form::{Form, Kind, of_slack_id, repaired};

use crate::slug::{fit, short_digest, slug};
use thread_key::ThreadKey;

/// What is known of a session. Blank texts count as absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session<'a> {
    /// `slack:C0AB12:1717.0001`, `discord:…`, `linear:…`, `teams:…`, or any other text.
    pub thread_key: &'a str,
    /// The person who speaks: a Slack user id, for Teams the object id in Entra ID.
    pub acting_user: Option<&'a str>,
    /// The team of the person who speaks.
    pub slack_team: Option<&'a str>,
    /// What the conversation is called.
    pub name: Option<&'a str>,
}

/// Whether Slack team ids are part of principal ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TeamForm {
    /// `slack-user-u123`: the default. The team is a label.
    #[default]
    Plain,
    /// `slack-user-t9-u123`: for a deployment that serves several workspaces
    /// (`CENTAUR_SLACK_TEAM_SCOPED_PRINCIPALS=true`).
    Scoped,
}

/// A principal as a session would create it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// At most 255 characters; lower case letters, digits and dashes.
    pub foreign_id: String,
    /// Which form it has.
    pub form: Form,
    /// `managed-by` and what identifies the principal; nothing else may be written by a session.
    pub labels: BTreeMap<String, String>,
    /// One line without control characters.
    pub name: String,
    /// The name was resolved by the ingress. One that was not must not replace a stored name.
    pub is_named: bool,
    /// The principal of the person who speaks, whose grants may fill the gaps of a shared conversation's.
    pub fallback: Option<Box<Self>>,
}

impl Session<'_> {
    /// The principal of this session (spec 4.1 to 4.6).
    pub fn principal(&self, teams: TeamForm) -> Derived {
        let name = self.name.and_then(line);
        match ThreadKey::parse(self.thread_key) {
            ThreadKey::Discord { guild, channel } => discord(guild, channel, name).with_fallback(self, teams),
            ThreadKey::Linear { issue } => linear(issue, name).with_fallback(self, teams),
            ThreadKey::Teams { conversation, service_url } => self.teams(&conversation, &service_url, name),
            ThreadKey::Slack { team, conversation } => self.slack(team, conversation, name, teams),
            ThreadKey::Other(key) => thread(key, name).with_fallback(self, teams),
        }
    }

    /// The principal of the person who speaks in a Slack conversation; nothing when the person is unknown.
    fn slack_user(&self, team: Option<&str>, name: Option<String>, teams: TeamForm) -> Option<Derived> {
        let user = id(self.acting_user)?;
        let mut identity = Identity::new(Form::SlackUser, &slug(user));
        if let Some(team) = team {
            identity.label("slack_team_id", team);
            if teams == TeamForm::Scoped {
                identity.id = format!("{}-{}", slug(team), identity.id);
            }
        }
        identity.label("slack_user_id", user);
        Some(identity.named("Slack DM @", name, || format!("Slack User {user}")))
    }

    fn slack(
        &self,
        team: Option<&str>,
        conversation: &str,
        name: Option<String>,
        teams: TeamForm,
    ) -> Derived {
        let own_team = id(self.slack_team);
        if conversation.starts_with('D')
            && let Some(user) = self.slack_user(team.or(own_team), name.clone(), teams)
        {
            return user;
        }
        let mut identity = Identity::new(Form::SlackChannel, &slug(conversation));
        // Never the speaker's team: in a channel that organisations share it is not the channel's.
        if let Some(team) = team {
            identity.label("slack_team_id", team);
            if teams == TeamForm::Scoped {
                identity.id = format!("{}-{}", slug(team), identity.id);
            }
        }
        identity.label("slack_channel_id", conversation);
        let channel = identity.named("Slack Channel #", name, || format!("Slack Channel {conversation}"));
        // The speaker's own team comes first here, for the same reason.
        let fallback = self.slack_user(own_team.or(team), None, teams).map(Box::new);
        Derived { fallback, ..channel }
    }

    fn teams(&self, conversation: &str, service_url: &str, name: Option<String>) -> Derived {
        let user = id(self.acting_user).map(|user| {
            let mut identity = Identity::new(Form::TeamsUser, &slug(user));
            identity.label("teams_user_id", user);
            identity.label("teams_service_url", service_url);
            (identity, user)
        });
        let is_shared = conversation.starts_with("19:");
        let user = match user {
            Some((identity, user)) if !is_shared => {
                return identity.named("Teams User @", name, || format!("Teams User {user}"));
            }
            Some((identity, user)) => {
                Some(Box::new(identity.named("Teams User @", None, || format!("Teams User {user}"))))
            }
            None => None,
        };
        let mut identity = Identity::new(Form::TeamsConversation, &slug(conversation));
        identity.label("teams_conversation_id", conversation);
        identity.label("teams_service_url", service_url);
        let prefix = "Teams Conversation ";
        let derived = identity.named(prefix, name, || format!("{prefix}{conversation}"));
        Derived { fallback: user, ..derived }
    }
}

impl Derived {
    /// The principal of a tool host that serves no thread.
    pub fn tool_host() -> Self {
        Self::fixed(Form::ToolHost, "Tool host", None)
    }

    /// The principal of the workflow host.
    pub fn workflow_host() -> Self {
        Self::fixed(Form::WorkflowHost, "Workflow host", Some("workflow-host"))
    }

    /// The principal of sandboxes that nobody has claimed yet. It is to hold nothing.
    pub fn warm_pool() -> Self {
        Self::fixed(Form::WarmPool, "Warm pool bootstrap", Some("warm-pool-bootstrap"))
    }

    fn fixed(form: Form, name: &str, purpose: Option<&str>) -> Self {
        let mut identity = Identity::new(form, "");
        if let Some(purpose) = purpose {
            identity.label("purpose", purpose);
        }
        identity.named("", None, || name.to_owned())
    }

    /// The identity to use instead, when the record that is stored under this foreign id is somebody else's:
    ///
    /// - a Slack user of another team gets an id that ends in the team;
    /// - a thread whose key only has the same slug gets one that ends in eight digits of its key's SHA-256.
    ///
    /// Channels never get another one: their ids are unique across workspaces, and what they are granted must not
    /// depend on who speaks.
    pub fn unless_taken(&self, stored: &BTreeMap<String, String>) -> Option<Self> {
        let differs = |label: &str| {
            let (ours, theirs) = (self.labels.get(label)?, stored.get(label)?);
            (ours != theirs && !theirs.is_empty()).then_some(ours)
        };
        let suffix = match self.form {
            Form::SlackUser => slug(differs("slack_team_id")?),
            Form::Thread => {
                let key = differs("thread_key")?;
                let is_lossy = self.foreign_id != format!("{}{}", Form::Thread.prefix(), key.to_lowercase());
                is_lossy.then(|| short_digest(key))?
            }
            _ => return None,
        };
        let foreign_id = fit(format!("{}-{suffix}", self.foreign_id));
        Some(Self { foreign_id, ..self.clone() })
    }

    /// A conversation that is not Slack's: the person who speaks is known when the id has the form of a Slack user's.
    fn with_fallback(self, session: &Session<'_>, teams: TeamForm) -> Self {
        let is_slack = id(session.acting_user).is_some_and(form::is_slack_user);
        let user = is_slack.then(|| session.slack_user(id(session.slack_team), None, teams)).flatten();
        Self { fallback: user.map(Box::new), ..self }
    }
}

/// A principal that has no name yet.
struct Identity {
    form: Form,
    id: String,
    labels: BTreeMap<String, String>,
}

impl Identity {
    fn new(form: Form, id: &str) -> Self {
        let labels = BTreeMap::from([("managed-by".to_owned(), "centaur".to_owned())]);
        Self { form, id: id.to_owned(), labels }
    }

    fn label(&mut self, key: &str, value: &str) {
        // A value that would be nothing but control characters says nothing.
        self.labels.extend(line(value).map(|value| (key.to_owned(), value)));
    }

    fn named(self, prefix: &str, name: Option<String>, otherwise: impl Fn() -> String) -> Derived {
        let is_named = name.is_some();
        let name = name.and_then(|name| line(&format!("{prefix}{name}")));
        Derived {
            foreign_id: fit(format!("{}{}", self.form.prefix(), self.id)),
            form: self.form,
            labels: self.labels,
            name: name.or_else(|| line(&otherwise())).unwrap_or_else(|| self.form.prefix().to_owned()),
            is_named,
            fallback: None,
        }
    }
}

fn discord(guild: &str, channel: &str, name: Option<String>) -> Derived {
    let mut identity = Identity::new(Form::DiscordChannel, &format!("{}-{}", slug(guild), slug(channel)));
    identity.label("discord_guild_id", guild);
    identity.label("discord_channel_id", channel);
    identity.named("Discord Channel #", name, || format!("Discord Channel {channel} (guild {guild})"))
}

fn linear(issue: &str, name: Option<String>) -> Derived {
    let mut identity = Identity::new(Form::LinearIssue, &slug(issue));
    identity.label("linear_issue_id", issue);
    identity.named("Linear Issue #", name, || format!("Linear Issue {issue}"))
}

fn thread(key: &str, name: Option<String>) -> Derived {
    let mut identity = Identity::new(Form::Thread, &slug(key));
    identity.label("thread_key", key);
    identity.named("", name, || key.to_owned())
}

/// An id from outside: trimmed, and nothing when no letter or digit is in it, because all such ids would be one.
fn id(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| text.chars().any(|c| c.is_ascii_alphanumeric()))
}

/// A text as the console takes it for a name or a label: one line, trimmed, at most 8,192 characters.
fn line(text: &str) -> Option<String> {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line: String = line.trim().chars().take(MAX_NAME_LENGTH).collect();
    (!line.is_empty()).then_some(line)
}

/// In characters (console-api.md 5.1).
const MAX_NAME_LENGTH: usize = 8192;
