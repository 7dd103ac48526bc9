//! Pages of lists.

use serde::Serialize;

use super::{ApiError, Query};

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: u64,
    /// Items per page, 1 to 200.
    pub limit: u32,
}

impl Page {
    /// Reads `page` (default 1, less is 1) and `limit` (default 50, clamped into 1 to 200).
    ///
    /// # Errors
    /// 400 `page must be an integer` or `limit must be an integer`.
    pub fn from_query(query: &Query) -> Result<Self, ApiError> {
        let limit = integer(query, "limit")?.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let number = integer(query, "page")?.unwrap_or(1).max(1);
        Ok(Self { number: number.unsigned_abs(), limit: limit as u32 })
    }

    /// How many items stand before the page; past the end of any list rather than overflowing.
    pub fn offset(self) -> i64 {
        let before = (self.number - 1).saturating_mul(u64::from(self.limit));
        i64::try_from(before).unwrap_or(i64::MAX)
    }

    /// What is said about the page when the whole list has `total` items.
    pub fn meta(self, total: u64) -> Meta {
        Meta {
            page: self.number,
            limit: self.limit,
            total,
            total_pages: total.div_ceil(u64::from(self.limit)),
        }
    }
}

/// `meta` of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// The page asked for.
    pub page: u64,
    /// Items per page.
    pub limit: u32,
    /// Items in the whole list.
    pub total: u64,
    /// Pages in the whole list; 0 when it is empty.
    pub total_pages: u64,
}

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// A decimal integer with an optional sign; one that no machine holds is the largest or smallest there is.
fn integer(query: &Query, key: &str) -> Result<Option<i64>, ApiError> {
    let bad = || ApiError::bad_request(format!("{key} must be an integer"));
    if query.has_below(key) {
        return Err(bad());
    }
    let Some(text) = query.value(key).filter(|text| !text.is_empty()) else { return Ok(None) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let extreme = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Ok(Some(text.parse().unwrap_or(extreme)))
}
