//! `proxy.harness_logins`

use std::sync::Arc;

use centaur_policies::host::{Authority, CanonicalHost};
use centaur_policies::path::decode_path;
use centaur_policies::yaml::{Class, Cursor, Fields};
use http::Uri;

use super::env::Context;
use super::tables;
use crate::harness::answer::Shape;
use crate::harness::{Endpoint, HarnessLogins, Login, When};

/// Variable that wins over `answer`, for proxies whose file nobody writes.
pub const HARNESS_LOGINS_ENV: &str = "IRON_PROXY_HARNESS_LOGINS";

const ANSWER: &str = "proxy.harness_logins.answer";

/// Reads the section and the variable.
pub(super) fn read(section: Option<Cursor<'_>>, context: Context<'_>) -> HarnessLogins {
    let mut read = HarnessLogins::default();
    let fields = section.and_then(|cursor| cursor.fields(&tables::HARNESS_LOGINS));
    if let Some(answer) = fields.as_ref().and_then(|fields| fields.key("answer")) {
        match answer.text().map(when) {
            Some(Ok(when)) => read.when = when,
            Some(Err(problem)) => drop(answer.report::<()>(Class::Invalid, format!("{ANSWER} {problem}"))),
            None => {}
        }
    }
    if let Some(value) = context.var(HARNESS_LOGINS_ENV) {
        match when(&value) {
            Ok(when) => read.when = when,
            Err(problem) => context.problem(Class::Environment, format!("{HARNESS_LOGINS_ENV}: {problem}")),
        }
    }
    if let Some(list) = fields.and_then(|fields| fields.key("logins")) {
        let logins = list.items().into_iter().enumerate();
        read.logins = logins.filter_map(|(at, item)| login(at, &item).map(Arc::new)).collect();
        for (at, login) in read.logins.iter().enumerate() {
            if read.logins[..at].iter().any(|other| other.name == login.name) {
                let name = &login.name;
                context.invalid(format!("proxy.harness_logins.logins: {name:?} is there twice"));
            }
        }
    }
    read
}

fn when(word: &str) -> Result<When, String> {
    match word {
        "" | "bound" => Ok(When::Bound),
        "always" => Ok(When::Always),
        "never" => Ok(When::Never),
        other => Err(format!("must be \"bound\", \"always\" or \"never\"; got {other:?}")),
    }
}

fn login(at: usize, item: &Cursor<'_>) -> Option<Login> {
    let fields = item.fields(&tables::HARNESS_LOGIN)?;
    let key = |name: &str| format!("proxy.harness_logins.logins[{at}].{name}");
    let missing = |name: &str| item.report::<()>(Class::Invalid, format!("{} is required", key(name)));
    let name = fields.text("name");
    if name.is_empty() {
        missing("name");
    }
    let shape = match fields.text("shape") {
        "openai" => Some(Shape::OpenAi),
        "claude" => Some(Shape::Claude),
        "" => missing("shape").and(None),
        other => {
            let problem = format!("must be \"openai\" or \"claude\"; got {other:?}");
            item.report(Class::Invalid, format!("{} {problem}", key("shape")))
        }
    };
    let api_hosts = list(&fields, "api_hosts", &key, |text| {
        CanonicalHost::parse(text).map_err(|error| format!("{text:?} {error}"))
    });
    let token_urls = list(&fields, "token_urls", &key, |text| {
        endpoint(text).map_err(|problem| format!("{text:?}: {problem}"))
    });
    for (name, empty) in [("api_hosts", api_hosts.is_empty()), ("token_urls", token_urls.is_empty())] {
        if empty && fields.items(name).is_empty() {
            missing(name);
        }
    }
    Some(Login { name: name.to_owned(), shape: shape?, api_hosts, token_urls })
}

/// The items that can be read; the others are reported.
fn list<T>(
    fields: &Fields<'_>,
    name: &str,
    key: &impl Fn(&str) -> String,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let one = |item: &Cursor<'_>| match read(item.text()?) {
        Ok(value) => Some(value),
        Err(problem) => item.report(Class::Invalid, format!("{}: {problem}", key(name))),
    };
    fields.items(name).iter().filter_map(one).collect()
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let uri: Uri = text.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    if uri.scheme_str() != Some("https") {
        return Err("must begin with https://".to_owned());
    }
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.contains('@') || uri.query().is_some() || text.contains('#') {
        return Err("must have a host and a path, and no user, query or fragment".to_owned());
    }
    let Authority { host, port } = Authority::parse(authority).map_err(|error| error.to_string())?;
    let path = decode_path(uri.path()).map_err(|error| error.to_string())?.into_owned();
    Ok(Endpoint { host, port, path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, check};

    fn load(section: &str, variable: &str) -> Result<Arc<HarnessLogins>, String> {
        let text = format!(
            "dns: {{enabled: false}}\ntls: {{ca_cert: /c, ca_key: /k}}\nproxy: {{harness_logins: {section}}}\n"
        );
        let env = |name: &str| (name == HARNESS_LOGINS_ENV).then(|| variable.to_owned());
        let loaded = Config::parse(&text, &env);
        loaded.map(|loaded| loaded.config.proxy.harness_logins.clone()).map_err(|errors| {
            assert!(check(&text, &env).errors.is_some());
            errors.to_string()
        })
    }

    #[test]
    fn the_variable_wins_and_the_default_is_what_is_bound() {
        for (section, variable, when) in [
            ("null", "", When::Bound),
            ("{}", "", When::Bound),
            ("{answer: always}", "", When::Always),
            ("{answer: always}", "never", When::Never),
            ("{answer: never}", "bound", When::Bound),
        ] {
            let read = load(section, variable).unwrap();
            assert_eq!((read.when, read.logins.len()), (when, 2), "{section} {variable}");
        }
    }

    #[test]
    fn a_list_replaces_the_default() {
        let read = load(
            "{logins: [{name: own, shape: claude, api_hosts: [API.test], token_urls: ['https://id.test:8443/a%2Db', 'https://id2.test/t']}]}",
            "",
        )
        .unwrap();
        let login = &read.logins[0];
        assert_eq!((read.logins.len(), login.name.as_str(), login.shape), (1, "own", Shape::Claude));
        assert_eq!(login.api_hosts[0].as_str(), "api.test");
        let urls: Vec<String> = login.token_urls.iter().map(ToString::to_string).collect();
        assert_eq!(urls, ["https://id.test:8443/a-b", "https://id2.test/t"]);
        assert!(load("{logins: []}", "").unwrap().logins.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_key() {
        let with = |key: &str, value: &str| {
            let mut keys = [
                ("name", "own"),
                ("shape", "openai"),
                ("api_hosts", "[a.test]"),
                ("token_urls", "['https://a.test/t']"),
            ];
            keys.iter_mut().filter(|(name, _)| *name == key).for_each(|pair| pair.1 = value);
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{logins: [{{{}}}]}}", keys.join(", "))
        };
        assert!(load(&with("", ""), "").is_ok());
        let at = "proxy.harness_logins.logins[0]";
        for (section, variable, error) in [
            ("{answers: bound}".to_owned(), "", "field answers not found".to_owned()),
            ("{answer: off}".to_owned(), "", "proxy.harness_logins.answer must be".to_owned()),
            ("{}".to_owned(), "off", "IRON_PROXY_HARNESS_LOGINS: must be".to_owned()),
            (with("name", "''"), "", format!("{at}.name is required")),
            (with("shape", "null"), "", format!("{at}.shape is required")),
            (with("shape", "google"), "", format!("{at}.shape must be")),
            (with("api_hosts", "[]"), "", format!("{at}.api_hosts is required")),
            (with("api_hosts", "['*.test']"), "", format!("{at}.api_hosts: \"*.test\"")),
            (with("token_urls", "null"), "", format!("{at}.token_urls is required")),
            (with("token_urls", "['http://a.test/t']"), "", "must begin with https://".to_owned()),
            (with("token_urls", "['https://u@a.test/t']"), "", "no user, query or fragment".to_owned()),
            (with("token_urls", "['https://a.test/t?x']"), "", "no user, query or fragment".to_owned()),
        ] {
            let found = load(&section, variable).unwrap_err();
            assert!(found.contains(&error), "{section}: {found}");
        }
    }
}
