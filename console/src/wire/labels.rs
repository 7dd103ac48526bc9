//! `labels[key]=value` in lists.

use serde_json::{Map, Value};

use super::{ApiError, Query};

/// Pairs that all have to be among the labels of an object. Empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFilter(Vec<(String, String)>);

impl LabelFilter {
    /// Reads the filter. A key may hold dots; of a repeated key the last value counts.
    ///
    /// # Errors
    /// 400 `labels must be a hash of key=value pairs` for `labels=x`, `label value for k must be a scalar` for
    /// `labels[k][]=x` and deeper.
    pub fn from_query(query: &Query) -> Result<Self, ApiError> {
        let not_a_map = || ApiError::bad_request("labels must be a hash of key=value pairs");
        if query.value("labels").is_some_and(|value| !value.is_empty()) {
            return Err(not_a_map());
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (brackets, value) in query.below("labels") {
            let inner = brackets.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (key, rest) = inner.filter(|(key, _)| !key.is_empty()).ok_or_else(not_a_map)?;
            if !rest.is_empty() {
                return Err(ApiError::bad_request(format!("label value for {key} must be a scalar")));
            }
            match pairs.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => value.clone_into(known),
                None => pairs.push((key.to_owned(), value.to_owned())),
            }
        }
        Ok(Self(pairs))
    }

    /// The pairs, for a query that filters in the store.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Whether all pairs are among the labels. A number or boolean matches as it is written.
    pub fn matches(&self, labels: &Map<String, Value>) -> bool {
        self.0.iter().all(|(key, want)| match labels.get(key) {
            Some(Value::String(text)) => text == want,
            Some(Value::Bool(flag)) => want == if *flag { "true" } else { "false" },
            Some(Value::Number(number)) => {
                let text = number.to_string();
                text == *want
            }
            _ => false,
        })
    }
}
