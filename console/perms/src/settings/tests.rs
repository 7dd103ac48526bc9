use std::collections::HashMap;

use clap::Parser as _;

use super::*;
use crate::args::Cli;

fn resolve(words: &[&str], env: &[(&str, &str)]) -> Result<Settings, Failure> {
    let words = ["centaur-perms"].iter().chain(words).chain(&["roles", "list"]);
    let cli = Cli::try_parse_from(words).unwrap();
    let env: HashMap<String, String> =
        env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Settings::resolve(&cli.globals, &|name| env.get(name).cloned())
}

#[test]
fn a_flag_beats_its_variable_which_beats_the_profile() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("centaur")).unwrap();
    let file = "[context.lab]\nnamespace = \"from-profile\"\nretries = 0\noutput = \"wide\"\n";
    std::fs::write(dir.path().join("centaur/perms.toml"), file).unwrap();
    let home = dir.path().to_str().unwrap();
    let profile =
        [("XDG_CONFIG_HOME", home), ("CENTAUR_PERMS_CONTEXT", "lab"), ("IRON_CONTROL_NAMESPACE", "from-env")];
    let settings = resolve(&[], &profile[..2]).unwrap();
    assert_eq!(
        (settings.namespace.as_str(), settings.retries, settings.output),
        ("from-profile", 0, Output::Wide)
    );
    assert_eq!(resolve(&[], &profile).unwrap().namespace, "from-env");
    assert_eq!(resolve(&["--namespace", "from-flag"], &profile).unwrap().namespace, "from-flag");
    assert_eq!(resolve(&[], &[]).unwrap().namespace, "default");
}

#[test]
fn a_variable_that_is_empty_counts_as_not_set() {
    let settings = resolve(&[], &[("IRON_CONTROL_URL", ""), ("IRON_CONTROL_NAMESPACE", "")]).unwrap();
    assert!(settings.url.is_none() && settings.key.is_none());
    assert_eq!(settings.namespace, "default");
}

#[test]
fn what_does_not_read_is_named_and_no_key_is_repeated() {
    for (words, env, wanted) in [
        (&["--output", "yaml"][..], ("X", "x"), "--output: yaml is none of table, wide, json"),
        (&[], ("CENTAUR_PERMS_OUTPUT", "yaml"), "--output: yaml is none of table, wide, json"),
        (&["--op-ttl", "soon"], ("X", "x"), "--op-ttl: soon is no length of time; write 90s, 10m or 1h"),
        (&["--timeout", "0"], ("X", "x"), "--timeout: has to be at least 1"),
        (
            &["--iron-control-url", "https://ada:fake-word@a.test"],
            ("X", "x"),
            "--iron-control-url: must not hold a user name or a password; the token is given apart",
        ),
    ] {
        let failure = resolve(words, &[env]).unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.code()), (wanted, "bad_option"));
    }
}

#[test]
fn an_unknown_key_of_a_profile_is_an_error_and_so_is_an_unknown_profile() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("centaur")).unwrap();
    let path = dir.path().join("centaur/perms.toml");
    let env = [("XDG_CONFIG_HOME", dir.path().to_str().unwrap())];
    for (file, wanted) in [
        ("[context.lab]\nnamespaces = \"x\"\n", "line 2: unknown field `namespaces`"),
        ("[context.other]\n", "there is no context lab; there are: other"),
        ("[context.lab]\niron-control-api-key = [\"iak_fake\"]\n", "line 2: invalid type: sequence"),
    ] {
        std::fs::write(&path, file).unwrap();
        let text = resolve(&["--context", "lab"], &env).unwrap_err().to_string();
        assert!(text.contains(wanted) && !text.contains("iak_fake"), "{text}");
    }
}

#[test]
fn tool_directories_of_the_options_come_before_those_of_the_variable() {
    let words = ["--tools-dir", "/a", "--tools-dir", "/b"];
    let settings = resolve(&words, &[("TOOL_DIRS", "/c::/d")]).unwrap();
    assert_eq!(settings.tool_dirs, ["/a", "/b", "/c", "/d"].map(PathBuf::from));
}

#[test]
fn the_local_log_can_be_switched_off() {
    let file = |env: &[(&str, &str)]| resolve(&[], env).unwrap().audit_file;
    assert_eq!(file(&[("XDG_STATE_HOME", "/s")]), Some("/s/centaur/perms-audit.jsonl".into()));
    assert_eq!(file(&[("HOME", "/h")]), Some("/h/.local/state/centaur/perms-audit.jsonl".into()));
    assert_eq!(file(&[("HOME", "/h"), ("CENTAUR_PERMS_AUDIT", "off")]), None);
    assert_eq!(file(&[]), None);
}
