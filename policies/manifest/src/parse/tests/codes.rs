//! One manifest per code, beside its allowed twin.

use super::*;
use crate::problem::Code;

const HTTP: &str = r#"name = "K", hosts = ["a.example.net"]"#;
const HEADER: &str = r#"name = "K", hosts = ["a.example.net"], match_headers = ["X-Key"]"#;
const INJECT: &str = r#"name = "K", hosts = ["a.example.net"], mode = "inject""#;
const OAUTH: &str = r#"name = "O", type = "oauth_token", hosts = ["a.example.net"]"#;
const CLIENT: &str = r#"grant = "client_credentials", token_endpoint = "https://id.example.net/t""#;
const PAIR: &str = r#"fields = { client_id = "A", client_secret = "B" }"#;
const BROKER: &str = r#"name = "B", type = "brokered_token", hosts = ["a.example.net"]"#;
const ENDPOINT: &str = r#"token_endpoint = "https://id.example.net/t""#;
const ID_TOKEN: &str = r#"name = "I", type = "gcp_id_token", hosts = ["a.example.net"]"#;
const AWS: &str = r#"name = "A", type = "aws_auth", hosts = ["a.example.net"], access_key_id = "X""#;
const PG: &str = r#"name = "D_DSN", type = "pg_dsn""#;

/// An HMAC entry with some of its keys replaced.
fn hmac(with: &str) -> String {
    let mut entry = r#"name = "H", type = "hmac_sign", hosts = ["a.example.net"]"#.to_owned();
    for (key, value) in [
        ("credentials", r#"{ secret = "S", key = "K" }"#),
        ("headers", r#"[{ name = "X-Sig", value = "{{ .Signature }}" }]"#),
        ("algorithm", r#""sha256""#),
        ("key_encoding", r#""raw""#),
        ("output_encoding", r#""hex""#),
        ("timestamp_format", r#""rfc3339""#),
        ("message", r#""{{ .Body }}""#),
    ] {
        if !with.split(", ").any(|part| part.trim_start_matches('!').starts_with(key)) {
            entry.extend([", ", key, " = ", value]);
        }
    }
    let added: Vec<_> = with.split(", ").filter(|part| !part.is_empty() && !part.starts_with('!')).collect();
    if !added.is_empty() {
        entry.push_str(", ");
        entry.push_str(&added.join(", "));
    }
    entry
}

/// What is wrong in an entry, and what is right in its place.
#[test]
fn each_code_of_an_entry_has_its_cause_and_its_allowed_twin() {
    let h = hmac;
    let table = |wrong: String, right: String| (format!("{{ {wrong} }}"), format!("{{ {right} }}"));
    for (code, (wrong, right)) in [
        ("entry_shape", ("5".to_owned(), format!("{{ {HEADER} }}"))),
        ("empty_name", (r#"" ""#.to_owned(), format!("{{ {HEADER} }}"))),
        (
            "empty_name",
            table(format!(r"{HEADER}, x.y = 1").replace(r#"name = "K""#, r#"name = """#), HEADER.to_owned()),
        ),
        ("empty_name", table(HEADER.replace(r#"name = "K", "#, ""), HEADER.to_owned())),
        (
            "unknown_type",
            table(format!(r#"{HEADER}, type = "htttp""#), format!(r#"{HEADER}, type = "http""#)),
        ),
        ("unknown_type", table(format!("{HEADER}, type = 5"), format!(r#"{HEADER}, type = " http ""#))),
        (
            "secret_ref_invalid",
            table(format!(r#"{HEADER}, secret_ref = """#), format!(r#"{HEADER}, secret_ref = "R""#)),
        ),
        ("secret_ref_invalid", table(format!("{HEADER}, secret_ref = 5"), HEADER.to_owned())),
        ("hosts_missing", (r#""KEY""#.to_owned(), format!("{{ {HEADER} }}"))),
        (
            "hosts_missing",
            table(r#"name = "K", match_query = true"#.to_owned(), format!("{HTTP}, match_query = true")),
        ),
        (
            "hosts_missing",
            table(
                format!("{OAUTH}, {CLIENT}, {PAIR}").replace(r#", hosts = ["a.example.net"]"#, ""),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        ("hosts_invalid", table(HEADER.replace(r#"["a.example.net"]"#, "[]"), HEADER.to_owned())),
        ("hosts_invalid", table(HEADER.replace(r#"["a.example.net"]"#, r#"["a", 5]"#), HEADER.to_owned())),
        ("hosts_invalid", table(HEADER.replace(r#"["a.example.net"]"#, r#""a""#), HEADER.to_owned())),
        (
            "hosts_invalid",
            table(HEADER.replace("a.example.net", "*"), HEADER.replace("a.example.net", "*.example.net")),
        ),
        (
            "hosts_invalid",
            table(
                HEADER.replace("a.example.net", "https://a"),
                HEADER.replace("a.example.net", "*.example.net"),
            ),
        ),
        (
            "mode_unknown",
            table(format!(r#"{HEADER}, mode = "Replace""#), format!(r#"{HEADER}, mode = "replace""#)),
        ),
        (
            "mode_key_conflict",
            table(
                format!(r#"{INJECT}, inject_header = "X", match_path = false"#),
                format!(r#"{INJECT}, inject_header = "X""#),
            ),
        ),
        ("mode_key_conflict", table(format!(r#"{HEADER}, inject_formatter = """#), HEADER.to_owned())),
        (
            "mode_key_conflict",
            table(
                format!(r#"{INJECT}, inject_header = "X", replacer = "R""#),
                format!(r#"{HEADER}, replacer = "R""#),
            ),
        ),
        ("no_match_location", table(HTTP.to_owned(), format!("{HTTP}, match_path = true"))),
        (
            "no_match_location",
            table(
                format!("{HTTP}, match_headers = []"),
                format!("{HTTP}, match_headers = [], match_query = true"),
            ),
        ),
        (
            "replacer_invalid",
            table(format!(r#"{HEADER}, replacer = " ""#), format!(r#"{HEADER}, replacer = "P""#)),
        ),
        (
            "placeholder_reserved",
            table(format!(r#"{HEADER}, replacer = "PATH""#), format!(r#"{HEADER}, replacer = "PATHS""#)),
        ),
        ("placeholder_reserved", table(HEADER.replace(r#""K""#, r#""HTTPS_PROXY""#), HEADER.to_owned())),
        (
            "placeholder_reserved",
            table(
                r#"name = "CENTAUR_POSTGRES_DSN", type = "pg_dsn", database = "d""#.to_owned(),
                format!(r#"{PG}, database = "d", secret_ref = "CENTAUR_POSTGRES_DSN""#),
            ),
        ),
        (
            "bool_expected",
            table(
                format!(r#"{HTTP}, match_path = "yes", match_query = true"#),
                format!("{HTTP}, match_path = false, match_query = true"),
            ),
        ),
        ("bool_expected", table(h("allow_chunked_body = 1"), h("allow_chunked_body = true"))),
        ("match_headers_invalid", table(format!(r#"{HTTP}, match_headers = "X""#), HEADER.to_owned())),
        ("match_headers_invalid", table(format!(r#"{HTTP}, match_headers = [""]"#), HEADER.to_owned())),
        (
            "match_headers_invalid",
            table(
                format!(r#"{HTTP}, match_headers = ["/(/"]"#),
                format!(r#"{HTTP}, match_headers = ["/(a)/"]"#),
            ),
        ),
        (
            "match_headers_invalid",
            table(format!(r#"{HTTP}, match_headers = ["/"]"#), format!(r#"{HTTP}, match_headers = ["/a/"]"#)),
        ),
        (
            "match_headers_invalid",
            table(
                format!(r#"{HTTP}, match_headers = ["//"]"#),
                format!(r#"{HTTP}, match_headers = ["/^x-/"]"#),
            ),
        ),
        (
            "match_headers_invalid",
            table(
                format!(r#"{HTTP}, match_headers = ["a/b"]"#),
                format!(r#"{HTTP}, match_headers = ["a-b"]"#),
            ),
        ),
        ("inject_target", table(INJECT.to_owned(), format!(r#"{INJECT}, inject_query_param = "k""#))),
        (
            "inject_target",
            table(
                format!(r#"{INJECT}, inject_header = "X", inject_query_param = "k""#),
                format!(r#"{INJECT}, inject_header = "X""#),
            ),
        ),
        (
            "inject_target",
            table(
                format!(r#"{INJECT}, inject_header = "Host""#),
                format!(r#"{INJECT}, inject_header = "X-Host""#),
            ),
        ),
        (
            "inject_target",
            table(
                format!(r#"{INJECT}, inject_query_param = """#),
                format!(r#"{INJECT}, inject_query_param = "k""#),
            ),
        ),
        (
            "formatter_without_header",
            table(
                format!(r#"{INJECT}, inject_query_param = "k", inject_formatter = "{{{{.Value}}}}""#),
                format!(r#"{INJECT}, inject_header = "k", inject_formatter = "{{{{.Value}}}}""#),
            ),
        ),
        (
            "template_invalid",
            table(
                format!(r#"{INJECT}, inject_header = "k", inject_formatter = "{{{{.Value""#),
                format!(r#"{INJECT}, inject_header = "k", inject_formatter = "{{{{.Value}}}}""#),
            ),
        ),
        (
            "template_invalid",
            table(
                format!(r#"{INJECT}, inject_header = "k", inject_formatter = "{{{{ base46 .Value }}}}""#),
                format!(r#"{INJECT}, inject_header = "k", inject_formatter = "{{{{ base64 .Value }}}}""#),
            ),
        ),
        (
            "template_invalid",
            table(h(r#"message = "{{ .Credentials.key }}""#), h(r#"message = "{{ .Path }}""#)),
        ),
        (
            "template_invalid",
            table(
                h(r#"headers = [{ name = "X"#).replace(
                    "headers = [{ name = \"X",
                    r#"headers = [{ name = "X", value = "{{ .Credentials.other }}" }]"#,
                ),
                h(r#"headers = [{ name = "X"#).replace(
                    "headers = [{ name = \"X",
                    r#"headers = [{ name = "X", value = "{{ .Credentials.key }}" }]"#,
                ),
            ),
        ),
        (
            "grant_unknown",
            table(
                format!(r#"{OAUTH}, grant = "implicit", {ENDPOINT}, {PAIR}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "grant_unknown",
            table(format!("{OAUTH}, {ENDPOINT}, {PAIR}"), format!("{OAUTH}, {CLIENT}, {PAIR}")),
        ),
        ("fields_missing", table(format!("{OAUTH}, {CLIENT}"), format!("{OAUTH}, {CLIENT}, {PAIR}"))),
        (
            "fields_missing",
            table(format!("{OAUTH}, {CLIENT}, fields = {{}}"), format!("{OAUTH}, {CLIENT}, {PAIR}")),
        ),
        (
            "fields_missing",
            table(format!(r#"{OAUTH}, {CLIENT}, fields = "A""#), format!("{OAUTH}, {CLIENT}, {PAIR}")),
        ),
        (
            "field_not_allowed",
            table(
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = "A", client_secret = "B", username = "C" }}"#
                ),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "field_not_allowed",
            table(
                format!(r#"{OAUTH}, {CLIENT}, {PAIR}, token_endpoint_headers = {{ "a b" = "C" }}"#),
                format!(r#"{OAUTH}, {CLIENT}, {PAIR}, token_endpoint_headers = {{ "a-b" = "C" }}"#),
            ),
        ),
        (
            "field_required",
            table(
                format!(r#"{OAUTH}, {CLIENT}, fields = {{ client_id = "A" }}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "field_source_shape",
            table(
                format!(r#"{OAUTH}, {CLIENT}, fields = {{ client_id = 5, client_secret = "B" }}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "field_source_shape",
            table(
                format!(r#"{OAUTH}, {CLIENT}, fields = {{ client_id = "", client_secret = "B" }}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "field_source_shape",
            table(
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ json_key = "k" }}, client_secret = "B" }}"#
                ),
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ secret_ref = "A", json_key = "k" }}, client_secret = "B" }}"#
                ),
            ),
        ),
        (
            "field_source_shape",
            table(
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ secret_ref = "A", ttl = "k" }}, client_secret = "B" }}"#
                ),
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ secret_ref = "A" }}, client_secret = "B" }}"#
                ),
            ),
        ),
        (
            "json_key_invalid",
            table(
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ secret_ref = "A", json_key = "" }}, client_secret = "B" }}"#
                ),
                format!(
                    r#"{OAUTH}, {CLIENT}, fields = {{ client_id = {{ secret_ref = "A", json_key = "k" }}, client_secret = "B" }}"#
                ),
            ),
        ),
        (
            "json_key_forbidden",
            table(
                format!(
                    r#"{BROKER}, {ENDPOINT}, fields = {{ client_id = "A", refresh_token = {{ secret_ref = "B", json_key = "k" }} }}"#
                ),
                format!(
                    r#"{BROKER}, {ENDPOINT}, fields = {{ client_id = {{ secret_ref = "A", json_key = "k" }}, refresh_token = {{ secret_ref = "B" }} }}"#
                ),
            ),
        ),
        (
            "token_endpoint_invalid",
            table(
                format!(r#"{OAUTH}, grant = "client_credentials", token_endpoint = "/t", {PAIR}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "token_endpoint_invalid",
            table(
                format!(
                    r#"{OAUTH}, grant = "client_credentials", token_endpoint = "https://u:p@id.example.net/", {PAIR}"#
                ),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "token_endpoint_missing",
            table(
                format!(r#"{OAUTH}, grant = "client_credentials", {PAIR}"#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "token_endpoint_missing",
            table(
                format!(r#"{BROKER}, fields = {{ client_id = "A", refresh_token = "B" }}"#),
                format!(r#"{BROKER}, {ENDPOINT}, fields = {{ client_id = "A", refresh_token = "B" }}"#),
            ),
        ),
        (
            "audience_required",
            table(
                format!(
                    r#"{OAUTH}, grant = "jwt_bearer", {ENDPOINT}, fields = {{ issuer = "A", subject = "B", private_key = "C" }}"#
                ),
                format!(
                    r#"{OAUTH}, grant = "jwt_bearer", audience = "x", {ENDPOINT}, fields = {{ issuer = "A", subject = "B", private_key = "C" }}"#
                ),
            ),
        ),
        (
            "audience_required",
            table(format!(r#"{ID_TOKEN}, audience = """#), format!(r#"{ID_TOKEN}, audience = "x""#)),
        ),
        (
            "audience_forbidden",
            table(
                format!(r#"{OAUTH}, {CLIENT}, {PAIR}, audience = "x""#),
                format!("{OAUTH}, {CLIENT}, {PAIR}"),
            ),
        ),
        (
            "header_not_supported",
            table(
                format!(r#"{ID_TOKEN}, audience = "x", header = "Cookie""#),
                format!(r#"{ID_TOKEN}, audience = "x", header = " Authorization ""#),
            ),
        ),
        ("aws_ref_missing", table(AWS.to_owned(), format!(r#"{AWS}, secret_access_key = "Y""#))),
        (
            "aws_ref_missing",
            table(
                format!(r#"{AWS}, secret_access_key = {{ secret_ref = "Y" }}"#),
                format!(r#"{AWS}, secret_access_key = "Y""#),
            ),
        ),
        (
            "aws_ref_missing",
            table(
                format!(r#"{AWS}, secret_access_key = "Y", session_token = """#),
                format!(r#"{AWS}, secret_access_key = "Y", session_token = "Z""#),
            ),
        ),
        (
            "aws_list_invalid",
            table(
                format!(r#"{AWS}, secret_access_key = "Y", allowed_regions = [""]"#),
                format!(r#"{AWS}, secret_access_key = "Y", allowed_regions = []"#),
            ),
        ),
        ("hmac_credentials", table(h(r#"credentials = { key = "K" }"#), h(""))),
        ("hmac_credentials", table(h("!credentials"), h(""))),
        ("hmac_headers", table(h("headers = []"), h(""))),
        ("hmac_headers", table(h("!headers"), h(""))),
        ("hmac_headers", table(h("headers = [5]"), h(""))),
        ("hmac_enum", table(h(r#"algorithm = "SHA256""#), h(r#"algorithm = "sha512""#))),
        ("hmac_enum", table(h(r#"key_encoding = "base32""#), h(r#"key_encoding = "base64""#))),
        ("hmac_enum", table(h(r#"output_encoding = "raw""#), h(r#"output_encoding = "base64""#))),
        ("hmac_enum", table(h("!timestamp_format"), h(r#"timestamp_format = "unix_nanos""#))),
        ("hmac_message", table(h("!message"), h(""))),
        ("database_missing", table(PG.to_owned(), format!(r#"{PG}, database = "d""#))),
        (
            "setting_invalid",
            table(
                format!(r#"{PG}, database = "d", settings = [{{ name = "a" }}]"#),
                format!(r#"{PG}, database = "d", settings = [{{ name = "a", value = "" }}]"#),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value = "x", value_from = {{ principal_label = "l" }} }}]"#
                ),
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value_from = {{ principal_label = "l" }} }}]"#
                ),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value_from = {{ principal_label = "l", principal_field = "id" }} }}]"#
                ),
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value_from = {{ principal_field = "id" }} }}]"#
                ),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value_from = {{ principal_field = "labels" }} }}]"#
                ),
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a", value_from = {{ principal_field = "name" }} }}]"#
                ),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(r#"{PG}, database = "d", settings = [{{ name = "ROLE", value = "x" }}]"#),
                format!(r#"{PG}, database = "d", role = "x""#),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a.b", value = "x" }}, {{ name = "A.B", value = "x" }}]"#
                ),
                format!(
                    r#"{PG}, database = "d", settings = [{{ name = "a.b", value = "x" }}, {{ name = "a.c", value = "x" }}]"#
                ),
            ),
        ),
        (
            "setting_invalid",
            table(
                format!(r#"{PG}, database = "d", settings = [{{ name = "a.b.c", value = "x" }}]"#),
                format!(r#"{PG}, database = "d", settings = [{{ name = "a.b", value = "x" }}]"#),
            ),
        ),
        (
            "env_name_invalid",
            table(
                r#"name = "d-dsn", type = "pg_dsn", database = "d""#.to_owned(),
                r#"name = "d_dsn", type = "pg_dsn", database = "d""#.to_owned(),
            ),
        ),
        (
            "env_name_invalid",
            table(
                r#"name = "1URL", type = "plain""#.to_owned(),
                r#"name = "URL1", type = "plain""#.to_owned(),
            ),
        ),
        ("broker_fields_missing", table(BROKER.to_owned(), format!(r#"{BROKER}, credential = "x""#))),
        (
            "key_invalid",
            table(format!(r#"{BROKER}, credential = "a b""#), format!(r#"{BROKER}, credential = "a-b""#)),
        ),
        (
            "key_invalid",
            table(
                format!(r#"{OAUTH}, {CLIENT}, {PAIR}, scopes = "s""#),
                format!(r#"{OAUTH}, {CLIENT}, {PAIR}, scopes = ["s"]"#),
            ),
        ),
    ] {
        let read = one(&wrong);
        assert_eq!(problems(&read), [code], "{wrong}: {read:#?}");
        let read = one(&right);
        assert!(read.manifest.is_ok(), "{right}: {read:#?}");
        assert!(read.warnings.is_empty() || wrong.contains("x.y"), "{right}: {read:#?}");
    }
}

#[test]
fn each_code_of_a_file_has_its_cause_and_its_allowed_twin() {
    for (code, wrong, right) in [
        ("toml_syntax", "[tool.centaur\n", "[tool.centaur]\n"),
        ("toml_syntax", "a = 1\na = 2\n", "a = 1\nb = 2\n"),
        ("not_an_array", "tool.centaur.secrets = \"KEY\"", "tool.centaur.secrets = []"),
        ("not_an_array", "tool.centaur.optional_secrets = {}", "tool.centaur.optional_secrets = []"),
        ("hosts_invalid", "tool.centaur.hosts = [\"a:1\"]", "tool.centaur.hosts = [\"a\"]"),
        ("key_invalid", "tool.centaur = 5", "tool.centaur = {}"),
        ("key_invalid", "tool.centaur.module = 5", "tool.centaur.module = \"\""),
        ("key_invalid", "tool.centaur.type = \"person\"", "tool.centaur.type = \"persona\""),
    ] {
        assert_eq!(problems(&read(wrong)), [code], "{wrong}");
        let right = read(right);
        assert!(right.manifest.is_ok() && right.warnings.is_empty(), "{right:#?}");
    }
}

#[test]
fn each_warning_has_its_cause_and_its_quiet_twin() {
    let pair = |one: &str, two: &str| format!("{{ {one} }}, {{ {two} }}");
    let other = HEADER.replace(r#""K""#, r#""XK""#);
    for (code, wrong, right) in [
        (
            "unknown_key",
            format!("{{ {HTTP}, match_header = [\"X\"], match_path = true }}"),
            format!("{{ {HEADER} }}"),
        ),
        (
            "unknown_key",
            r#"{ name = "U", type = "plain", hosts = ["a"] }"#.to_owned(),
            r#"{ name = "U", type = "plain" }"#.to_owned(),
        ),
        (
            "deprecated_alias",
            format!(r#"{{ {HEADER}, type = "header" }}"#),
            format!(r#"{{ {HEADER}, type = "http" }}"#),
        ),
        (
            "ip_host",
            format!("{{ {HEADER} }}").replace("a.example.net", "192.0.2.1"),
            format!("{{ {HEADER} }}"),
        ),
        (
            "broad_host",
            format!("{{ {HEADER} }}").replace("a.example.net", "*.github.io"),
            format!("{{ {HEADER} }}").replace("a.example.net", "x.github.io"),
        ),
        ("placeholder_overlap", pair(HEADER, &other), pair(HEADER, &other.replace("XK", "X"))),
        ("placeholder_overlap", pair(HEADER, &other), pair(HEADER, &other.replace("a.example", "b.example"))),
        ("duplicate_binding", pair(HEADER, HEADER), pair(HEADER, &HEADER.replace("a.example", "b.example"))),
        (
            "duplicate_binding",
            pair(&format!(r#"{INJECT}, inject_header = "X""#), &format!(r#"{INJECT}, inject_header = "x""#)),
            pair(&format!(r#"{INJECT}, inject_header = "X""#), &format!(r#"{INJECT}, inject_header = "Y""#)),
        ),
        (
            "secret_ref_ignored",
            format!(r#"{{ {AWS}, secret_access_key = "Y", secret_ref = "Z" }}"#),
            format!(r#"{{ {AWS}, secret_access_key = "Y" }}"#),
        ),
        (
            "plain_http_endpoint",
            format!("{{ {OAUTH}, {CLIENT}, {PAIR} }}").replace("https://id", "http://id"),
            format!("{{ {OAUTH}, {CLIENT}, {PAIR} }}"),
        ),
        (
            "placeholder_not_env_safe",
            format!(r#"{{ {HEADER}, replacer = "a=b" }}"#),
            format!(r#"{{ {HEADER}, replacer = "a-b" }}"#),
        ),
    ] {
        let read = one(&wrong);
        assert!(read.manifest.is_ok(), "{wrong}: {read:#?}");
        assert_eq!(codes(&read.warnings), [code], "{wrong}");
        let read = one(&right);
        assert!(read.manifest.is_ok() && read.warnings.is_empty(), "{right}: {read:#?}");
    }
    for (value, is_good) in
        [("5", true), ("\"off\"", true), ("1.5", true), ("0", false), ("\"soon\"", false), ("[]", false)]
    {
        let read = read(&format!("tool.centaur.timeout_s = {value}"));
        assert_eq!(codes(&read.warnings).is_empty(), is_good, "{value}");
        assert_eq!(read.manifest.unwrap().timeout.is_some(), is_good, "{value}");
    }
}

#[test]
fn every_code_has_a_word_of_its_own() {
    let words: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}
