//! What is wrong with a manifest, or worth a word.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::manifest::List;

/// One thing that is wrong ([`Code::is_warning`] says no), or worth a word.
///
/// Shown as `<file>:<line>:<column>: <list>[<index>] <name>: <explanation> [<code>]`, without what is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is, for programs.
    pub code: Code,
    /// The manifest, or the directory.
    pub path: PathBuf,
    /// Where in the file.
    #[serde(flatten)]
    pub at: Option<Position>,
    /// Which list, when it is about an entry.
    pub list: Option<List>,
    /// Which entry, from 0.
    pub index: Option<usize>,
    /// The entry's name, when it has one.
    pub entry: Option<String>,
    /// The key, as a path inside the entry.
    pub key: Option<String>,
    /// The explanation. Never shows a value that could be a credential.
    pub text: String,
}

impl Problem {
    /// One about a file or directory as a whole.
    pub fn of_path(code: Code, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            at: None,
            list: None,
            index: None,
            entry: None,
            key: None,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(at) = self.at {
            write!(f, "{}:{}:", at.line, at.column)?;
        }
        if let (Some(list), Some(index)) = (self.list, self.index) {
            write!(f, " {list}[{index}]")?;
            if let Some(name) = &self.entry {
                write!(f, " {name}")?;
            }
            f.write_str(":")?;
        }
        write!(f, " {} [{}]", self.text, self.code)
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// One list of all codes: the variant, its word, and whether it is a warning.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $word:literal, $warning:literal;)+) => {
        /// What kind of problem it is. The words are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $code,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)+
                }
            }

            /// Whether the manifest counts all the same.
            pub const fn is_warning(self) -> bool {
                match self {
                    $(Self::$code => $warning,)+
                }
            }
        }
    };
}

codes! {
    /// Not valid TOML, or not UTF-8.
    TomlSyntax = "toml_syntax", false;
    /// The file cannot be read, or is too large.
    Unreadable = "unreadable", false;
    /// A key with a value of the wrong type or an impossible one that has no code of its own.
    KeyInvalid = "key_invalid", false;
    /// `secrets` or `optional_secrets` is not an array.
    NotAnArray = "not_an_array", false;
    /// An entry that is neither a string nor a table.
    EntryShape = "entry_shape", false;
    /// An empty string as an entry, or a table without a `name`.
    EmptyName = "empty_name", false;
    /// `type` is not known, or not a string.
    UnknownType = "unknown_type", false;
    /// `secret_ref` is not a non-empty string.
    SecretRefInvalid = "secret_ref_invalid", false;
    /// No hosts, and none to inherit.
    HostsMissing = "hosts_missing", false;
    /// Hosts that are malformed or not allowed.
    HostsInvalid = "hosts_invalid", false;
    /// `mode` is neither `replace` nor `inject`.
    ModeUnknown = "mode_unknown", false;
    /// A key of the other mode.
    ModeKeyConflict = "mode_key_conflict", false;
    /// Replace without any location.
    NoMatchLocation = "no_match_location", false;
    /// `replacer` is not a non-empty string.
    ReplacerInvalid = "replacer_invalid", false;
    /// A variable of the sandbox that the platform owns.
    PlaceholderReserved = "placeholder_reserved", false;
    /// Not a boolean.
    BoolExpected = "bool_expected", false;
    /// `match_headers` is not an array of header names and patterns.
    MatchHeadersInvalid = "match_headers_invalid", false;
    /// Not exactly one of header and query parameter, or one that cannot be set.
    InjectTarget = "inject_target", false;
    /// A formatter for a query parameter.
    FormatterWithoutHeader = "formatter_without_header", false;
    /// A template that does not compile, or uses what is not there.
    TemplateInvalid = "template_invalid", false;
    /// `grant` is not known.
    GrantUnknown = "grant_unknown", false;
    /// No `fields`.
    FieldsMissing = "fields_missing", false;
    /// A field that the grant does not use.
    FieldNotAllowed = "field_not_allowed", false;
    /// A field that the grant needs.
    FieldRequired = "field_required", false;
    /// Neither a reference nor a table of one.
    FieldSourceShape = "field_source_shape", false;
    /// `json_key` is not a non-empty string.
    JsonKeyInvalid = "json_key_invalid", false;
    /// `json_key` where the whole value is meant.
    JsonKeyForbidden = "json_key_forbidden", false;
    /// `token_endpoint` is not an absolute URL.
    TokenEndpointInvalid = "token_endpoint_invalid", false;
    /// No `token_endpoint`.
    TokenEndpointMissing = "token_endpoint_missing", false;
    /// No `audience`.
    AudienceRequired = "audience_required", false;
    /// An `audience` that the grant does not use.
    AudienceForbidden = "audience_forbidden", false;
    /// A header that cannot carry an identity token.
    HeaderNotSupported = "header_not_supported", false;
    /// A reference of an AWS key that is missing, or not a string.
    AwsRefMissing = "aws_ref_missing", false;
    /// Regions or services that are not an array of strings.
    AwsListInvalid = "aws_list_invalid", false;
    /// `credentials` without `secret`, or malformed.
    HmacCredentials = "hmac_credentials", false;
    /// `headers` that are no array of names and values.
    HmacHeaders = "hmac_headers", false;
    /// A word that is none of those allowed.
    HmacEnum = "hmac_enum", false;
    /// No `message`.
    HmacMessage = "hmac_message", false;
    /// No `database`.
    DatabaseMissing = "database_missing", false;
    /// A session variable that cannot be set, or not so.
    SettingInvalid = "setting_invalid", false;
    /// A name that cannot be a variable of the environment.
    EnvNameInvalid = "env_name_invalid", false;
    /// Neither `fields` nor `credential`.
    BrokerFieldsMissing = "broker_fields_missing", false;

    /// A key that means nothing here.
    UnknownKey = "unknown_key", true;
    /// An old word for a type.
    DeprecatedAlias = "deprecated_alias", true;
    /// A host that is an address.
    IpHost = "ip_host", true;
    /// A pattern under a domain where anyone can have a name.
    BroadHost = "broad_host", true;
    /// A placeholder inside another one, on one host.
    PlaceholderOverlap = "placeholder_overlap", true;
    /// Two entries that write the same place, or replace the same placeholder, on one host.
    DuplicateBinding = "duplicate_binding", true;
    /// A `secret_ref` that the type does not use.
    SecretRefIgnored = "secret_ref_ignored", true;
    /// A token endpoint without TLS.
    PlainHttpEndpoint = "plain_http_endpoint", true;
    /// A placeholder that cannot be a variable.
    PlaceholderNotEnvSafe = "placeholder_not_env_safe", true;
    /// A limit of time that cannot be read; the default counts.
    TimeoutIgnored = "timeout_ignored", true;
    /// Two directories of one root with one name.
    ShadowedInRoot = "shadowed_in_root", true;
    /// A tool replaced by a persona of its name, or the other way round.
    KindChanged = "kind_changed", true;
    /// A directory that cannot be listed, or whose name is not UTF-8.
    DirectoryUnreadable = "directory_unreadable", true;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
