//! Lists: all pages of one.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::Value;

use super::ApiClient;
use super::call::{Reply, Request};
use super::error::ApiError;
use super::path::Path;
use super::record::Record;

/// Records of a page. The console has at most 200.
const LIMIT: usize = 100;

impl ApiClient {
    /// All pages. A record that moves from one page to the next while they are read is counted once.
    pub(super) async fn all<T: Record>(
        &self,
        path: Path,
        filter: &[(String, String)],
    ) -> Result<Vec<T>, ApiError> {
        let mut known: Vec<T> = Vec::new();
        let mut seen = HashSet::new();
        for page in 1_u64.. {
            let mut query = filter.to_vec();
            query.push(("page".to_owned(), page.to_string()));
            query.push(("limit".to_owned(), LIMIT.to_string()));
            let reply =
                self.send(Request { query: &query, ..Request::new(Method::GET, path.clone()) }).await?;
            let pages = reply.body.get("meta").and_then(|meta| meta.get("total_pages")?.as_u64());
            let found: Vec<T> = rows(&path, reply)?;
            let count = found.len();
            let before = known.len();
            known.extend(found.into_iter().filter(|row| seen.insert(row.key())));
            // A console that knows neither pages nor limits sends the same again and again.
            let is_last = match pages {
                Some(pages) => page >= pages,
                None => count < LIMIT,
            };
            if is_last || known.len() == before {
                break;
            }
        }
        Ok(known)
    }

    /// A list without pages.
    pub(super) async fn whole<T: Record>(&self, path: Path) -> Result<Vec<T>, ApiError> {
        let reply = self.send(Request::new(Method::GET, path.clone())).await?;
        rows(&path, reply)
    }
}

/// `data` as a list of records.
pub(super) fn rows<T: Record>(path: &Path, mut reply: Reply) -> Result<Vec<T>, ApiError> {
    let unexpected = |problem: String| ApiError::unexpected("GET", path, problem);
    let Some(Value::Array(data)) = reply.body.get_mut("data").map(Value::take) else {
        return Err(unexpected("`data` is not a list".to_owned()));
    };
    data.into_iter().map(T::read).collect::<Result<_, _>>().map_err(unexpected)
}
