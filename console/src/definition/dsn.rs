//! The database that a PostgreSQL connection string names, read as libpq reads it (its documentation, section
//! "Connection Strings"): a URI, or keywords with values.

use percent_encoding::percent_decode_str;

/// What a connection string says about the database.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// The string is not one that libpq takes, so nothing can be said.
    Unknown,
    /// It names none.
    None,
    /// It names this one.
    Named(String),
}

/// Reads the string. A URI has to begin with its scheme; everything else is keywords.
pub(super) fn database_of(dsn: &str) -> Database {
    let uri = ["postgresql://", "postgres://"].iter().find_map(|scheme| dsn.strip_prefix(scheme));
    let found = match uri {
        Some(rest) => in_uri(rest),
        None => in_keywords(dsn),
    };
    match found {
        Err(Malformed) => Database::Unknown,
        Ok(None) => Database::None,
        Ok(Some(name)) => Database::Named(name),
    }
}

struct Malformed;

/// `[user[:password]@][host[:port],…][/database][?key=value&…]`; a `dbname` in the query counts over the path.
fn in_uri(rest: &str) -> Result<Option<String>, Malformed> {
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    // Everything in front of the hosts is user and password, where an escape has to be right too.
    for part in authority.split(['@', ':', ',']) {
        decode(part)?;
    }
    let mut name = Some(decode(path)?).filter(|name| !name.is_empty());
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(Malformed)?;
        let (key, value) = (decode(key)?, decode(value)?);
        // The one pair that libpq translates before it looks at the keyword.
        let is_ssl = key == "ssl" && value == "true";
        if !is_ssl && !KEYWORDS.contains(&key.as_str()) {
            return Err(Malformed);
        }
        if key == "dbname" {
            name = Some(value).filter(|value| !value.is_empty());
        }
    }
    Ok(name)
}

fn decode(text: &str) -> Result<String, Malformed> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.as_bytes().get(..2).ok_or(Malformed)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) || digits == b"00" {
            return Err(Malformed);
        }
        rest = after.get(2..).ok_or(Malformed)?;
    }
    percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| Malformed)
}

/// `key = value` pairs between white space; a value may be in single quotes, and `\` escapes in both forms.
fn in_keywords(text: &str) -> Result<Option<String>, Malformed> {
    let mut name = None;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).ok_or(Malformed)?;
        let (key, after) = rest.split_at(end);
        let after = after.trim_start().strip_prefix('=').ok_or(Malformed)?.trim_start();
        let (value, after) = value(after)?;
        if !KEYWORDS.contains(&key) {
            return Err(Malformed);
        }
        if key == "dbname" {
            name = Some(value).filter(|value| !value.is_empty());
        }
        rest = after.trim_start();
    }
    // What stands in `dbname` may be a whole connection string.
    match name {
        Some(inner) if inner.contains("://") => match database_of(&inner) {
            Database::Unknown => Err(Malformed),
            Database::None => Ok(None),
            Database::Named(name) => Ok(Some(name)),
        },
        name => Ok(name),
    }
}

fn value(text: &str) -> Result<(String, &str), Malformed> {
    let quoted = text.strip_prefix('\'');
    let mut value = String::new();
    let mut chars = quoted.unwrap_or(text).chars();
    loop {
        let rest = chars.as_str();
        match chars.next() {
            None if quoted.is_some() => return Err(Malformed),
            None => return Ok((value, "")),
            Some('\'') if quoted.is_some() => return Ok((value, chars.as_str())),
            Some(c) if c.is_ascii_whitespace() && quoted.is_none() => return Ok((value, rest)),
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
}

/// Keywords of libpq up to version 18; another one makes the string one that it refuses.
const KEYWORDS: [&str; 53] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "tty",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_found_where_libpq_finds_it() {
        let named = |name: &str| Database::Named(name.to_owned());
        for (dsn, want) in [
            ("postgres://u:p@db.example:5432/analytics", named("analytics")),
            ("postgresql://db.example/analytics?sslmode=require", named("analytics")),
            ("postgresql://[::1]:5432/a%2Db", named("a-b")),
            ("postgresql:///x?dbname=y", named("y")),
            ("postgresql://a,b:5433/x", named("x")),
            ("postgresql://db.example", Database::None),
            ("postgresql://db.example/", Database::None),
            ("postgresql://db.example/a%zz", Database::Unknown),
            ("postgresql://db.example/a%00", Database::Unknown),
            ("postgresql://db.example/x?frob=1", Database::Unknown),
            ("postgresql://db.example/x?ssl=true", named("x")),
            ("host=db dbname=analytics", named("analytics")),
            ("host = db  dbname = 'my db'", named("my db")),
            ("dbname='it\\'s'", named("it's")),
            ("dbname=one dbname=two", named("two")),
            ("dbname=postgres://h/inner", named("inner")),
            ("host=db user=u", Database::None),
            ("host=db dbname=", Database::None),
            ("host=db dbname", Database::Unknown),
            ("dbname='open", Database::Unknown),
            ("frob=1 dbname=x", Database::Unknown),
            ("just text", Database::Unknown),
            ("mysql://h/x", Database::Unknown),
        ] {
            assert_eq!(database_of(dsn), want, "{dsn}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_text_is_read_without_a_panic(
            text in r"(postgres://)?[a-z%/@:?&='\\ é0-9\[\]]{0,24}",
            name in "[a-z][a-z0-9_' \\\\]{0,12}[a-z]",
        ) {
            database_of(&text);
            let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
            proptest::prop_assert_eq!(database_of(&format!("host=h dbname='{quoted}'")), Database::Named(name));
        }
    }
}
