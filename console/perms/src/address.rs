//! What operators call things, and what is found under that.

use centaur_base::oid::{BrokerCredentialId, Oid as _, PrincipalId, RoleId, SecretId, SecretKind};
use centaur_client::api::{Credential, Principal, Role, Secret};
use centaur_manifest::principal::{self, Derived, Form, Kind, TeamForm};

use crate::args::PrincipalArg;
use crate::failure::Failure;
use crate::session::{Calls as _, Session};
use crate::shape::{self, Identity as _};

/// A principal, or the foreign id under which there is none yet.
#[derive(Debug)]
pub enum Who {
    /// It is there.
    Found(Box<Principal>),
    /// It is not.
    Missing {
        /// The foreign id.
        foreign_id: String,
    },
}

impl Who {
    /// The principal, when it is there.
    ///
    /// # Errors
    /// [`Failure::NotFound`]
    pub fn found(self, session: &Session) -> Result<Principal, Failure> {
        match self {
            Self::Found(principal) => Ok(*principal),
            Self::Missing { foreign_id } => Err(missing(session, "principal", &foreign_id)),
        }
    }
}

/// Finds a principal by any of its forms.
///
/// # Errors
/// [`Failure::NotFound`] for an id that is none, [`Failure::NoSuchName`], [`Failure::NameAmbiguous`]; what the calls say.
pub async fn principal(session: &Session, arg: &PrincipalArg) -> Result<Who, Failure> {
    let text = arg.principal.as_str();
    let api = session.api()?;
    if PrincipalId::claims(text) {
        let Ok(id) = text.parse() else { return Err(missing(session, "principal", text)) };
        let found = api.principal(id).await.of(session)?;
        return found.map(|row| Who::Found(Box::new(row))).ok_or_else(|| missing(session, "principal", text));
    }
    if text.starts_with(['@', '#']) {
        return friendly(session, text).await.map(|row| Who::Found(Box::new(row)));
    }
    let foreign_id = foreign_id(session, text, arg.slack_user.as_deref())?;
    let found = api.principal_named(session.namespace(), &foreign_id).await.of(session)?;
    Ok(match found {
        Some(row) => Who::Found(Box::new(row)),
        None => Who::Missing { foreign_id },
    })
}

/// The foreign id that a thread key, a Slack id or a foreign id means.
fn foreign_id(session: &Session, text: &str, slack_user: Option<&str>) -> Result<String, Failure> {
    if text.contains(':') {
        let thread =
            principal::Session { thread_key: text, acting_user: slack_user, ..principal::Session::default() };
        let derived = thread.principal(TeamForm::Plain);
        if is_direct_message(&derived) {
            let warning = format!(
                "{text} is a direct message; without --slack-user it names the conversation, not the user"
            );
            session.warn("dm_without_user", warning);
        }
        return Ok(derived.foreign_id);
    }
    if let Some(meant) = principal::of_slack_id(text) {
        return Ok(meant);
    }
    if let Some(meant) = principal::repaired(text) {
        session.warn("canonical_repair", format!("{text} is spelt {meant}; that one is meant"));
        return Ok(meant);
    }
    refuse_oid(text, "the id of a principal; expected prn_")?;
    Ok(text.to_owned())
}

/// A conversation of two, named as a channel because nobody said who the user is.
pub fn is_direct_message(derived: &Derived) -> bool {
    derived.form == Form::SlackChannel
        && derived.labels.get("slack_channel_id").is_some_and(|id| id.starts_with('D'))
}

/// `@ada` and `#eng-oncall`: the display name without its prefix, whatever the case.
async fn friendly(session: &Session, text: &str) -> Result<Principal, Failure> {
    let (kind, prefixes): (_, &[&str]) = match text.split_at(1).0 {
        "@" => (Kind::User, &["Slack DM @", "Slack User ", "Teams User @", "Teams User ", "@"]),
        _ => (
            Kind::Channel,
            &[
                "Slack Channel #",
                "Slack Channel ",
                "Discord Channel #",
                "Linear Issue #",
                "Teams Conversation ",
                "#",
            ],
        ),
    };
    let wanted = text[1..].to_lowercase();
    let names = |row: &Principal| {
        let name = row.name.as_deref()?;
        let name = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        Some(name.to_lowercase())
    };
    let mut found = session.api()?.principals(&session.everything()).await.of(session)?;
    found.retain(|row| shape::kind_of(row) == kind && names(row).as_ref() == Some(&wanted));
    if found.len() > 1 {
        let ids = found.iter().map(Principal::called).collect();
        return Err(Failure::NameAmbiguous { name: text.to_owned(), ids });
    }
    found.pop().ok_or_else(|| Failure::NoSuchName { name: text.to_owned() })
}

/// Finds a role by its id or foreign id; `None` for a foreign id that nothing has.
///
/// # Errors
/// [`Failure::NotFound`] for an id that is none; what the call says.
pub async fn role(session: &Session, text: &str) -> Result<Option<Role>, Failure> {
    let api = session.api()?;
    if RoleId::claims(text) {
        let Ok(id) = text.parse() else { return Err(missing(session, "role", text)) };
        let found = api.role(id).await.of(session)?;
        return found.map(Some).ok_or_else(|| missing(session, "role", text));
    }
    refuse_oid(text, "the id of a role; expected role_")?;
    api.role_named(session.namespace(), text).await.of(session)
}

/// The same, when it has to be there.
///
/// # Errors
/// [`Failure::NotFound`]; what the call says.
pub async fn existing_role(session: &Session, text: &str) -> Result<Role, Failure> {
    role(session, text).await?.ok_or_else(|| missing(session, "role", text))
}

/// How a secret is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretName {
    /// `ssr_…`
    Id(SecretId),
    /// `static/name`
    Typed(SecretKind, String),
    /// `name`
    Foreign(String),
    /// Begins like an id and is none: nothing has it.
    NoId(String),
}

impl SecretName {
    /// Reads one.
    ///
    /// # Errors
    /// [`Failure::NotASecretOid`] for an id of another kind of object.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(id) = shape::secret_id(text) {
            return Ok(Self::Id(id));
        }
        if SecretKind::ALL.into_iter().any(|kind| kind.claims(text)) {
            return Ok(Self::NoId(text.to_owned()));
        }
        if is_oid_like(text) {
            return Err(Failure::NotASecretOid { id: text.to_owned() });
        }
        match text.split_once('/') {
            Some((kind, name)) => match shape::type_named(kind) {
                Some(kind) => Ok(Self::Typed(kind, name.to_owned())),
                None => Err(Failure::Usage(format!(
                    "{kind} is no type of secret; there are {}",
                    shape::TYPES.map(|(_, name)| name).join(", ")
                ))),
            },
            None => Ok(Self::Foreign(text.to_owned())),
        }
    }
}

/// Finds a secret. A foreign id is looked up in all seven collections.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::SecretAmbiguous`], [`Failure::NotASecretOid`]; what the calls say.
pub async fn secret(session: &Session, text: &str) -> Result<Secret, Failure> {
    let api = session.api()?;
    let namespace = session.namespace();
    let not_found = || missing(session, "secret", text);
    let name = match SecretName::parse(text)? {
        SecretName::Id(id) => return api.secret(id).await.of(session)?.ok_or_else(not_found),
        SecretName::Typed(kind, name) => {
            return api.secret_named(kind, namespace, &name).await.of(session)?.ok_or_else(not_found);
        }
        SecretName::NoId(_) => return Err(not_found()),
        SecretName::Foreign(name) => name,
    };
    let mut found = Vec::new();
    for (kind, _) in shape::TYPES {
        found.extend(api.secret_named(kind, namespace, &name).await.of(session)?);
    }
    match found.len() {
        0 => Err(not_found()),
        1 => found.pop().ok_or_else(not_found),
        _ => {
            let shown =
                found.iter().map(|row| format!("{}/{}", shape::type_name(row.id.kind), row.id)).collect();
            Err(Failure::SecretAmbiguous { id: text.to_owned(), found: shown })
        }
    }
}

/// Finds a broker credential by its id or foreign id.
///
/// # Errors
/// [`Failure::NotFound`]; what the call says.
pub async fn credential(session: &Session, text: &str) -> Result<Credential, Failure> {
    let api = session.api()?;
    let not_found = || missing(session, "broker credential", text);
    let found = if BrokerCredentialId::claims(text) {
        let Ok(id) = text.parse() else { return Err(not_found()) };
        api.credential(id).await.of(session)?
    } else {
        refuse_oid(text, "the id of a broker credential; expected bcr_")?;
        api.credential_named(session.namespace(), text).await.of(session)?
    };
    found.ok_or_else(not_found)
}

/// Nothing goes by this name.
pub fn missing(session: &Session, kind: &'static str, id: &str) -> Failure {
    Failure::NotFound { kind, id: id.to_owned(), namespace: session.namespace().to_owned() }
}

/// A role or secret that a principal or role of another namespace cannot have.
///
/// # Errors
/// [`Failure::NotFound`] with the namespace that was looked in.
pub fn same_namespace(kind: &'static str, called: &str, its: &str, wanted: &str) -> Result<(), Failure> {
    if its == wanted {
        return Ok(());
    }
    Err(Failure::NotFound { kind, id: called.to_owned(), namespace: wanted.to_owned() })
}

/// A word that begins as the id of some kind of object does, and is one.
fn is_oid_like(text: &str) -> bool {
    const PREFIXES: [&str; 17] = [
        "prn_", "role_", "grant_", "prx_", "bcr_", "oap_", "ak_", "usr_", "ssr_", "gas_", "gid_", "aas_",
        "ots_", "pgs_", "hms_", "prole_", "aud_",
    ];
    PREFIXES
        .iter()
        .filter_map(|prefix| text.strip_prefix(prefix))
        .any(|code| (8..=13).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn refuse_oid(text: &str, wanted: &'static str) -> Result<(), Failure> {
    if is_oid_like(text) { Err(Failure::WrongKind { id: text.to_owned(), wanted }) } else { Ok(()) }
}

/// `KEY=VALUE`, split at the first `=`.
///
/// # Errors
/// [`Failure::BadPair`]
pub fn pair(option: &'static str, text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::BadPair { option, text: text.to_owned() }),
    }
}

/// What a principal is called in texts: its foreign id, else its id.
pub fn called(principal: &Principal) -> String {
    principal.called()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_id_by_type_or_by_foreign_id() {
        let parse = |text: &str| SecretName::parse(text);
        assert!(matches!(parse("ssr_kxIQLCuJ"), Ok(SecretName::Id(_))));
        assert_eq!(parse("ssr_garbage").unwrap(), SecretName::NoId("ssr_garbage".to_owned()));
        assert_eq!(parse("gcp_auth/a").unwrap(), SecretName::Typed(SecretKind::GcpAuth, "a".to_owned()));
        assert_eq!(parse("tool-github").unwrap(), SecretName::Foreign("tool-github".to_owned()));
        for (text, code) in
            [("prn_5CO4fITZ", "not_a_secret_oid"), ("bcr_9M4ZKJbu", "not_a_secret_oid"), ("gcp/a", "usage")]
        {
            assert_eq!(parse(text).unwrap_err().code(), code, "{text}");
        }
        // Names that only look a little like ids are names.
        assert!(matches!(parse("role_of_the_week"), Ok(SecretName::Foreign(_))));
    }

    #[test]
    fn a_pair_is_split_at_the_first_equals_sign_and_needs_a_key() {
        assert_eq!(pair("--label", "a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(pair("--label", "a=").unwrap(), ("a".to_owned(), String::new()));
        for text in ["=b", "a", ""] {
            assert_eq!(
                pair("--label", text).unwrap_err().to_string(),
                format!("--label wants KEY=VALUE, not {text}")
            );
        }
    }
}
