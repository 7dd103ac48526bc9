//! Any text is the address of the database that the document names, or refused without being repeated; and any URL is a
//! token endpoint or none.
#![no_main]

use centaur_console::definition::{Context, KnownCredentials, SecretKind, parse};
use centaur_console::wire::{Address, Attributes};
use centaur_oauth::EndpointRules;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|input: (&str, &str)| {
    let (text, database) = input;
    let in_url = format!("postgres://u:{text}FakePassword@db.test/app");
    let in_keywords =
        format!("host=db.test password='{}FakePassword' dbname=app", text.replace(['\'', '\\'], ""));
    for dsn in [text, &in_url, &in_keywords] {
        let source = json!({"source_type":"control_plane","config":{},"secret":dsn});
        let document = json!({"foreign_id":"pg","database":database,"dsn":source});
        let Value::Object(members) = document else { return };
        let known = KnownCredentials::default();
        let context = Context { existing: None, credentials: &known };
        if let Err(problems) = parse(SecretKind::PgDsn, &mut Attributes::new(members), Address::New, &context)
        {
            let is_told = format!("{problems:?}").contains("FakePassword");
            assert!(!is_told || input.0.contains("FakePassword") || database.contains("FakePassword"));
        }
    }
    let Ok(rules) = EndpointRules::parse(database, false) else { return };
    if rules.check(input.0).is_ok() {
        let host = input.0.split("://").nth(1).unwrap_or_default();
        assert!(!host.split(['/', '?']).next().unwrap_or_default().contains('@'), "{input:?}");
    }
});
