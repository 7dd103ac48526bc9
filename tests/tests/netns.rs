//! A network of its own: the sandbox's packets are redirected to the proxy, its names lead there, and there is no
//! other way out.
//!
//! Each test runs itself again inside fresh user and network namespaces (`unshare`), as root of nothing else: ports
//! 53, 80 and 443 are free there, addresses can be added, and nothing that is sent can leave. Inside, a second
//! namespace is the sandbox, joined by a pair of virtual interfaces: 10.77.0.1 is the proxy's side, 10.77.0.2 the
//! sandbox's.

use std::net::SocketAddr;
use std::process::Command;

use centaur_e2e::pki::Pki;
use centaur_e2e::tools::Tool;
use centaur_e2e::world::{NAMES, PLACEHOLDER, REAL};
use centaur_e2e::{Origin, World};

/// Set in the inner run.
const INSIDE: &str = "CENTAUR_E2E_INSIDE";

/// Where the origins are: an address of the proxy's side that is neither loopback nor the sandbox's gateway.
const ORIGIN: &str = "10.78.0.1";

/// Runs the test called `name` again in namespaces of its own; true in the inner run.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::env::current_exe().expect("this test's path");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--"])
        .arg(test)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare, which scripts/install-test-deps installs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "in the namespaces:\n{text}");
    false
}

fn sh(script: &str) {
    let output = Command::new("sh")
        .args(["-euc", script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("sh");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The sandbox: a process that holds a network namespace open until it is dropped.
struct Sandbox(std::process::Child);

impl Sandbox {
    /// Makes the namespace and the link to it. `resolver` is what names are asked from inside.
    fn new() -> Self {
        sh("ip link set lo up
            ip addr add 10.78.0.1/32 dev lo");
        // `cat` waits for its standard input, which ends with this process however that ends.
        let holder = Command::new("unshare")
            .args(["--net", "--", "cat"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("unshare");
        let pid = holder.id();
        // The namespace exists once the program is `cat`, no longer `unshare`.
        let begin = std::time::Instant::now();
        while !std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "cat") {
            assert!(begin.elapsed() < centaur_e2e::wait::PATIENCE, "the namespace did not appear");
            std::thread::yield_now();
        }
        sh(&format!(
            "ip link add proxy type veth peer name eth0 netns {pid}
             ip addr add 10.77.0.1/24 dev proxy
             ip link set proxy up
             nsenter -t {pid} -n ip link set lo up
             nsenter -t {pid} -n ip addr add 10.77.0.2/24 dev eth0
             nsenter -t {pid} -n ip link set eth0 up"
        ));
        Self(holder)
    }

    /// A route to everywhere through the proxy's side, where nothing is forwarded.
    fn route(&self) {
        sh(&format!("nsenter -t {} -n ip route add default via 10.77.0.1", self.0.id()));
    }

    /// A program inside.
    fn tool(&self, name: &str) -> Tool {
        Tool::new("nsenter").args(&["-t", &self.0.id().to_string(), "-n", name])
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn origin(ca: &Pki) -> Origin {
    let at = |port| SocketAddr::new(ORIGIN.parse().expect("address"), port);
    Origin::start_at(ca.server(NAMES, &["h2", "http/1.1"]), at(80), at(443)).await
}

/// Every name that the proxy looks up is the origin's address.
fn lead_to_origin(w: &World) {
    for name in NAMES.iter().chain(&["plain.test"]) {
        w.dns.set(name, &[ORIGIN.parse().expect("address")]);
    }
}

fn curl(sandbox: &Sandbox, w: &World, args: &[&str]) -> Tool {
    let header = format!("Authorization: Bearer {PLACEHOLDER}");
    sandbox
        .tool("curl")
        .args(&["-sS", "--fail", "--max-time", "20", "--cacert", &w.path("ca.crt"), "-H", &header])
        .args(args)
}

#[tokio::test]
async fn redirected_connections_are_judged_by_the_name_they_say() {
    if !inside("redirected_connections_are_judged_by_the_name_they_say") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.route();
    let ca = Pki::new("origins");
    let origin = origin(&ca).await;
    let w = World::usual()
        .proxy_keys("  transparent_listen: \"0.0.0.0:0\"")
        .listener("transparent")
        .start_before(ca, origin)
        .await;
    lead_to_origin(&w);
    // Whatever the sandbox sends by TCP, to whatever address, arrives at the proxy.
    sh(&format!(
        "nft 'add table ip t; add chain ip t pre {{ type nat hook prerouting priority -100; }};
              add rule ip t pre iifname proxy meta l4proto tcp redirect to :{}'",
        w.addr("transparent").port()
    ));
    // 198.51.100.7 is nobody's address; the name decides.
    let to = |name: &str| format!("{name}:443:198.51.100.7");
    let good =
        curl(&sandbox, &w, &["--resolve", &to("a.test"), "https://a.test/echo/raw/identity"]).run().await;
    assert!(good.ok().stdout().contains(PLACEHOLDER));
    w.note_received(good.stdout().as_bytes());
    assert_eq!(w.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    curl(&sandbox, &w, &["--resolve", &to("c.test"), "https://c.test/ok"]).run().await.failed();
    let plain = curl(&sandbox, &w, &["--resolve", "b.test:80:198.51.100.7", "http://b.test/ok"]).run().await;
    assert_eq!(plain.ok().stdout(), "ok");
    // The same address without a name that is allowed goes nowhere.
    curl(&sandbox, &w, &["http://198.51.100.7/ok"]).run().await.failed();
    assert_eq!(w.origin.seen().len(), 2);
    drop(sandbox);
    w.finish_at_least(4).await;
}

#[tokio::test]
async fn names_lead_to_the_proxy_and_there_is_no_route_out() {
    if !inside("names_lead_to_the_proxy_and_there_is_no_route_out") {
        return;
    }
    let sandbox = Sandbox::new();
    let ca = Pki::new("origins");
    let origin = origin(&ca).await;
    let w = World::usual()
        .dns("proxy_ip: \"10.77.0.1\"")
        .env("IRON_DNS_LISTEN", "10.77.0.1:53")
        .env("IRON_PROXY_HTTP_LISTEN", "10.77.0.1:80")
        .env("IRON_PROXY_HTTPS_LISTEN", "10.77.0.1:443")
        .start_before(ca, origin)
        .await;
    lead_to_origin(&w);
    // The sandbox's resolver is the proxy; this mount namespace is the test's own.
    std::fs::write(w.path("resolv.conf"), "nameserver 10.77.0.1\noptions timeout:5 attempts:2\n")
        .expect("write");
    sh(&format!("mount --bind {} $(readlink -f /etc/resolv.conf)", w.path("resolv.conf")));

    let good = curl(&sandbox, &w, &["https://a.test/echo/raw/identity"]).run().await;
    assert!(good.ok().stdout().contains(PLACEHOLDER));
    w.note_received(good.stdout().as_bytes());
    assert_eq!(w.origin.only().header("authorization"), Some(&*format!("Bearer {REAL}")));
    assert_eq!(curl(&sandbox, &w, &["http://b.test/ok"]).run().await.ok().stdout(), "ok");
    curl(&sandbox, &w, &["https://c.test/ok"]).run().await.failed();
    // Around the proxy: the origin itself, another port of the gateway's host, another name server.
    for url in
        [&format!("https://{ORIGIN}/ok")[..], &format!("http://{ORIGIN}/ok"), "http://169.254.169.254/"]
    {
        curl(&sandbox, &w, &["-k", url]).run().await.failed();
    }
    assert_eq!(w.origin.seen().len(), 2);
    drop(sandbox);
    w.finish_at_least(3).await;
}

#[tokio::test]
async fn sni_only_relays_what_is_allowed_and_closes_on_the_rest() {
    if !inside("sni_only_relays_what_is_allowed_and_closes_on_the_rest") {
        return;
    }
    let sandbox = Sandbox::new();
    let ca = Pki::new("origins");
    let origin = origin(&ca).await;
    let w = World::builder()
        .allow("a.test")
        .tls_keys("  mode: sni-only")
        .env("IRON_PROXY_HTTPS_LISTEN", "10.77.0.1:443")
        .start_before(ca, origin)
        .await;
    lead_to_origin(&w);
    std::fs::write(w.path("origin.pem"), w.upstream_ca.cert_pem()).expect("write");
    let get = |name: &str| {
        let to = format!("{name}:443:10.77.0.1");
        let url = format!("https://{name}/target");
        sandbox.tool("curl").args(&[
            "-sS",
            "--fail",
            "--max-time",
            "20",
            "--cacert",
            &w.path("origin.pem"),
            "--resolve",
            &to,
            &url,
        ])
    };
    // The client sees the origin's own certificate: nothing was intercepted.
    assert_eq!(get("a.test").run().await.ok().stdout(), "/target");
    get("c.test").run().await.failed();
    assert_eq!(w.origin.only().sni.as_deref(), Some("a.test"));
    drop(sandbox);
    let audit = w.finish(2).await;
    let allowed = audit.iter().find(|line| line.sni() == "a.test").expect("audited");
    assert_eq!((allowed.action(), allowed.status(), allowed.method()), ("allow", 200, ""));
    assert_eq!(allowed.0["audit"]["mode"], "sni-only");
    assert!(audit.iter().any(|line| line.sni() == "c.test" && line.action() == "reject"));
}

#[tokio::test]
async fn a_credential_in_cleartext_leaves_only_where_the_binding_says_so() {
    if !inside("a_credential_in_cleartext_leaves_only_where_the_binding_says_so") {
        return;
    }
    sh("ip link set lo up; ip addr add 10.78.0.1/32 dev lo");
    for (allow, reaches) in [(false, false), (true, true)] {
        let ca = Pki::new("origins");
        let at = |port| SocketAddr::new(ORIGIN.parse().expect("address"), port);
        let origin = Origin::start_at(ca.server(NAMES, &["http/1.1"]), at(0), at(0)).await;
        let w = World::builder()
            .allow("a.test")
            .secret(&format!(
                "{{source: {{type: env, var: REAL_A}}, rules: [{{host: \"a.test\"}}], allow_plaintext: {allow}, \
                 replace: {{proxy_value: \"{PLACEHOLDER}\", match_headers: [\"Authorization\"]}}}}"
            ))
            .value("REAL_A", REAL)
            .start_before(ca, origin)
            .await;
        lead_to_origin(&w);
        let request = centaur_e2e::Request::get(&w.plain_at("a.test"), "/ok").bearer(PLACEHOLDER);
        let reply = request.on(&mut w.http().await).await;
        assert_eq!(reply.status, if reaches { 200 } else { 403 });
        assert_eq!(w.origin.seen().iter().any(|seen| seen.everything().contains(REAL)), reaches);
        w.finish(1).await;
    }
}
