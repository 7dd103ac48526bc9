//! What manifests may look like, and what they come to.

use super::*;
use crate::manifest::{Http, Inject, Kind, List, Placement, Replace, Timeout};

#[test]
fn a_file_without_a_table_of_ours_is_a_tool_without_credentials() {
    let read = read("[project]\nname = \"package\"\ndescription = \"\"\"\n  Does it.\n\"\"\"\n");
    let manifest = read.manifest.unwrap();
    assert_eq!(manifest.kind, Kind::Tool);
    assert_eq!(manifest.package, "package");
    assert_eq!(manifest.description.as_deref(), Some("Does it."));
    assert_eq!(
        (manifest.module.as_str(), manifest.commands.as_slice()),
        ("client.py", &["t".to_owned()][..])
    );
    assert!(manifest.entries().next().is_none() && read.warnings.is_empty());
    assert_eq!(super::read("").manifest.unwrap().package, "t");
}

#[test]
fn a_persona_has_a_prompt() {
    let kind = |keys: &str| {
        super::read(&format!("[tool.centaur]\ntype = \"persona\"\n{keys}")).manifest.unwrap().kind
    };
    let persona = |prompt: &str, engine: Option<&str>| Kind::Persona {
        prompt: prompt.to_owned(),
        engine: engine.map(str::to_owned),
    };
    assert_eq!(kind(""), persona("PROMPT.md", None));
    assert_eq!(kind("prompt = \"a.md\"\nengine = \"codex\""), persona("a.md", Some("codex")));
    assert_eq!(kind("prompt = \"a.md\"\nprompt_file = \"b.md\""), persona("b.md", None));
}

#[test]
fn a_limit_of_time_is_seconds_or_none() {
    let timeout =
        |value: &str| super::read(&format!("tool.centaur.timeout_s = {value}")).manifest.unwrap().timeout;
    assert_eq!(timeout("1_000"), Some(Timeout::Seconds(1000.0)));
    assert_eq!(timeout("\"2.5\""), Some(Timeout::Seconds(2.5)));
    assert_eq!(timeout("\"disabled\""), Some(Timeout::Unlimited));
    assert_eq!(timeout("nan"), None);
}

#[test]
fn a_string_is_a_placeholder_in_the_usual_headers() {
    let [entry] = &*entries("[tool.centaur]\nhosts = [\"A.example.net\"]\noptional_secrets = [\" KEY \"]")
    else {
        panic!()
    };
    assert_eq!((entry.list, entry.index, entry.name.as_str()), (List::Optional, 0, "KEY"));
    let Binding::Http(Http { secret_ref, hosts, placement: Placement::Replace(replace) }) = &entry.binding
    else {
        panic!("{entry:?}")
    };
    assert_eq!((secret_ref.as_str(), hosts.as_slice()), ("KEY", &["a.example.net".to_owned()][..]));
    assert_eq!(replace.replacer, "KEY");
    assert_eq!(replace.match_headers.len(), 17);
    assert_eq!(replace.match_headers[0], "Authorization");
    assert_eq!(replace.match_headers[16], "/^x-[a-z0-9-]*(api-key|apikey|secret|token|auth|key)$/");
    assert!(!replace.match_path && !replace.match_query);
    assert!(
        replace.match_headers.iter().all(|header| crate::parse::header::pattern_problem(header).is_none())
    );
}

#[test]
fn arrays_and_repeated_tables_are_one() {
    let inline = entries(
        "[tool.centaur]\nsecrets = [{ name = \"A\", hosts = [\"a.example.net\"], match_query = true }, \
         { name = \"B\", hosts = [\"a.example.net\"], match_path = true }]",
    );
    let tables = entries(
        "# A comment.\r\n[[tool.centaur.secrets]]\r\nmatch_query = true\r\nhosts = [\r\n  'a.example.net',\r\n]\r\n\
         name = 'A'\r\n[[tool.centaur.secrets]]\r\nname = \"B\"\r\nhosts = ['A.example.net.']\r\nmatch_path = true\r\n",
    );
    assert_eq!(inline, tables);
}

#[test]
fn hosts_are_inherited_by_some_types_and_never_by_an_empty_list() {
    let tool = |entry: &str| {
        super::read(&format!("[tool.centaur]\nhosts = [\"t.example.net\"]\nsecrets = [{entry}]"))
    };
    let hosts = |entry: &str| tool(entry).manifest.unwrap().required[0].binding.hosts().to_vec();
    assert_eq!(hosts(r#""K""#), ["t.example.net"]);
    assert_eq!(hosts(r#"{ name = "K", match_path = true }"#), ["t.example.net"]);
    assert_eq!(hosts(r#"{ name = "K", match_path = true, hosts = ["e.example.net"] }"#), ["e.example.net"]);
    assert_eq!(hosts(r#"{ name = "B", type = "brokered_token", credential = "c" }"#), ["t.example.net"]);
    assert_eq!(hosts(r#"{ name = "G", type = "gcp_auth" }"#), ["*.googleapis.com"]);
    assert_eq!(problems(&tool(r#"{ name = "K", match_path = true, hosts = [] }"#)), ["hosts_invalid"]);
    assert_eq!(
        problems(&tool(r#"{ name = "I", type = "gcp_id_token", audience = "x" }"#)),
        ["hosts_missing"]
    );
    // Hosts of the tool that are wrong are reported once, not for each entry that would inherit them.
    let wrong = super::read("[tool.centaur]\nhosts = [\"*\"]\nsecrets = [\"A\", \"B\"]");
    assert_eq!(problems(&wrong), ["hosts_invalid"]);
}

#[test]
fn what_is_given_is_kept_and_what_is_not_has_a_default() {
    assert_eq!(
        binding(
            r#"{ name = "K", hosts = ["a"], match_headers = [" X-Key "], replacer = " P ", secret_ref = " R " }"#
        ),
        Binding::Http(Http {
            secret_ref: "R".to_owned(),
            hosts: vec!["a".to_owned()],
            placement: Placement::Replace(Replace {
                replacer: "P".to_owned(),
                match_headers: vec!["X-Key".to_owned()],
                match_path: false,
                match_query: false,
            }),
        })
    );
    // A template is taken as it is written.
    let formatted = r#"{ name = "K", hosts = ["a"], mode = "inject", inject_header = "X", inject_formatter = " {{.Value}} " }"#;
    let Binding::Http(Http { placement: Placement::Inject(Inject::Header { inject_formatter, .. }), .. }) =
        binding(formatted)
    else {
        panic!()
    };
    assert_eq!(inject_formatter.as_deref(), Some(" {{.Value}} "));
    let Binding::BrokeredToken(token) =
        binding(r#"{ name = "b", type = "brokered_token", hosts = ["a"], credential = "bcr_kxIQLCuJ" }"#)
    else {
        panic!()
    };
    assert_eq!(
        (token.inject_header.as_str(), token.inject_formatter.as_str()),
        ("Authorization", "Bearer {{.Value}}")
    );
    assert_eq!((token.credential.as_str(), token.seed), ("bcr_kxIQLCuJ", None));
    let Binding::GcpAuth(gcp) = binding(r#"{ name = "G", type = "gcp_auth", scopes = [] }"#) else {
        panic!()
    };
    assert_eq!(gcp.scopes, ["https://www.googleapis.com/auth/cloud-platform"]);
    let Binding::PgDsn(pg) = binding(r#"{ name = "lower_dsn", type = "pg_dsn", database = "d" }"#) else {
        panic!()
    };
    assert_eq!((pg.secret_ref.as_str(), pg.settings.len()), ("lower_dsn", 0));
}

#[test]
fn all_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let read = super::read(
        "[tool.centaur]\n\
         modul = \"x\"\n\
         secrets = [\n\
         \x20 5,\n\
         \x20 { name = \"A\", type = \"aws_auth\", allowed_regions = [5] },\n\
         ]\n\
         optional_secrets = [{ name = \"B\", hosts = [\"a/b\"], mode = \"inject\", match_path = true }]\n",
    );
    let problems = read.manifest.unwrap_err();
    assert_eq!(
        codes(&problems),
        [
            "entry_shape",
            "hosts_missing",
            "aws_ref_missing",
            "aws_ref_missing",
            "aws_list_invalid",
            "inject_target",
            "hosts_invalid",
            "mode_key_conflict"
        ]
    );
    assert_eq!(
        problems[0].to_string(),
        "tools/t/pyproject.toml:4:3: secrets[0]: is neither a string nor a table [entry_shape]"
    );
    let region = &problems[4];
    assert_eq!(
        (region.index, region.entry.as_deref(), region.key.as_deref()),
        (Some(1), Some("A"), Some("allowed_regions"))
    );
    assert!(
        region.to_string().starts_with("tools/t/pyproject.toml:5:55: secrets[1] A: allowed_regions has"),
        "{region}"
    );
    assert_eq!(problems[6].list, Some(List::Optional));
    let warning = &read.warnings[0];
    assert_eq!(
        warning.to_string(),
        "tools/t/pyproject.toml:2:1: modul means nothing here; did you mean module? [unknown_key]"
    );
}

#[test]
fn keys_inside_of_tables_are_named_by_their_path() {
    let read =
        one(r#"{ name = "D", type = "pg_dsn", database = "d", settings = [{ name = "a", value = 5 }] }"#);
    let problems = read.manifest.unwrap_err();
    assert_eq!(problems[0].key.as_deref(), Some("settings[0].value"));
}

#[test]
fn a_syntax_error_has_a_place() {
    let problems = super::read("[project]\nname = \n").manifest.unwrap_err();
    assert_eq!(problems[0].code.as_str(), "toml_syntax");
    assert_eq!(problems[0].at.unwrap().line, 2);
    let nested = format!("a = {}", "[".repeat(10_000));
    assert!(!super::read(&nested).manifest.unwrap_err().is_empty());
}

proptest::proptest! {
    /// Whatever the text, and whatever stands in the place of a value, there is an answer.
    #[test]
    fn any_text_is_a_manifest_or_a_list_of_problems(text in "(?s).{0,200}", key in "[a-z_]{1,20}", value in "[\"\\[\\]{}a-z0-9=, ]{0,20}") {
        for text in [
            text,
            format!("[tool.centaur]\n{key} = {value}"),
            format!("[[tool.centaur.secrets]]\nname = \"A\"\n{key} = {value}"),
        ] {
            let read = super::read(&text);
            match &read.manifest {
                Ok(_) => {}
                Err(problems) => proptest::prop_assert!(!problems.is_empty()),
            }
        }
    }
}
