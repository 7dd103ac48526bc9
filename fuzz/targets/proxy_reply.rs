//! Whatever a proxy further up answers, the handshake ends.
#![no_main]

use centaur_net::chain::{Chain, Route, connect, socks};
use centaur_net::dial::Target;
use centaur_policies::host::CanonicalHost;
use centaur_policies::pattern::Scheme;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncWriteExt as _, duplex};

fuzz_target!(|reply: &[u8]| {
    let chain = Chain::parse("socks5://u:fake@p.test", "http://u:fake@p.test", "").expect("sound settings");
    let host = CanonicalHost::parse("a.test").expect("a host");
    let target = Target { host: "a.test", port: 443 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        for scheme in [Scheme::Http, Scheme::Https] {
            let (mut ours, mut theirs) = duplex(reply.len() + 1024);
            theirs.write_all(reply).await.expect("room");
            // They end their side; what we say still has room to go.
            theirs.shutdown().await.expect("open");
            match chain.for_target(scheme, &host, 443) {
                Route::Http(proxy) => drop(connect::tunnel(&mut ours, &target, proxy).await),
                Route::Socks(proxy) => drop(socks::tunnel(&mut ours, &target, proxy).await),
                Route::Direct => panic!("not direct"),
            }
        }
    });
});
