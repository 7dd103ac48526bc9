//! An id is accepted in one spelling, by one type alone.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use centaur_base::oid::{ApiKeyId, BrokerCredentialId, GrantId, PrincipalId, ProxyId, RoleId, UserId};
use centaur_console::definition::SecretKind;
use centaur_console::wire::is_url_safe;
use libfuzzer_sys::fuzz_target;

fn read<T: FromStr + Display>(text: &str) -> usize {
    let Ok(id) = text.parse::<T>() else { return 0 };
    assert_eq!(id.to_string(), text);
    assert!(is_url_safe(text), "{text:?}");
    1
}

fuzz_target!(|text: &str| {
    let secrets = SecretKind::ALL.iter().filter(|kind| {
        let id = centaur_base::oid::SecretId::parse(**kind, text);
        id.is_ok_and(|id| {
            assert_eq!(id.to_string(), text);
            true
        })
    });
    let count = secrets.count()
        + read::<ApiKeyId>(text)
        + read::<BrokerCredentialId>(text)
        + read::<GrantId>(text)
        + read::<PrincipalId>(text)
        + read::<ProxyId>(text)
        + read::<RoleId>(text)
        + read::<UserId>(text);
    assert!(count <= 1, "{text:?}");
});
