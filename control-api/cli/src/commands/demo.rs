//! `centaur demo`: four calls of an agent, seen from all three sides, and then a key that is granted and revoked; on
//! loopback alone.
//!
//! Three processes, as in real life: the agent (this binary again, with the placeholder in its environment and
//! nothing else), the proxy (`centaur proxy`), and here the two upstreams. The key is made up at the start and never
//! printed in full.

mod agent;
mod grant;
mod proxy;
mod story;
mod worker;

use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;

use crate::loopback::{Origin, Received};
use crate::printer;
pub use agent::{AGENT, run_agent};
use proxy::DemoProxy;
use story::{Call, Told};
pub use worker::{WORKER, run_worker};

/// The variable, which inside the agent holds its own name.
const KEY: &str = "DEMO_API_KEY";
/// The upstream the key is for. Names under `localhost` are loopback (RFC 6761).
const RIGHT: &str = "api.localhost";
/// An upstream that would like to have the key.
const WRONG: &str = "other.localhost";

/// Runs the demonstration; 0 only if all went as told.
pub fn run() -> u8 {
    match demo() {
        Ok(true) => 0,
        Ok(false) => {
            printer::error("not all went as told; see the lines marked NOT");
            1
        }
        Err(error) => {
            printer::error(format_args!("the demonstration could not run: {error}"));
            1
        }
    }
}

fn demo() -> io::Result<bool> {
    let key = Arc::new(made_up_key()?);
    let wanted = key.clone();
    let right = Origin::start(&[RIGHT], move |request| answer(request, wanted.expose()))?;
    let wrong = Origin::start(&[WRONG], |_| ("200 OK", "thank you for the key".to_owned()))?;
    let proxy = DemoProxy::start(&right, &wrong, &key)?;

    let (right_port, wrong_port) = (right.address().port(), wrong.address().port());
    printer::out(format_args!(
        "A TLS upstream wants a key. The agent's environment has {KEY}={KEY}.\n\
         The key itself, {} ({} characters), is known to the proxy alone\n\
         and bound to {RIGHT}:{right_port}.\n",
        mask(key.expose()),
        key.expose().len()
    ));
    let calls = story::calls(&format!("{RIGHT}:{right_port}"), &format!("{WRONG}:{wrong_port}"));
    let mut good = true;
    for (number, call) in calls.iter().enumerate() {
        let before = (right.received().len(), wrong.received().len());
        let got = ask_agent(&proxy, call)?;
        let mut received = right.received().split_off(before.0);
        let at_wrong = wrong.received().split_off(before.1);
        let leaked = !at_wrong.is_empty();
        received.extend(at_wrong);
        let told = Told { call, got: &got, received: received.first(), leaked, key: key.expose() };
        good &= told.print(number + 1);
    }
    let lines = proxy.stop()?;
    let audit: Vec<&String> = lines.iter().filter(|line| line.contains("\"msg\":\"request\"")).collect();
    printer::out("The proxy's audit lines, shortened:");
    printer::table(&audit.iter().filter_map(|line| story::audit_row(line)).collect::<Vec<_>>());
    if let Some(line) = audit.iter().find(|line| line.contains("\"swapped\"")) {
        printer::out("\nOne of them in full:");
        printer::out_raw(&story::wrap(&story::redact(line, key.expose()), story::WIDTH));
    }
    good &= !audit.is_empty() && lines.iter().all(|line| !line.contains(key.expose()));
    good &= grant::play(&right, &key)?;
    printer::out(
        "\nFor a program of your own:\n\n  \
         centaur run --secret GITHUB_TOKEN@api.github.com -- your-program its arguments\n\n\
         For a console of your own, which keeps running: centaur up\n",
    );
    Ok(good)
}

/// The upstream: no key, no service. One path says the key back, as careless services do.
fn answer(request: &Received, key: &str) -> (&'static str, String) {
    let authorized = request.header("authorization") == Some(&format!("Bearer {key}"));
    match request.path() {
        _ if !authorized => ("401 Unauthorized", "wrong key".to_owned()),
        "/echo" => ("200 OK", format!("you sent me the key {key}")),
        _ => ("200 OK", "welcome, the key is right".to_owned()),
    }
}

fn ask_agent(proxy: &DemoProxy, call: &Call) -> io::Result<String> {
    let output = Command::new("/proc/self/exe")
        .arg(AGENT)
        .args([&proxy.address().to_string(), &proxy.ca_file().to_string_lossy().into_owned()])
        .args([call.authority.as_str(), call.path])
        .arg(if call.with_key { "with-key" } else { "without-key" })
        .env_clear()
        .env(KEY, KEY)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("the agent failed"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn made_up_key() -> io::Result<Secret<String>> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::new(format!("sk-demo-{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// How a key is shown: its kind and its last characters.
fn mask(key: &str) -> String {
    format!("sk-demo-****{}", key.get(key.len().saturating_sub(4)..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_key_shows_four_characters_of_the_random_part() {
        let key = made_up_key().unwrap();
        let shown = mask(key.expose());
        assert!(!shown.contains(key.expose()));
        assert_eq!(shown.chars().filter(|c| *c == '*').count(), 4);
        assert_eq!(shown.len(), "sk-demo-****1234".len());
    }
}
