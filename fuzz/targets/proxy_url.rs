//! The settings of a proxy further up are read or refused, and no error repeats a password.
#![no_main]

use centaur_net::chain::Chain;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (url, no_proxy, target) = input;
    let with_password = format!("http://u:FakePassword@{url}");
    if let Err(error) = Chain::parse(&with_password, url, no_proxy) {
        assert!(!error.to_string().contains("FakePassword"), "{error}");
    }
    let (Ok(chain), Ok(host)) = (Chain::parse(url, url, no_proxy), CanonicalHost::parse(target)) else {
        return;
    };
    let _ = chain.for_target(Scheme::Https, &host, 443);
});
