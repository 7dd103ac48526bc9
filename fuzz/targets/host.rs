//! A canonical host is its own canonical form, in an authority too, and whatever is spelled differently but means the
//! same compares equal.
#![no_main]

use centaur_policies::host::{Authority, CanonicalHost};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(authority) = Authority::parse(text) {
        assert_eq!(Authority::parse(&authority.to_string()).as_ref(), Ok(&authority), "{text:?}");
    }
    let Ok(host) = CanonicalHost::parse(text) else { return };
    assert_eq!(CanonicalHost::parse(host.as_str()).as_ref(), Ok(&host), "{text:?}");
    assert_eq!(CanonicalHost::parse(&host.to_authority()).as_ref(), Ok(&host), "{text:?}");
    assert!(host.as_str().is_ascii() && !host.as_str().bytes().any(|b| b.is_ascii_uppercase()), "{host}");
    assert!(!host.as_str().bytes().any(|b| b.is_ascii_control() || b" /\\@?#%".contains(&b)), "{host}");
    assert!(host.as_str().len() <= 253, "{host}");
    if text.is_ascii() {
        assert_eq!(CanonicalHost::parse(&text.to_ascii_uppercase()).as_ref(), Ok(&host), "{text:?}");
    }
    if let Some(name) = host.as_name() {
        assert_eq!(CanonicalHost::parse(&format!("{name}.")).as_ref(), Ok(&host), "{text:?}");
        assert!(name.parse::<std::net::IpAddr>().is_err(), "{name}");
    }
});
