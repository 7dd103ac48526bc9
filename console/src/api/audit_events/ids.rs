//! Object ids of what events name by kind and row.

use centaur_base::oid::{
    ApiKeyId, BrokerCredentialId, GrantId, IdentityId, OauthAppId, Oid, PrincipalId, ProxyId, RoleId,
    SecretId, SecretKind, UserId,
};
use centaur_store::AuditActor;

/// A kind of object: as the log names it, how the id of a row is shown, how an id is read.
type Kind = (&'static str, fn(i64) -> Option<String>, fn(&str) -> Option<i64>);

/// All kinds but the secrets.
const KINDS: [Kind; 9] = [
    ("principal", show::<PrincipalId>, read::<PrincipalId>),
    ("role", show::<RoleId>, read::<RoleId>),
    ("grant", show::<GrantId>, read::<GrantId>),
    ("proxy", show::<ProxyId>, read::<ProxyId>),
    ("api_key", show::<ApiKeyId>, read::<ApiKeyId>),
    ("user", show::<UserId>, read::<UserId>),
    ("identity", show::<IdentityId>, read::<IdentityId>),
    ("oauth_app", show::<OauthAppId>, read::<OauthAppId>),
    ("broker_credential", show::<BrokerCredentialId>, read::<BrokerCredentialId>),
];

fn show<T: Oid>(row: i64) -> Option<String> {
    T::new(row).map(|id| id.to_string())
}

fn read<T: Oid>(text: &str) -> Option<i64> {
    text.parse::<T>().ok().map(Oid::row)
}

/// The id of an object; `None` for what has none, as the settings.
pub(super) fn shown(kind: &str, row: i64) -> Option<String> {
    if let Some(kind) = SecretKind::parse(kind) {
        return Some(SecretId { kind, row }.to_string());
    }
    KINDS.iter().find(|(known, ..)| *known == kind).and_then(|(_, show, _)| show(row))
}

/// Kind and row of an id.
pub(super) fn object(text: &str) -> Option<(String, i64)> {
    let secret = SecretKind::ALL.into_iter().find_map(|kind| SecretId::parse(kind, text).ok());
    if let Some(secret) = secret {
        return Some((secret.kind.as_str().to_owned(), secret.row));
    }
    KINDS.iter().find_map(|(kind, _, read)| Some(((*kind).to_owned(), read(text)?)))
}

/// Who is meant by the id of a user, an API key or a proxy, or by `system`.
pub(super) fn actor(text: &str) -> Option<AuditActor> {
    if text == "system" {
        return Some(AuditActor::System);
    }
    let user = text.parse().ok().map(AuditActor::User);
    let key = || text.parse().ok().map(AuditActor::ApiKey);
    user.or_else(key).or_else(|| text.parse().ok().map(AuditActor::Proxy))
}
