//! Settings and what is wrong with them.

use std::collections::HashMap;

use super::*;

const KEYS: &str = "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let map: HashMap<_, _> = pairs.iter().copied().collect();
    Config::from_env(|name| map.get(name).map(|value| (*value).to_owned()), false)
}

fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
    read(pairs).expect_err("a problem").0.into_iter().map(|(variable, _)| variable).collect()
}

#[test]
fn the_defaults_need_only_a_sealing_key() {
    let config = read(&[("CENTAUR_CONSOLE_ENCRYPTION_KEYS", KEYS)]).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:3000");
    assert_eq!(config.database.expose(), "sqlite:centaur-console.db");
    assert_eq!((config.default_roles, config.max_age.as_secs()), (vec!["infra".to_owned()], 900));
    assert!(config.first_user.is_none() && config.api_server.is_none());
}

#[test]
fn the_older_prefix_counts_unless_the_newer_is_set_even_empty() {
    assert!(read(&[("IRON_CONTROL_ENCRYPTION_KEYS", KEYS)]).is_ok());
    let hidden = [("IRON_CONTROL_ENCRYPTION_KEYS", KEYS), ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", "")];
    assert_eq!(problems(&hidden), ["CENTAUR_CONSOLE_ENCRYPTION_KEYS"]);
}

#[test]
fn all_problems_are_told_at_once_without_values() {
    let wrong = [
        ("CENTAUR_CONSOLE_LISTEN", "not-an-address"),
        ("PORT", "99999"),
        ("DATABASE_URL", "mysql://fake-user:fake-password@db"),
        ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", "one:fake-key"),
        ("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "nobody"),
        ("CENTAUR_CONSOLE_INITIAL_API_KEY", "iak_FAKE"),
        ("CENTAUR_CHANNEL_USER_FALLBACK", "sometimes"),
        ("CENTAUR_CONSOLE_CONFIG_MAX_AGE_SECONDS", "5"),
        ("CENTAUR_CONSOLE_METRICS", "on"),
        ("CENTAUR_CONSOLE_RESOLVE_SOURCES", "env"),
    ];
    assert_eq!(
        problems(&wrong),
        [
            "CENTAUR_CONSOLE_LISTEN",
            "PORT",
            "DATABASE_URL",
            "CENTAUR_CONSOLE_ENCRYPTION_KEYS",
            "CENTAUR_CONSOLE_INITIAL_USER_EMAIL",
            "CENTAUR_CONSOLE_INITIAL_USER_PASSWORD",
            "CENTAUR_CONSOLE_INITIAL_API_KEY",
            "CENTAUR_CHANNEL_USER_FALLBACK",
            "CENTAUR_CONSOLE_CONFIG_MAX_AGE_SECONDS",
            "CENTAUR_CONSOLE_METRICS",
            "CENTAUR_CONSOLE_RESOLVE_SOURCES",
        ]
    );
    let text = read(&wrong).expect_err("a problem").to_string();
    for (_, value) in wrong.iter().filter(|(name, _)| name.contains("KEY") || name.contains("URL")) {
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn the_three_keys_of_the_reference_make_one() {
    let all = [
        ("IRON_CONTROL_AR_ENCRYPTION_PRIMARY_KEY", "fake-primary"),
        ("IRON_CONTROL_AR_ENCRYPTION_DETERMINISTIC_KEY", "fake-deterministic"),
        ("IRON_CONTROL_AR_ENCRYPTION_KEY_DERIVATION_SALT", "fake-salt"),
    ];
    assert_eq!(read(&all).unwrap().keys.primary(), "derived");
    assert_eq!(problems(&all[..2]), ["CENTAUR_CONSOLE_AR_ENCRYPTION_KEY_DERIVATION_SALT"]);
}

#[test]
fn a_known_key_seals_only_when_it_is_asked_for() {
    assert_eq!(problems(&[]), ["CENTAUR_CONSOLE_ENCRYPTION_KEYS"]);
    assert!(Config::from_env(|_| None, true).is_ok());
}

#[test]
fn tokens_are_a_prefix_and_lower_case_hexadecimal() {
    let good = format!("iak_{}", "0a".repeat(32));
    assert!(is_token(&good, "iak_"));
    for bad in [good.to_uppercase(), good.replace("iak", "iprx"), format!("{good}0"), good[..67].to_owned()] {
        assert!(!is_token(&bad, "iak_"), "{bad}");
    }
}

#[test]
fn who_is_told_of_deaths_is_a_url_and_what_signs_is_long_enough() {
    let with = |pairs: &[(&'static str, &'static str)]| {
        let mut all = vec![("CENTAUR_CONSOLE_ENCRYPTION_KEYS", KEYS)];
        all.extend(pairs);
        read(&all)
    };
    let (url, secret) = ("CENTAUR_CONSOLE_BROKER_WEBHOOK_URL", "CENTAUR_CONSOLE_BROKER_WEBHOOK_SECRET");
    let good = with(&[(url, "https://hooks.test/fake-path?x=1"), (secret, "fake-secret-of-16")]).unwrap();
    assert!(good.broker.webhook.is_some_and(|webhook| webhook.secret.is_some()));
    assert!(with(&[(url, "http://hooks.test")]).unwrap().broker.webhook.is_some());
    assert!(with(&[]).unwrap().broker.webhook.is_none());
    for (pairs, wrong) in [
        (vec![(url, "hooks.test/fake-path")], url),
        (vec![(url, "ftp://hooks.test/fake-path")], url),
        (vec![(url, "https://fake-user:fake-password@hooks.test")], url),
        (vec![(url, "https://hooks.test"), (secret, "fake-short")], secret),
        (vec![(secret, "fake-secret-of-16")], secret),
    ] {
        let problems = with(&pairs).expect_err("a problem");
        assert_eq!(problems.0.iter().map(|(variable, _)| variable.as_str()).collect::<Vec<_>>(), [wrong]);
        assert!(!problems.to_string().contains("fake-"), "{problems}");
    }
}
