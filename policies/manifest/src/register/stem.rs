//! Foreign ids of secrets.

use std::collections::HashSet;

use crate::manifest::{Binding, Entry, GcpIdToken};
use crate::slug::{fit, slug};

/// Ids given so far in one tool. The first entry with a stem gets it unchanged, the next one `-2`, and so on.
#[derive(Debug, Default)]
pub(super) struct Claims(HashSet<String>);

impl Claims {
    /// The id of an entry; `None` when it becomes no secret.
    pub(super) fn id(&mut self, role: &str, entry: &Entry) -> Option<String> {
        let name = slug(&entry.name);
        let stem = match &entry.binding {
            Binding::Http(_) | Binding::BrokeredToken(_) => format!("{role}-{name}"),
            Binding::OauthToken(token) => format!("{role}-oauth-{}", slug(&token.token_endpoint)),
            Binding::GcpAuth(_) => format!("{role}-gcp-{name}"),
            Binding::GcpIdToken(token) => format!("{role}-gcp-id-token-{}", slug(&id_token(token))),
            Binding::AwsAuth(_) => format!("{role}-aws-{name}"),
            Binding::HmacSign(_) => format!("{role}-hmac-{name}"),
            // A database is one thing for all tools: its id has no role in it and is not made unique.
            Binding::PgDsn(_) => return Some(fit(slug(without_dsn(&entry.name)))),
            Binding::Plain(_) => return None,
        };
        let numbered = (2..).map(|number: usize| format!("{stem}-{number}"));
        let mut ids = std::iter::once(stem.clone()).chain(numbered).map(fit);
        ids.find(|id| self.0.insert(id.clone()))
    }
}

fn id_token(token: &GcpIdToken) -> String {
    let parts = [Some(&token.secret_ref), Some(&token.audience), token.header.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("-")
}

/// The name without `_dsn` or `-dsn` at its end, in any letter case.
fn without_dsn(name: &str) -> &str {
    let cut = name.len().saturating_sub(4);
    match name.get(cut..) {
        Some(end) if end.eq_ignore_ascii_case("_dsn") || end.eq_ignore_ascii_case("-dsn") => &name[..cut],
        _ => name,
    }
}
