//! `check FILE`: everything that is wrong or odd with a configuration, at once.

use std::process::ExitCode;

use super::flags::{self, Command};
use crate::auth::ClientAuth;
use crate::ca::Authority;
use crate::config::{Config, TlsMode};
use crate::harness::Reason;
use crate::pipeline::Pipeline;
use crate::server_tls;
use crate::sources::SourcePool;

const COMMAND: &Command = &Command {
    words: Some("iron-proxy check FILE"),
    flags: &[],
    about: "Says everything that is wrong or odd with a configuration, at once: errors, which stop a start; warnings \
            about what\nis probably not meant; notes about what has no effect. The environment counts as it would at \
            a start. Exits with 1 if\nthere are errors.\n",
};

pub(super) fn main(args: &[String]) -> ExitCode {
    let flags = match flags::parse("check", COMMAND, args) {
        Ok(flags) => flags,
        Err(error) => return super::usage(&error),
    };
    let [path] = flags.rest() else { return super::fail("check takes one file: iron-proxy check FILE") };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return super::fail(&format!(
                "opening config file: open {path}: {}",
                crate::ca::errno_text(&error)
            ));
        }
    };
    let env = |name: &str| std::env::var(name).ok();
    let report = crate::config::check(&text, &env);
    for warning in &report.warnings {
        super::say(&format!("warning: {warning}"));
    }
    for note in &report.notes {
        super::say(&format!("note: {note}"));
    }
    if let Ok(loaded) = Config::parse(&text, &env) {
        for problem in files(&loaded.config) {
            super::say(&format!("warning: a start on this machine would fail: {problem}"));
        }
        for note in answered(loaded.config) {
            super::say(&format!("note: {note}"));
        }
    }
    match &report.errors {
        None => super::out(&format!("{path}: ok\n")),
        Some(errors) => {
            errors.lines().iter().for_each(|line| super::say(&format!("error: {line}")));
            ExitCode::from(super::FAILURE)
        }
    }
}

/// Which requests are answered here instead of being forwarded.
fn answered(mut config: Config) -> Vec<String> {
    if config.tls.mode == TlsMode::SniOnly {
        return Vec::new();
    }
    let transforms = std::mem::take(&mut config.transforms);
    let logins = config.proxy.harness_logins;
    let Ok(pipeline) = Pipeline::build(transforms, &logins, &SourcePool::default()) else {
        return Vec::new();
    };
    let note = |reason: &Reason| {
        let urls: Vec<String> = reason.login.token_urls.iter().map(ToString::to_string).collect();
        format!("proxy.harness_logins: POST {} is answered with stand-ins: {reason}", urls.join(", "))
    };
    pipeline.harness().all().iter().map(note).collect()
}

/// What is wrong with the files that a start reads. No error: a machine that only checks need not have them.
fn files(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if let (TlsMode::Mitm, Some(cert), Some(key)) = (config.tls.mode, &config.tls.ca_cert, &config.tls.ca_key)
        && let Err(error) = Authority::load(cert, key)
    {
        problems.push(format!("tls.ca_cert, tls.ca_key: {error}"));
    }
    problems.extend(ClientAuth::load(config.proxy.client_auth.as_ref()).err());
    let client_ca = config.proxy.client_auth.as_ref().and_then(|auth| auth.client_ca.as_deref());
    problems.extend(client_ca.and_then(|path| server_tls::base(Some(path)).err()));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_is_named_with_its_reason() {
        let found = |header: &str, proxy: &str| {
            let text = format!(
                "dns: {{enabled: false}}\ntls: {{ca_cert: /c, ca_key: /k}}\n{proxy}transforms: [{{name: secrets, config: \
                 {{secrets: [{{source: {{type: env, var: T}}, rules: [{{host: chatgpt.com}}], inject: {{header: {header}}}}}]}}}}]\n"
            );
            answered(Config::parse(&text, &|_| None).unwrap().config)
        };
        let note = "proxy.harness_logins: POST https://auth.openai.com/oauth/token is answered with stand-ins: a token \
                    call of openai-codex, since T sets Authorization on chatgpt.com";
        assert_eq!(found("authorization", ""), [note]);
        assert_eq!(found("X-Other", ""), [""; 0]);
        assert_eq!(found("Authorization", "proxy: {harness_logins: {answer: never}}\n"), [""; 0]);
    }

    #[test]
    fn files_that_a_start_would_miss_are_named_by_their_key() {
        let dir = tempfile::tempdir().unwrap();
        let pair = crate::ca::generate(crate::ca::Algorithm::P256, "test", 1).unwrap();
        let (cert, key) = (dir.path().join("ca.crt"), dir.path().join("ca.key"));
        std::fs::write(&cert, &pair.cert).unwrap();
        std::fs::write(&key, pair.key.expose()).unwrap();
        let found = |key: &std::path::Path, auth: &str| {
            let text = format!(
                "dns: {{enabled: false}}\ntls: {{ca_cert: {}, ca_key: {}}}\n{auth}",
                cert.display(),
                key.display()
            );
            files(&Config::parse(&text, &|_| None).unwrap().config)
        };
        assert_eq!(found(&key, ""), [""; 0]);
        let auth = "proxy: {client_auth: {token_file: /nonexistent/t, client_ca: /nonexistent/c}}";
        let all = found(std::path::Path::new("/nonexistent/k"), auth);
        for (problem, key) in
            all.iter().zip(["tls.ca_cert, tls.ca_key: reading CA key", "token_file", "client_ca"])
        {
            assert!(problem.contains(key), "{all:?}");
        }
        assert_eq!(all.len(), 3);
    }
}
