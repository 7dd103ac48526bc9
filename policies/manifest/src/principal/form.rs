//! The forms of principal ids (spec 4.1), and what can be told from an id alone.

use crate::slug::slug;

/// The forms that sessions derive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// `slack-user-…`
    SlackUser,
    /// `slack-channel-…`
    SlackChannel,
    /// `discord-channel-…`
    DiscordChannel,
    /// `linear-issue-…`
    LinearIssue,
    /// `teams-user-…`
    TeamsUser,
    /// `teams-conversation-…`
    TeamsConversation,
    /// `thread-…`
    Thread,
    /// `tool-host`
    ToolHost,
    /// `workflow-host`
    WorkflowHost,
    /// `warm-pool-bootstrap`
    WarmPool,
}

/// What a principal stands for, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person.
    User,
    /// A conversation that several people share: a channel, a group, an issue.
    Channel,
    /// A session that is nothing else.
    Thread,
    /// A host of the platform, or something an operator made.
    Other,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SlackUser,
        Self::SlackChannel,
        Self::DiscordChannel,
        Self::LinearIssue,
        Self::TeamsUser,
        Self::TeamsConversation,
        Self::Thread,
        Self::ToolHost,
        Self::WorkflowHost,
        Self::WarmPool,
    ];

    /// What every id of the form begins with; the whole id for the three hosts.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::SlackUser => "slack-user-",
            Self::SlackChannel => "slack-channel-",
            Self::DiscordChannel => "discord-channel-",
            Self::LinearIssue => "linear-issue-",
            Self::TeamsUser => "teams-user-",
            Self::TeamsConversation => "teams-conversation-",
            Self::Thread => "thread-",
            Self::ToolHost => "tool-host",
            Self::WorkflowHost => "workflow-host",
            Self::WarmPool => "warm-pool-bootstrap",
        }
    }

    /// What a principal of the form stands for.
    pub const fn kind(self) -> Kind {
        match self {
            Self::SlackUser | Self::TeamsUser => Kind::User,
            Self::SlackChannel | Self::DiscordChannel | Self::LinearIssue | Self::TeamsConversation => {
                Kind::Channel
            }
            Self::Thread => Kind::Thread,
            Self::ToolHost | Self::WorkflowHost | Self::WarmPool => Kind::Other,
        }
    }

    /// The form of a foreign id that a session could derive, letter by letter; `None` for all others.
    pub fn of(foreign_id: &str) -> Option<Self> {
        Self::claimed(foreign_id).filter(|form| match form.kind() {
            Kind::Other => true,
            _ => slug(foreign_id) == foreign_id,
        })
    }

    /// The form that an id claims by how it begins, whatever follows.
    fn claimed(foreign_id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| match form.kind() {
            Kind::Other => foreign_id == form.prefix(),
            _ => foreign_id.strip_prefix(form.prefix()).is_some_and(|rest| !rest.is_empty()),
        })
    }
}

impl Kind {
    /// `user`, `channel`, `thread` or `other`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Channel => "channel",
            Self::Thread => "thread",
            Self::Other => "other",
        }
    }

    /// What a foreign id stands for; what no session derives is [`Kind::Other`].
    pub fn of(foreign_id: &str) -> Self {
        Form::of(foreign_id).map_or(Self::Other, Form::kind)
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::User, Self::Channel, Self::Thread, Self::Other].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The id that was meant by one that begins as a known form but is not spelt as one: `slack-user-U123` would be a
/// second principal that no session ever uses. `None` when there is nothing to repair.
pub fn repaired(foreign_id: &str) -> Option<String> {
    let lower = foreign_id.to_lowercase();
    let form = Form::claimed(&lower).filter(|form| form.kind() != Kind::Other)?;
    // An id without a letter or digit behind the prefix means nobody.
    let rest = &lower[form.prefix().len()..];
    if !rest.chars().any(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let meant = format!("{}{}", form.prefix(), slug(rest));
    (meant != foreign_id).then_some(meant)
}

/// The foreign id of a bare Slack id: `U07ABC` and `W012AB` are users, `C0AB12` and `G0AB12` channels. At least six
/// characters, so that a short word in upper case is no id.
pub fn of_slack_id(text: &str) -> Option<String> {
    if text.len() < 6 || !is_upper_alphanumeric(text) {
        return None;
    }
    let form = match text.as_bytes().first()? {
        b'U' | b'W' => Form::SlackUser,
        b'C' | b'G' => Form::SlackChannel,
        _ => return None,
    };
    Some(format!("{}{}", form.prefix(), slug(text)))
}

/// Whether a text has the form of a Slack user's id.
pub(super) fn is_slack_user(text: &str) -> bool {
    text.len() > 1 && text.starts_with(['U', 'W']) && is_upper_alphanumeric(text)
}

fn is_upper_alphanumeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
