//! Any body of a request is a definition of a secret or a list of what is wrong with it; what is accepted is stored and
//! read back as it was, and no value in it is shown.
#![no_main]

use centaur_console::definition::{
    Body, Context, KnownCredentials, RowMeta, SecretKind, credential_refs, parse, render,
};
use centaur_console::wire::{self, Address};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else { return };
    let kind = SecretKind::ALL[usize::from(first) % SecretKind::ALL.len()];
    let _ = (wire::action(body), wire::config_hash(body));
    let Ok(mut attributes) = wire::attributes(body) else { return };
    let _ = credential_refs(&attributes);
    let known = KnownCredentials::default();
    let context = Context { existing: None, credentials: &known };
    let definition = match parse(kind, &mut attributes, Address::New, &context) {
        Ok(definition) => definition,
        Err(problems) => {
            assert!(!problems.is_empty());
            return;
        }
    };
    assert_eq!(definition.body.kind(), kind);
    let stored = serde_json::to_string(&definition.body).expect("JSON");
    assert_eq!(serde_json::from_str::<Body>(&stored).expect("what was stored"), definition.body);
    let meta = RowMeta {
        id: "ssr_x".to_owned(),
        created_at: 0,
        updated_at: 0,
        created_by: None,
        revision: 1,
        broker_credential_id: None,
    };
    let shown = render(&meta, &definition.identity, &definition.common, &definition.body);
    let shown = serde_json::Value::Object(shown).to_string();
    for (_, value) in definition.values.iter() {
        // A short one may stand anywhere by chance, and a long one only if the document has it twice.
        let value = value.expose();
        let times = String::from_utf8_lossy(body).matches(value.as_str()).count();
        assert!(value.len() < 12 || times > 1 || !shown.contains(value.as_str()), "{shown}");
    }
});
