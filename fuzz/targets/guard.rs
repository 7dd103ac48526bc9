//! The deny list parses or is refused, and no IPv6 form of a denied IPv4 address gets past it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use centaur_net::guard::DialGuard;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u32, u128)| {
    let entries: Vec<&str> = input.0.split(',').collect();
    let guard = DialGuard::parse(&entries).unwrap_or_default();
    let v4 = Ipv4Addr::from_bits(input.1);
    let low = u128::from(input.1);
    if guard.check(IpAddr::V4(v4)).is_err() {
        for high in [0xffff_u128 << 32, 0x0064_ff9b_u128 << 96, 0x0064_ff9b_0001_u128 << 80] {
            assert!(
                guard.check(IpAddr::V6(Ipv6Addr::from_bits(high | low))).is_err(),
                "{v4} {:x}",
                high | low
            );
        }
        let six_to_four = 0x2002_u128 << 112 | low << 80 | (input.2 & ((1 << 80) - 1));
        assert!(guard.check(IpAddr::V6(Ipv6Addr::from_bits(six_to_four))).is_err());
    }
    if let Err(denied) = guard.check(IpAddr::V6(Ipv6Addr::from_bits(input.2))) {
        assert!(denied.range.contains(&denied.address));
    }
});
