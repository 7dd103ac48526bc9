//! The schemas of everything that is sent and shown. `X` is what answers show; `XWrite` is what a create or an upsert
//! takes, `XUpdate` what an update takes where that is less.
//!
//! What is written is described as far as a schema can say it: what depends on the database or on several attributes at
//! once is said by the 422.

mod access;
mod audit;
mod broker;
mod effective;
mod grant;
mod principal;
mod proxy;
mod secrets;
mod shared;
mod source;
mod user;

use serde_json::{Map, Value};

/// A name in the components, and its schema.
type Named = (&'static str, Value);

/// All of them.
pub(super) fn all() -> Value {
    let parts: [Vec<Named>; 11] = [
        shared::all(),
        principal::all(),
        grant::all(),
        source::all(),
        secrets::all(),
        broker::all(),
        access::all(),
        proxy::all(),
        effective::all(),
        audit::all(),
        user::all(),
    ];
    Value::Object(parts.into_iter().flatten().map(named).collect::<Map<_, _>>())
}

fn named((name, schema): Named) -> (String, Value) {
    (name.to_owned(), schema)
}
