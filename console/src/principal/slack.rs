//! What a principal may do in which Slack channel.

use serde_json::{Value, json};

use crate::wire::{ApiError, Attributes, Details, Reader};

/// A row of `slack_channel_permissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackPermission {
    /// In upper case; one row per channel.
    pub channel_id: String,
    /// For people.
    pub channel_name: Option<String>,
    /// `upload_enabled`
    pub upload: bool,
    /// `download_enabled`
    pub download: bool,
    /// `history_enabled`
    pub history: bool,
}

impl SlackPermission {
    /// As a response shows it.
    pub fn shown(&self) -> Value {
        json!({
            "channel_id": self.channel_id,
            "channel_name": self.channel_name,
            "upload_enabled": self.upload,
            "download_enabled": self.download,
            "history_enabled": self.history,
        })
    }
}

/// One row sent for itself; a flag that is absent is on.
///
/// # Errors
/// What is wrong with the row.
pub fn slack_permission(attributes: &mut Attributes) -> Result<SlackPermission, Details> {
    let mut problems = Details::new();
    let row = row(&mut Reader::new(attributes, &mut problems), true);
    problems.into_result()?;
    Ok(row)
}

/// `slack_channel_permissions`: `None` when absent; null and `[]` clear. A flag that is absent is off.
pub(super) fn permissions(reader: &mut Reader<'_>) -> Result<Option<Vec<SlackPermission>>, ApiError> {
    const KEY: &str = "slack_channel_permissions";
    if !reader.has(KEY) {
        return Ok(None);
    }
    let items = match reader.value(KEY) {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(ApiError::unprocessable("slack_channel_permissions must be an array")),
    };
    let mut rows: Vec<SlackPermission> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let Value::Object(members) = item else {
            return Err(ApiError::unprocessable("slack_channel_permissions rows must be objects"));
        };
        let mut members = Attributes::new(members);
        let path = format!("{KEY}[{at}]");
        let mut inner = Reader::nested(&mut members, reader.problems(), &path);
        let row = row(&mut inner, false);
        if rows.iter().any(|known| known.channel_id == row.channel_id) {
            inner.reject("channel_id", "has already been taken");
        }
        rows.push(row);
    }
    rows.sort_by(|one, two| one.channel_id.cmp(&two.channel_id));
    Ok(Some(rows))
}

fn row(reader: &mut Reader<'_>, default: bool) -> SlackPermission {
    let channel_id = reader.text("channel_id").unwrap_or_default().trim().to_ascii_uppercase();
    if !is_channel_id(&channel_id) {
        reader.reject("channel_id", "is not a valid Slack channel ID");
    }
    let channel_name = reader.line("channel_name");
    let mut flag = |key: &str| reader.flag(key).unwrap_or(default);
    let (upload, download, history) =
        (flag("upload_enabled"), flag("download_enabled"), flag("history_enabled"));
    if !(upload || download || history) {
        reader.reject("base", "Select at least one Slack permission");
    }
    SlackPermission { channel_id, channel_name, upload, download, history }
}

/// `C`, `D` or `G`, then eight or more letters and digits.
fn is_channel_id(text: &str) -> bool {
    let rest = text.strip_prefix(['C', 'D', 'G']).unwrap_or_default();
    rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
