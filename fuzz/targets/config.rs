//! Any text is a configuration or a list of what is wrong with it, and `check` agrees with the start about which.
#![no_main]

use iron_proxy::config::{Config, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let env = |name: &str| (name == "IRON_MANAGEMENT_API_KEY").then(|| "fake-key".to_owned());
    let loaded = Config::parse(text, &env);
    assert_eq!(loaded.is_ok(), check(text, &env).errors.is_none());
    if let Err(errors) = loaded {
        assert!(!errors.headline().is_empty());
        assert!(errors.lines().iter().all(|line| !line.is_empty()));
    }
});
