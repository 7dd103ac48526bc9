//! Query strings.

use percent_encoding::percent_decode_str;

use super::ApiError;

/// The parameters of a request, decoded; of a repeated one the last counts. Brackets may be percent-encoded.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`. Octets that are not UTF-8 become U+FFFD, so that nothing here fails.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The value of a parameter.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be there and not be empty, as `namespace`.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub fn required(&self, key: &str) -> Result<&str, ApiError> {
        self.value(key).filter(|value| !value.is_empty()).ok_or_else(|| ApiError::missing_parameter(key))
    }

    /// Whether there is `key[…]`.
    pub fn has_below(&self, key: &str) -> bool {
        self.below(key).next().is_some()
    }

    /// All `key[…]`, as what follows the key (`[a]`, `[a][]`) and the value, in the order sent.
    pub fn below<'a>(&'a self, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(known, value)| {
            let rest = known.strip_prefix(key).filter(|rest| rest.starts_with('['))?;
            Some((rest, value.as_str()))
        })
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
