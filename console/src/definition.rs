//! Definitions of secrets: reading them from a request, checking all of them at once, storing and showing them.
//!
//! A definition is a [`Common`] part that all types share, a [`Body`] that one JSON column holds, and [`Values`],
//! which the store seals. Nothing that is written only (`secret` of a source) is ever in the first two, so that
//! nothing made from them can show it. A write is always the whole document: what is absent is reset.
//!
//! One file per type; [`source`](Source) and [`rule`](Rule) are the parts they share.

mod aws_auth;
mod common;
mod context;
mod dsn;
mod gcp_auth;
mod gcp_id_token;
mod hmac;
mod oauth_token;
mod pg_dsn;
mod pg_settings;
mod render;
mod rule;
mod source;
mod static_secret;
mod template;
mod values;

pub use aws_auth::AwsAuth;
pub use centaur_base::SourceType;
pub use centaur_base::oid::SecretKind;
pub use common::Common;
pub use context::{Context, CredentialIndex, CredentialRef, Existing, KnownCredentials, credential_refs};
pub(crate) use gcp_auth::workload_identity;
pub use gcp_auth::{GcpAuth, GcpCredentials};
pub use gcp_id_token::GcpIdToken;
pub use hmac::{Hmac, HmacHeader};
pub use oauth_token::{OauthGrant, OauthToken};
pub use pg_dsn::PgDsn;
pub use pg_settings::{PrincipalField, Setting, SettingValue};
pub use render::{RowMeta, render};
pub(crate) use rule::{METHODS, cidr};
pub use rule::{Rule, Scope};
pub use source::Source;
pub(crate) use source::source_keys;
pub use static_secret::{Inject, Placement, Replace, StaticSecret};
pub use values::Values;

use serde::{Deserialize, Serialize};

use crate::wire::{Address, Attributes, Details, Identity, Reader, identity};
use source::SourceReader;

/// What a secret of one type holds beside the common attributes; the content of one JSON column. Holds no value of a
/// secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// `static_secrets`
    Static(StaticSecret),
    /// `gcp_auth_secrets`
    GcpAuth(GcpAuth),
    /// `gcp_id_token_secrets`
    GcpIdToken(GcpIdToken),
    /// `aws_auth_secrets`
    AwsAuth(AwsAuth),
    /// `oauth_token_secrets`
    OauthToken(OauthToken),
    /// `pg_dsn_secrets`
    PgDsn(PgDsn),
    /// `hmac_secrets`
    Hmac(Hmac),
}

/// A document that passed all checks, ready to be stored.
#[derive(Debug)]
pub struct Definition {
    /// Whose document it is.
    pub identity: Identity,
    /// Name, description, labels.
    pub common: Common,
    /// What belongs to the type.
    pub body: Body,
    /// All values to seal, those kept from the stored document included; they replace what was stored.
    pub values: Values,
}

/// Reads a document of a type: the same for `POST`, `PUT` and `PATCH`. Unknown attributes are ignored.
///
/// # Errors
/// Every problem, under the reference's key and, within sources and rules, under the path too.
pub fn parse(
    kind: SecretKind,
    attributes: &mut Attributes,
    address: Address<'_>,
    context: &Context<'_>,
) -> Result<Definition, Details> {
    let mut problems = Details::new();
    let mut values = Values::default();
    let mut reader = Reader::new(attributes, &mut problems);
    let identity = identity(&mut reader, kind.prefix(), address);
    let common = Common::read(&mut reader);
    let mut sources = SourceReader::new(context, &mut values);
    let body = match kind {
        SecretKind::Static => StaticSecret::read(&mut reader, &mut sources).map(Body::Static),
        SecretKind::GcpAuth => GcpAuth::read(&mut reader, &mut sources).map(Body::GcpAuth),
        SecretKind::GcpIdToken => GcpIdToken::read(&mut reader, &mut sources).map(Body::GcpIdToken),
        SecretKind::AwsAuth => AwsAuth::read(&mut reader, &mut sources).map(Body::AwsAuth),
        SecretKind::OauthToken => OauthToken::read(&mut reader, &mut sources).map(Body::OauthToken),
        SecretKind::PgDsn => PgDsn::read(&mut reader, &mut sources, &identity).map(Body::PgDsn),
        SecretKind::Hmac => Hmac::read(&mut reader, &mut sources).map(Body::Hmac),
    };
    match body {
        Some(body) if problems.is_empty() => Ok(Definition { identity, common, body, values }),
        // A reader that gives up without saying why would let a broken document pass as "fine, but absent".
        None if problems.is_empty() => {
            problems.add("base", "is invalid");
            Err(problems)
        }
        _ => Err(problems),
    }
}

impl Body {
    /// Which type it is.
    pub fn kind(&self) -> SecretKind {
        match self {
            Self::Static(_) => SecretKind::Static,
            Self::GcpAuth(_) => SecretKind::GcpAuth,
            Self::GcpIdToken(_) => SecretKind::GcpIdToken,
            Self::AwsAuth(_) => SecretKind::AwsAuth,
            Self::OauthToken(_) => SecretKind::OauthToken,
            Self::PgDsn(_) => SecretKind::PgDsn,
            Self::Hmac(_) => SecretKind::Hmac,
        }
    }

    /// All sources, by their path in the document, which is also the path of their value in [`Values`].
    pub fn sources(&self) -> Vec<(String, &Source)> {
        match self {
            Self::Static(secret) => secret.sources(),
            Self::GcpAuth(secret) => secret.sources(),
            Self::GcpIdToken(secret) => secret.sources(),
            Self::AwsAuth(secret) => secret.sources(),
            Self::OauthToken(secret) => secret.sources(),
            Self::PgDsn(secret) => secret.sources(),
            Self::Hmac(secret) => secret.sources(),
        }
    }

    /// When the secret applies; none for a database.
    pub fn rules(&self) -> &[Rule] {
        match self {
            Self::Static(secret) => &secret.rules,
            Self::GcpAuth(secret) => &secret.rules,
            Self::GcpIdToken(secret) => &secret.rules,
            Self::AwsAuth(secret) => &secret.rules,
            Self::OauthToken(secret) => &secret.rules,
            Self::PgDsn(_) => &[],
            Self::Hmac(secret) => &secret.rules,
        }
    }

    /// The broker credentials that its sources refer to.
    pub fn credentials(&self) -> Vec<CredentialRef> {
        self.sources().iter().filter_map(|(_, source)| source.credential()).collect()
    }
}

#[cfg(test)]
mod tests;
