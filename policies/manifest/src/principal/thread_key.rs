//! The grammar of thread keys (spec 4.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a thread key says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ThreadKey<'a> {
    /// `discord:<guild>[:<channel>[:…]]`
    Discord { guild: &'a str, channel: &'a str },
    /// `linear:<issue>[:…]`
    Linear { issue: &'a str },
    /// `teams:<conversation>:<service url>`, both decoded; the conversation without its message.
    Teams { conversation: String, service_url: String },
    /// `slack:[<team>:]<conversation>[:<ts>]`
    Slack { team: Option<&'a str>, conversation: &'a str },
    /// Anything else.
    Other(&'a str),
}

impl<'a> ThreadKey<'a> {
    pub(super) fn parse(key: &'a str) -> Self {
        let key = key.trim();
        let Some((source, rest)) = key.split_once(':') else { return Self::Other(key) };
        let parsed = match source {
            "discord" => discord(rest),
            "linear" => linear(rest),
            "teams" => teams(rest),
            // Only these: in a key of another source whoever chooses a name could choose a channel.
            "slack" | "chat" => slack(rest),
            _ => None,
        };
        parsed.unwrap_or(Self::Other(key))
    }
}

fn discord(rest: &str) -> Option<ThreadKey<'_>> {
    let mut parts = rest.split(':').map(str::trim);
    let guild = parts.next().filter(|guild| !guild.is_empty())?;
    let channel = parts.next().filter(|channel| !channel.is_empty()).unwrap_or(guild);
    Some(ThreadKey::Discord { guild, channel })
}

fn linear(rest: &str) -> Option<ThreadKey<'_>> {
    let issue = rest.split(':').next().map(str::trim).filter(|issue| !issue.is_empty())?;
    Some(ThreadKey::Linear { issue })
}

fn teams<'a>(rest: &str) -> Option<ThreadKey<'a>> {
    let (conversation, service_url) = rest.split_once(':')?;
    let (conversation, service_url) = (decoded(conversation)?, decoded(service_url)?);
    let conversation = conversation.split(";messageid=").next().unwrap_or_default().trim().to_owned();
    (!conversation.is_empty()).then_some(ThreadKey::Teams { conversation, service_url })
}

fn decoded(part: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    (!text.trim().is_empty()).then_some(text)
}

/// The first segment of each kind; by its letter, not by its place.
fn slack(rest: &str) -> Option<ThreadKey<'_>> {
    let first = |letters: &[char]| rest.split(':').find(|part| part.starts_with(letters) && is_id(part));
    let conversation = first(&['C', 'G', 'D'])?;
    Some(ThreadKey::Slack { team: first(&['T']), conversation })
}

fn is_id(part: &str) -> bool {
    part.len() > 1 && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
