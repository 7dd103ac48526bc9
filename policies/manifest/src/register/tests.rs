//! Manifests in, records out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::parse;
use crate::source::SourcePolicy;

/// A tool with a manifest, as if it had been found in the overlay `acme-overlay`.
fn tool(name: &str, manifest: &str) -> Tool {
    let dir = PathBuf::from("/overlay/tools").join(name);
    let read = parse::manifest(manifest, &dir.join(parse::FILE), name);
    Tool {
        name: name.to_owned(),
        root: Path::new("/overlay/tools").to_owned(),
        dir,
        overlay: "acme-overlay".to_owned(),
        shadowed: Vec::new(),
        manifest: read.manifest,
        warnings: read.warnings,
    }
}

/// The secrets of a tool `t` with these entries.
fn secrets(entries: &str) -> Vec<SecretRecord> {
    let tool = tool("t", &format!("[tool.centaur]\n{entries}"));
    match registration(&tool, "default", &Sources::default()) {
        Ok(registration) => registration.secrets,
        Err(error) => panic!("{error}: {:?}", tool.problems()),
    }
}

fn ids(entries: &str) -> Vec<String> {
    secrets(entries).into_iter().map(|secret| secret.foreign_id).collect()
}

fn env(name: &str) -> Value {
    json!({ "source_type": "env", "config": { "var": name } })
}

#[test]
fn a_tool_becomes_the_records_that_the_documentation_shows() {
    let tool = tool(
        "tide-tables",
        r#"
        [tool.centaur]
        secrets = [{ name = "TIDES_KEY", match_query = true, hosts = ["tides.example.net"] }]
        "#,
    );
    let sources =
        Sources { policy: SourcePolicy::OnePassword, vault: Some("Ops".to_owned()), ..Sources::default() };
    let registration = registration(&tool, "default", &sources).unwrap();
    assert_eq!(
        registration.role.data("default"),
        json!({ "namespace": "default", "foreign_id": "tool-tide-tables", "name": "Tool tide-tables",
            "labels": { "managed-by": "centaur" } })
    );
    let [secret] = registration.secrets.as_slice() else { panic!("{registration:?}") };
    let digest = tool.entries().next().unwrap().digest();
    assert!(digest.len() == 23 && digest.starts_with("sha256:"), "{digest}");
    assert_eq!(secret.kind, SecretKind::Static);
    assert_eq!(secret.foreign_id, "tool-tide-tables-tides-key");
    assert_eq!(
        secret.data,
        json!({
            "namespace": "default",
            "foreign_id": "tool-tide-tables-tides-key",
            "name": "TIDES_KEY",
            "labels": {
                "managed-by": "centaur",
                "centaur-tool": "tide-tables",
                "centaur-tool-overlay": "acme-overlay",
                "centaur-secret": "TIDES_KEY",
                "centaur-entry": digest
            },
            "replace_config": { "proxy_value": "TIDES_KEY", "match_headers": ["/^$/"], "match_query": true },
            "source": {
                "source_type": "1password",
                "config": { "secret_ref": "op://Ops/TIDES_KEY/credential", "ttl": "10m" }
            },
            "rules": [{ "host": "tides.example.net" }]
        })
    );
}

/// What is common to all is checked above; here the definition alone is.
#[test]
fn each_type_becomes_its_definition() {
    let rules = json!([{ "host": "a.example.net" }, { "host": "*.b.example.net" }]);
    let hosts = r#"hosts = ["a.example.net", "*.b.example.net"]"#;
    for (entry, kind, id, name, definition) in [
        (
            r#"name = "K", match_headers = ["X-Key", "/^x-y/"], match_path = true, replacer = "P", secret_ref = "R""#,
            SecretKind::Static,
            "tool-t-k",
            "K",
            json!({
                "replace_config":
                    { "proxy_value": "P", "match_headers": ["X-Key", "/^x-y/"], "match_path": true },
                "source": env("R"),
            }),
        ),
        (
            r#"name = "K", mode = "inject", inject_header = "X-Key", inject_formatter = "Bearer {{ .Value }}""#,
            SecretKind::Static,
            "tool-t-k",
            "K",
            json!({
                "inject_config": { "header": "X-Key", "formatter": "Bearer {{ .Value }}" },
                "source": env("K"),
            }),
        ),
        (
            r#"name = "K", mode = "inject", inject_header = "X-Key""#,
            SecretKind::Static,
            "tool-t-k",
            "K",
            json!({ "inject_config": { "header": "X-Key" }, "source": env("K") }),
        ),
        (
            r#"name = "K", mode = "inject", inject_query_param = "key""#,
            SecretKind::Static,
            "tool-t-k",
            "K",
            json!({ "inject_config": { "query_param": "key" }, "source": env("K") }),
        ),
        (
            r#"name = "B", type = "brokered_token", credential = "elsewhere""#,
            SecretKind::Static,
            "tool-t-b",
            "B",
            json!({
                "inject_config": { "header": "Authorization", "formatter": "Bearer {{.Value}}" },
                "source": { "source_type": "token_broker",
                    "config": { "credential_id": "elsewhere", "credential_namespace": "default" } },
            }),
        ),
        (
            r#"name = "B", type = "brokered_token", credential = "bcr_kxIQLCuJ""#,
            SecretKind::Static,
            "tool-t-b",
            "B",
            json!({
                "inject_config": { "header": "Authorization", "formatter": "Bearer {{.Value}}" },
                "source":
                    { "source_type": "token_broker", "config": { "credential_id": "bcr_kxIQLCuJ" } },
            }),
        ),
        (
            r#"name = "O", type = "oauth_token", grant = "jwt_bearer", audience = "aud", scopes = ["s"],
               token_endpoint = "https://id.example.net/oauth/token", token_endpoint_headers = { X-Id = "ID" },
               fields = { issuer = "ISS", subject = { secret_ref = "S", json_key = "k" }, private_key = "PK" }"#,
            SecretKind::OauthToken,
            "tool-t-oauth-https-id-example-net-oauth-token",
            "OAuth jwt_bearer",
            json!({
                "grant": "jwt_bearer",
                "token_endpoint": "https://id.example.net/oauth/token",
                "scopes": ["s"],
                "audience": "aud",
                "credentials": {
                    "issuer": env("ISS"),
                    "private_key": env("PK"),
                    "subject": { "source_type": "env", "config": { "var": "S", "json_key": "k" } },
                },
                "token_endpoint_headers": { "X-Id": env("ID") },
            }),
        ),
        (
            r#"name = "G", type = "gcp_auth", subject = "user@example.net""#,
            SecretKind::GcpAuth,
            "tool-t-gcp-g",
            "GCP Auth (tool-t)",
            json!({
                "subject": "user@example.net",
                "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
                "keyfile": env("G"),
            }),
        ),
        (
            r#"name = "I", type = "gcp_id_token", secret_ref = "SA", audience = "https://run.example.net",
               header = " X-Serverless-Authorization ""#,
            SecretKind::GcpIdToken,
            "tool-t-gcp-id-token-sa-https-run-example-net-x-serverless-authorization",
            "GCP ID Token (tool-t)",
            json!({
                "audience": "https://run.example.net",
                "header": "x-serverless-authorization",
                "keyfile": env("SA"),
            }),
        ),
        (
            r#"name = "I", type = "gcp_id_token", audience = "aud""#,
            SecretKind::GcpIdToken,
            "tool-t-gcp-id-token-i-aud",
            "GCP ID Token (tool-t)",
            json!({ "audience": "aud", "keyfile": env("I") }),
        ),
        (
            r#"name = "A", type = "aws_auth", access_key_id = "AK", secret_access_key = "SK", session_token = "ST",
               allowed_regions = ["eu-west-1"], allowed_services = ["logs"]"#,
            SecretKind::AwsAuth,
            "tool-t-aws-a",
            "AWS Auth (tool-t)",
            json!({
                "access_key_id": env("AK"),
                "secret_access_key": env("SK"),
                "session_token": env("ST"),
                "allowed_regions": ["eu-west-1"],
                "allowed_services": ["logs"],
            }),
        ),
        (
            r#"name = "A", type = "aws_auth", access_key_id = "AK", secret_access_key = "SK""#,
            SecretKind::AwsAuth,
            "tool-t-aws-a",
            "AWS Auth (tool-t)",
            json!({ "access_key_id": env("AK"), "secret_access_key": env("SK") }),
        ),
        (
            r#"name = "H", type = "hmac_sign", credentials = { secret = "S", key = "K" }, algorithm = "sha256",
               key_encoding = "raw", output_encoding = "hex", timestamp_format = "unix_seconds",
               message = "{{ .Timestamp }}{{ .Body }}", allow_chunked_body = true,
               headers = [{ name = "X-Sig", value = "{{ .Signature }}" },
                          { name = "X-Key", value = "{{ .Credentials.key }}" }]"#,
            SecretKind::Hmac,
            "tool-t-hmac-h",
            "H",
            json!({
                "signature_algorithm": "sha256",
                "signature_key_encoding": "raw",
                "signature_output_encoding": "hex",
                "signature_message": "{{ .Timestamp }}{{ .Body }}",
                "timestamp_format": "unix_seconds",
                "allow_chunked_body": true,
                "headers": [
                    { "name": "X-Sig", "value": "{{ .Signature }}" },
                    { "name": "X-Key", "value": "{{ .Credentials.key }}" },
                ],
                "credentials": { "key": env("K"), "secret": env("S") },
            }),
        ),
    ] {
        let [secret] = &*secrets(&format!("secrets = [{{ {entry}, {hosts} }}]")) else { panic!("{entry}") };
        assert_eq!((secret.kind, secret.foreign_id.as_str()), (kind, id), "{entry}");
        let mut expected = json!({ "namespace": "default", "foreign_id": id, "name": name });
        expected["labels"] = json!(secret.labels);
        for (key, value) in definition.as_object().unwrap() {
            expected[key] = value.clone();
        }
        expected["rules"] = rules.clone();
        assert_eq!(secret.data, expected, "{entry}");
    }
}

#[test]
fn a_database_has_no_rules_and_no_role_in_its_id() {
    let [secret] = &*secrets(
        r#"secrets = [{ name = "ledger_dsn", type = "pg_dsn", database = "ledger", role = "reader", secret_ref = "R",
           settings = [{ name = "app.team", value_from = { principal_label = "team" } },
                       { name = "app.user", value_from = { principal_field = "foreign_id" } },
                       { name = "app.mode", value = "read" }] }]"#,
    ) else {
        panic!()
    };
    let mut expected = json!({ "namespace": "default", "foreign_id": "ledger", "name": "ledger_dsn" });
    expected["labels"] = json!(secret.labels);
    expected["database"] = "ledger".into();
    expected["role"] = "reader".into();
    expected["settings"] = json!([
        { "name": "app.team", "value_from": { "principal_label": "team" } },
        { "name": "app.user", "value_from": { "principal_field": "foreign_id" } },
        { "name": "app.mode", "value": "read" },
    ]);
    expected["dsn"] = env("R");
    assert_eq!(secret.data, expected);
    for (name, id) in
        [("X_DSN", "x"), ("x_dsn", "x"), ("dsn", "dsn"), ("_DSN", "x"), ("XDSN", "xdsn"), ("A_DB", "a-db")]
    {
        let entry = format!(r#"secrets = [{{ name = "{name}", type = "pg_dsn", database = "d" }}]"#);
        assert_eq!(ids(&entry), [id], "{name}");
    }
}

#[test]
fn a_setting_becomes_nothing() {
    assert!(
        secrets(r#"secrets = [{ name = "BASE_URL", type = "plain", default = "https://x.example" }]"#)
            .is_empty()
    );
    // And so needs no vault.
    let tool = tool("t", r#"tool.centaur.secrets = [{ name = "BASE_URL", type = "plain" }]"#);
    let sources = Sources { policy: SourcePolicy::OnePassword, ..Sources::default() };
    assert!(registration(&tool, "default", &sources).is_ok());
}

#[test]
fn ids_are_unique_in_a_tool_and_made_over_the_whole_of_it() {
    let host = r#"hosts = ["a.example.net"], match_query = true"#;
    let entry = |name: &str| format!(r#"{{ name = "{name}", {host} }}"#);
    let all = format!(
        "secrets = [{}, {}, {}]\noptional_secrets = [{}, {}]",
        entry("A_KEY"),
        entry("a-key-2"),
        entry("a key"),
        entry("A.KEY"),
        entry("B"),
    );
    assert_eq!(ids(&all), ["tool-t-a-key", "tool-t-a-key-2", "tool-t-a-key-3", "tool-t-a-key-4", "tool-t-b"]);
    let oauth = r#"{ name = "N", type = "oauth_token", grant = "client_credentials", hosts = ["a.example.net"],
        token_endpoint = "https://id.example.net/", fields = { client_id = "A", client_secret = "B" } }"#;
    assert_eq!(
        ids(&format!("secrets = [{oauth}, {oauth}]")),
        ["tool-t-oauth-https-id-example-net", "tool-t-oauth-https-id-example-net-2"]
    );
    // Databases are not made unique: two entries with one name are one record.
    let database = r#"{ name = "D", type = "pg_dsn", database = "d" }"#;
    assert_eq!(ids(&format!("secrets = [{database}, {database}]")), ["d", "d"]);
}

#[test]
fn a_long_name_stays_an_id() {
    let name = "n".repeat(300);
    let entry = format!(r#"{{ name = "{name}", hosts = ["a.example.net"], match_query = true }}"#);
    let ids = ids(&format!("secrets = [{entry}, {entry}]"));
    assert!(ids.iter().all(|id| id.len() <= 255), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_digest_of_an_entry_is_of_what_it_says_alone() {
    let digest = |entries: &str, at: usize| secrets(entries)[at].labels[ENTRY_LABEL].clone();
    let a = r#"{ name = "A", hosts = ["a.example.net"], match_query = true }"#;
    let b = r#"{ name = "B", hosts = ["a.example.net"], match_query = true }"#;
    let changed = r#"{ name = "B", hosts = ["b.example.net"], match_query = true }"#;
    let first = digest(&format!("secrets = [{a}, {b}]"), 0);
    assert_eq!(first, digest(&format!("secrets = [{b}, {a}]"), 1), "moved");
    assert_eq!(first, digest(&format!("secrets = [{a}, {changed}]"), 0), "another was changed");
    assert_eq!(
        first,
        digest("[[tool.centaur.secrets]]\nmatch_query=true\nname='A'\nhosts=['A.example.net.']", 0),
        "written differently"
    );
    assert_ne!(first, digest(&format!("secrets = [{b}]"), 0));
}

#[test]
fn a_policy_that_was_asked_for_is_noted() {
    let tool = tool(
        "t",
        r#"tool.centaur.secrets = [{ name = "A", hosts = ["a.example.net"], match_query = true }]"#,
    );
    let mut sources = Sources::default();
    let label = |sources: &Sources| {
        registration(&tool, "default", sources).unwrap().secrets[0].labels.get(POLICY_LABEL).cloned()
    };
    assert_eq!(label(&sources), None);
    sources.is_explicit = true;
    assert_eq!(label(&sources).as_deref(), Some("env"));
}

#[test]
fn what_cannot_be_registered_is_said() {
    let a = r#"tool.centaur.secrets = [{ name = "A", hosts = ["a.example.net"], match_query = true, secret_ref = "x/y" }]"#;
    let good = tool("t", a);
    let error = |tool: &Tool, sources: &Sources| registration(tool, "default", sources).unwrap_err();
    assert!(registration(&good, "default", &Sources::default()).is_ok());
    let mut sources = Sources { policy: SourcePolicy::OnePasswordConnect, ..Sources::default() };
    assert!(matches!(error(&good, &sources), RegisterError::Policy(SourceError::NoVault(_))));
    sources.vault = Some("V".to_owned());
    let slash = error(&good, &sources);
    assert!(slash.to_string().starts_with("t: secrets[0] A: \"x/y\" has a slash"), "{slash}");
    let invalid = tool("t", "tool.centaur.secrets = 5");
    assert_eq!(error(&invalid, &sources), RegisterError::Invalid("t".to_owned()));
    let persona = tool("t", "tool.centaur.type = \"persona\"");
    assert_eq!(error(&persona, &sources), RegisterError::Persona("t".to_owned()));
}

#[test]
fn a_brokered_token_says_which_credential_it_needs() {
    let need = |entry: &str| secrets(&format!("secrets = [{{ {entry} }}]")).remove(0).credential.unwrap();
    let seeded = need(
        r#"name = "codex", type = "brokered_token", hosts = ["a.example.net"],
           token_endpoint = "https://id.example.net/token",
           fields = { client_id = "ID", refresh_token = { secret_ref = "BLOB" } }"#,
    );
    assert_eq!((seeded.id.as_str(), seeded.is_oid), ("codex", false));
    let seed = seeded.seed.unwrap();
    assert_eq!(seed.fields["refresh_token"], crate::manifest::FieldSource::whole("BLOB"));
    let elsewhere = need(
        r#"name = "x", type = "brokered_token", hosts = ["a.example.net"], credential = "bcr_kxIQLCuJ""#,
    );
    assert!(elsewhere.is_oid && elsewhere.seed.is_none());
}
