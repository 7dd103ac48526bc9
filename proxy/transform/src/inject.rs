//! Setting a value whatever the client sent: a header, or one query parameter.

use centaur_base::Secret;
use centaur_policies::spec::{InjectPlace, InjectSpec};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use zeroize::Zeroizing;

use crate::escape::{Spell, percent_decode};
use crate::format::{Formatter, RunError, TemplateError};
use crate::headers::is_framing;
use crate::swap::{Location, replace_path_and_query, sendable};

/// A compiled `inject` entry.
#[derive(Debug)]
pub struct Inject {
    place: InjectPlace,
    formatter: Option<Formatter>,
}

/// Why an `inject` entry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InjectBuildError {
    /// The formatter does not parse.
    #[error("formatter: {0}")]
    Formatter(#[from] TemplateError),
    /// The header name is no token (RFC 9110 section 5.6.2).
    #[error("{0:?} is not a header name")]
    HeaderName(String),
}

/// Why a value could not be set; the request must not be sent.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The formatter failed while running.
    #[error("formatter: {0}")]
    Formatter(#[from] RunError),
    /// The text holds bytes that cannot stand in a header.
    #[error("the value cannot be sent in a header")]
    Unsendable,
    /// The address would be longer than an address may be.
    #[error("the address became too long")]
    AddressTooLong,
}

/// What was set.
#[derive(Debug)]
pub struct Injected {
    /// Where.
    pub location: Location,
    /// For a header: its spelling as configured.
    pub spelling: Option<(HeaderName, String)>,
    /// The formatted text, for scrubbing.
    pub text: Secret<String>,
}

impl Inject {
    /// Compiles an entry.
    ///
    /// # Errors
    /// A formatter that does not parse or names an unknown function; a header name that is no token.
    pub fn new(spec: &InjectSpec) -> Result<Self, InjectBuildError> {
        if let InjectPlace::Header(name) = &spec.place
            && HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            return Err(InjectBuildError::HeaderName(name.clone()));
        }
        let formatter =
            spec.formatter.as_deref().filter(|f| !f.is_empty()).map(Formatter::parse).transpose()?;
        Ok(Self { place: spec.place.clone(), formatter })
    }

    /// Sets the value. Other fields and parameters keep their order and bytes. Headers of the framing (`Host`,
    /// `Content-Length`, …) are left alone, as in the reference, where setting them has no effect.
    ///
    /// # Errors
    /// See [`InjectError`]; the request must not be sent then.
    pub fn apply(&self, parts: &mut Parts, value: &str) -> Result<Injected, InjectError> {
        let text = match &self.formatter {
            None => Zeroizing::new(value.to_owned()),
            Some(formatter) => formatter.run(value)?,
        };
        let (location, spelling) = match &self.place {
            InjectPlace::Header(spelled) => {
                let name = HeaderName::from_bytes(spelled.as_bytes()).map_err(|_| InjectError::Unsendable)?;
                set_header(parts, &name, &text)?;
                (Location::Header(spelled.clone()), Some((name, spelled.clone())))
            }
            InjectPlace::Query(name) => {
                set_parameter(parts, name, &text)?;
                (Location::Query(name.clone()), None)
            }
        };
        Ok(Injected { location, spelling, text: Secret::new(text.to_string()) })
    }
}

fn set_header(parts: &mut Parts, name: &HeaderName, text: &str) -> Result<(), InjectError> {
    if !sendable(text) {
        return Err(InjectError::Unsendable);
    }
    if is_framing(name) {
        return Ok(());
    }
    let mut value = HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| InjectError::Unsendable)?;
    value.set_sensitive(true);
    // Replaces all former values in the place of the first.
    parts.headers.insert(name, value);
    Ok(())
}

/// The first parameter of that name takes the value, further ones go, a missing one is appended.
fn set_parameter(parts: &mut Parts, name: &str, text: &str) -> Result<(), InjectError> {
    let mut set = Zeroizing::new(Vec::new());
    Spell::Query.write(name.as_bytes(), &mut set);
    set.push(b'=');
    Spell::Query.write(text.as_bytes(), &mut set);

    let mut pairs: Vec<&[u8]> = Vec::new();
    let mut done = false;
    let query = parts.uri.query().unwrap_or_default();
    for pair in query.split('&').map(str::as_bytes) {
        let key = pair.split(|&b| b == b'=').next().unwrap_or_default();
        if percent_decode(key, true) != name.as_bytes() || pair.is_empty() {
            pairs.push(pair);
        } else if !done {
            done = true;
            pairs.push(&set);
        }
    }
    if !done {
        if query.is_empty() {
            pairs.clear();
        }
        pairs.push(&set);
    }
    let mut address = Zeroizing::new(parts.uri.path().as_bytes().to_vec());
    address.push(b'?');
    address.extend_from_slice(&Zeroizing::new(pairs.join(&b'&')));
    replace_path_and_query(&mut parts.uri, &address).ok_or(InjectError::AddressTooLong)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn inject(place: InjectPlace, formatter: Option<&str>) -> Inject {
        Inject::new(&InjectSpec { place, formatter: formatter.map(str::to_owned), require: false }).unwrap()
    }

    #[test]
    fn a_header_replaces_every_spelling_and_value_and_keeps_its_place() {
        let mut parts = parts("/", &[("a", "1"), ("x-key", "old"), ("b", "1"), ("X-Key", "older")]);
        let entry = inject(InjectPlace::Header("X-KEY".into()), Some("Bearer {{ .Value }}"));
        let injected = entry.apply(&mut parts, "fake-value").unwrap();
        assert_eq!(injected.location.to_string(), "header:X-KEY");
        assert_eq!(injected.spelling.unwrap().1, "X-KEY");
        let fields: Vec<_> = parts.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(fields, [("a", &b"1"[..]), ("x-key", b"Bearer fake-value"), ("b", b"1")]);
        assert!(parts.headers["x-key"].is_sensitive());
    }

    #[test]
    fn a_query_parameter_is_set_once_and_the_rest_keeps_order_and_bytes() {
        let cases = [
            ("/p?z=1&key=a&b;c&%zz=%q&k%65y=b", "/p?z=1&key=fake%2Fv&b;c&%zz=%q"),
            ("/p?z=1", "/p?z=1&key=fake%2Fv"),
            ("/p", "/p?key=fake%2Fv"),
            ("/p?", "/p?key=fake%2Fv"),
            ("/p?key", "/p?key=fake%2Fv"),
            ("/p?keys=1&", "/p?keys=1&&key=fake%2Fv"),
        ];
        for (from, to) in cases {
            let mut parts = parts(from, &[]);
            let entry = inject(InjectPlace::Query("key".into()), None);
            assert_eq!(entry.apply(&mut parts, "fake/v").unwrap().location.to_string(), "query:key");
            assert_eq!(parts.uri.to_string(), to, "{from}");
        }
    }

    #[test]
    fn a_value_with_a_line_end_is_refused_in_a_header_and_encoded_in_a_query() {
        let mut head = parts("/", &[]);
        let error = inject(InjectPlace::Header("x".into()), None).apply(&mut head, "fake\n");
        assert!(matches!(error, Err(InjectError::Unsendable)));
        assert!(head.headers.is_empty());
        inject(InjectPlace::Query("x".into()), None).apply(&mut head, "fake\n").unwrap();
        assert_eq!(head.uri.query(), Some("x=fake%0A"));
    }

    #[test]
    fn headers_of_the_framing_are_not_set() {
        let mut parts = parts("/", &[("host", "a.test")]);
        inject(InjectPlace::Header("Host".into()), None).apply(&mut parts, "b.test").unwrap();
        assert_eq!(parts.headers["host"], "a.test");
    }

    #[test]
    fn an_unknown_function_or_a_bad_name_is_a_build_error() {
        let spec = |place, formatter: Option<&str>| InjectSpec {
            place,
            formatter: formatter.map(str::to_owned),
            require: false,
        };
        assert!(Inject::new(&spec(InjectPlace::Header("x".into()), Some("{{ nope .Value }}"))).is_err());
        assert!(Inject::new(&spec(InjectPlace::Header("x y".into()), None)).is_err());
        assert!(Inject::new(&spec(InjectPlace::Header("x".into()), Some("{{ .Value }}"))).is_ok());
    }
}
