//! Any answer to a sync is read or refused, and nothing that is not a file of this proxy is taken for one.
#![no_main]

use std::time::SystemTime;

use centaur_client::base::BaseUrl;
use centaur_client::sync::Payload;
use centaur_client::token::TokenSource;
use iron_proxy::managed::keep::Keeper;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(payload) = Payload::parse(body) {
        assert!(!payload.identity().is_empty());
        let _ = payload.is_update();
    }
    let path = std::env::temp_dir().join(format!("centaur-fuzz-{}", std::process::id()));
    if std::fs::write(&path, body).is_err() {
        return;
    }
    let console = BaseUrl::parse("http://console.test").expect("an address");
    let token = TokenSource::Value(centaur_base::Secret::new("fake-token".to_owned()));
    let restored = Keeper::new(path.clone(), console, token, Box::new(SystemTime::now)).restore();
    assert!(restored.is_err(), "nobody has sealed this");
    let _ = std::fs::remove_file(path);
});
