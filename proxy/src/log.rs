//! Operational log lines: one JSON object per line, `time`, `level`, `msg`, then the attributes in order.
//!
//! The audit lines share the stream but not the level filter (see [`crate::audit`]).

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

use crate::json;
use crate::sink::Sink;

/// Sends this process' log events of `level` and above to `sink`. Only the first call in a process has effect.
pub fn init(level: Level, sink: Sink) {
    let _ = tracing_subscriber::registry().with(JsonLines { level, sink }).try_init();
}

struct JsonLines {
    level: Level,
    sink: Sink,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level && ours(metadata.target())
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.level.into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = String::with_capacity(192);
        line.push_str("{\"time\":\"");
        json::now(&mut line);
        line.push('"');
        json::member(&mut line, "level", event.metadata().level().as_str());
        json::member(&mut line, "msg", &fields.message);
        line.push_str(&fields.rest);
        line.push_str("}\n");
        self.sink.write(line.as_bytes());
    }
}

/// Libraries log payload bytes and peer-controlled text; only our own events reach the stream.
fn ours(target: &str) -> bool {
    target.starts_with("iron_proxy") || target.starts_with("centaur")
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Fields {
    fn put(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message.push_str(text);
            return;
        }
        self.rest.push(',');
        json::string(&mut self.rest, field.name());
        self.rest.push(':');
        // Lists travel as JSON text under a name that says so, since events have no list type.
        if let Some(list) = text.strip_prefix(JSON_MARK) {
            self.rest.push_str(list);
        } else {
            json::string(&mut self.rest, text);
        }
    }

    fn raw(&mut self, field: &Field, value: impl fmt::Display) {
        self.rest.push(',');
        json::string(&mut self.rest, field.name());
        let _ = write!(self.rest, ":{value}");
    }
}

/// Marks a text attribute that is JSON already.
pub const JSON_MARK: &str = "\u{1}json:";

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}
