//! The types of entry. Hosts are patterns in their one spelling; references and names are trimmed; templates are as
//! written.

use serde::Serialize;

use super::field::Fields;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Binding {
    /// A value put into a request.
    Http(Http),
    /// A token that the proxy fetches from a token endpoint.
    OauthToken(OauthToken),
    /// A token that the console keeps fresh for all proxies.
    BrokeredToken(BrokeredToken),
    /// Access tokens of a Google service account.
    GcpAuth(GcpAuth),
    /// Identity tokens of a Google service account.
    GcpIdToken(GcpIdToken),
    /// AWS request signatures.
    AwsAuth(AwsAuth),
    /// Requests signed with a shared key.
    HmacSign(HmacSign),
    /// A PostgreSQL database.
    PgDsn(PgDsn),
    /// A setting that is no credential.
    Plain(Plain),
}

impl Binding {
    /// The word of `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::OauthToken(_) => "oauth_token",
            Self::BrokeredToken(_) => "brokered_token",
            Self::GcpAuth(_) => "gcp_auth",
            Self::GcpIdToken(_) => "gcp_id_token",
            Self::AwsAuth(_) => "aws_auth",
            Self::HmacSign(_) => "hmac_sign",
            Self::PgDsn(_) => "pg_dsn",
            Self::Plain(_) => "plain",
        }
    }

    /// Hosts it applies to; none for a database and a setting.
    pub fn hosts(&self) -> &[String] {
        match self {
            Self::Http(it) => &it.hosts,
            Self::OauthToken(it) => &it.hosts,
            Self::BrokeredToken(it) => &it.hosts,
            Self::GcpAuth(it) => &it.hosts,
            Self::GcpIdToken(it) => &it.hosts,
            Self::AwsAuth(it) => &it.hosts,
            Self::HmacSign(it) => &it.hosts,
            Self::PgDsn(_) | Self::Plain(_) => &[],
        }
    }
}

/// `http`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Http {
    /// The name under which the value is stored.
    pub secret_ref: String,
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// How the value gets into a request.
    #[serde(flatten)]
    pub placement: Placement,
}

/// `mode`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Placement {
    /// In place of a placeholder, in the declared locations alone.
    Replace(Replace),
    /// Written whatever the client sent.
    Inject(Inject),
}

/// `mode = "replace"`; at least one location is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replace {
    /// The placeholder that the sandbox sends.
    pub replacer: String,
    /// Names of headers, or `/patterns/` over them.
    pub match_headers: Vec<String>,
    /// Look in the path.
    pub match_path: bool,
    /// Look in the values of the query.
    pub match_query: bool,
}

/// `mode = "inject"`: where the value goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Inject {
    /// A header.
    Header {
        /// Its name.
        inject_header: String,
        /// A template over `.Value`; the value as it is without one.
        #[serde(skip_serializing_if = "Option::is_none")]
        inject_formatter: Option<String>,
    },
    /// A query parameter.
    Query {
        /// Its name.
        inject_query_param: String,
    },
}

/// `oauth_token`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OauthToken {
    /// The grant.
    pub grant: Grant,
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// An absolute URL.
    pub token_endpoint: String,
    /// Credentials of the grant.
    pub fields: Fields,
    /// Headers of the token request itself.
    pub token_endpoint_headers: Fields,
    /// Scopes asked for.
    pub scopes: Vec<String>,
    /// With `jwt_bearer` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// `grant`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A refresh token.
    RefreshToken,
    /// The client's own credentials.
    ClientCredentials,
    /// A user's name and password.
    Password,
    /// A signed assertion.
    JwtBearer,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RefreshToken, Self::ClientCredentials, Self::Password, Self::JwtBearer];

    /// The word of `grant`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::JwtBearer => "jwt_bearer",
        }
    }

    /// Fields it cannot do without.
    pub const fn required(self) -> &'static [&'static str] {
        match self {
            Self::RefreshToken => &["refresh_token", "client_id"],
            Self::ClientCredentials => &["client_id", "client_secret"],
            Self::Password => &["username", "password", "client_id"],
            Self::JwtBearer => &["issuer", "subject", "private_key"],
        }
    }

    /// Fields it may have besides.
    pub const fn optional(self) -> &'static [&'static str] {
        match self {
            Self::RefreshToken | Self::Password => &["client_secret"],
            Self::ClientCredentials => &[],
            Self::JwtBearer => &["private_key_id"],
        }
    }
}

/// `brokered_token`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokeredToken {
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// Foreign id or OID of the credential of the console's broker.
    pub credential: String,
    /// The header that gets the token.
    pub inject_header: String,
    /// A template over `.Value`.
    pub inject_formatter: String,
    /// What the credential is made of; `None` when it is provisioned elsewhere.
    #[serde(flatten)]
    pub seed: Option<BrokerSeed>,
}

/// What a credential of the broker is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerSeed {
    /// `client_id`, `refresh_token`, perhaps `client_secret`. The refresh token names a whole document, which the
    /// broker rewrites.
    pub fields: Fields,
    /// An absolute URL.
    pub token_endpoint: String,
    /// Headers of the token request.
    pub token_endpoint_headers: Fields,
    /// Scopes asked for.
    pub scopes: Vec<String>,
}

/// `gcp_auth`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcpAuth {
    /// The name under which the key file is stored.
    pub secret_ref: String,
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// Scopes, at least one.
    pub scopes: Vec<String>,
    /// The user to act as, for delegation over a whole domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// `gcp_id_token`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcpIdToken {
    /// The name under which the key file is stored.
    pub secret_ref: String,
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// Who the token is for.
    pub audience: String,
    /// `authorization` or `x-serverless-authorization`; the proxy's default without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// `aws_auth`; the references are names of stored values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AwsAuth {
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// Reference of the key's id.
    pub access_key_id: String,
    /// Reference of the key.
    pub secret_access_key: String,
    /// Reference of the session token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// Regions that may be signed for; any when empty.
    pub allowed_regions: Vec<String>,
    /// Services that may be signed for; any when empty.
    pub allowed_services: Vec<String>,
}

/// `hmac_sign`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HmacSign {
    /// Host patterns, at least one.
    pub hosts: Vec<String>,
    /// `secret`, the key, and what the headers use besides.
    pub credentials: Fields,
    /// What is written, in this order.
    pub headers: Vec<HmacHeader>,
    /// `sha256`, `sha512` or `sha1`.
    pub algorithm: String,
    /// `raw`, `base64` or `hex`.
    pub key_encoding: String,
    /// `base64` or `hex`.
    pub output_encoding: String,
    /// `unix_seconds`, `unix_millis`, `unix_nanos` or `rfc3339`.
    pub timestamp_format: String,
    /// A template of what is signed.
    pub message: String,
    /// Sign requests whose length is not known in advance.
    pub allow_chunked_body: bool,
}

/// A header of a signed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HmacHeader {
    /// Its name.
    pub name: String,
    /// A template over the signature, the time and the credentials.
    pub value: String,
}

/// `pg_dsn`; the entry's name is the variable that the sandbox reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PgDsn {
    /// The name under which the connection string is stored.
    pub secret_ref: String,
    /// The upstream database.
    pub database: String,
    /// The upstream role to assume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Session variables, in this order.
    pub settings: Vec<Setting>,
}

/// One session variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `name` or `class.name`.
    pub name: String,
    /// What it is set to.
    #[serde(flatten)]
    pub value: SettingValue,
}

/// Where the value of a session variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingValue {
    /// As written.
    Value(String),
    /// A label of the principal; empty when it has none.
    PrincipalLabel(String),
    /// A field of the principal.
    PrincipalField(PrincipalField),
}

/// `principal_field`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalField {
    /// Its OID.
    Id,
    /// Its namespace.
    Namespace,
    /// Its name for programs.
    ForeignId,
    /// Its name for people.
    Name,
}

impl PrincipalField {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Id, Self::Namespace, Self::ForeignId, Self::Name];

    /// The word of `principal_field`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Namespace => "namespace",
            Self::ForeignId => "foreign_id",
            Self::Name => "name",
        }
    }
}

/// `plain`: copied from the environment of the control plane into every sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plain {
    /// Its value where the environment has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
