//! Broker credentials and OAuth apps.

use centaur_store::{AutoGrant, ClientAuthMethod};
use serde_json::{Value, json};

use super::Named;
use super::shared::{
    common, identity, line, revision, times, written_common, written_identity, written_labels,
};
use crate::api::{BASES, METHODS, SEPARATORS};
use crate::definition::SecretKind;
use crate::openapi::schema::{
    Object, about, flag, integer, list_of, name, nullable, oid, reference, some_of, some_text, text,
    timestamp, words, write_only,
};
use crate::provider::Provider;

const GRANTS: [&str; 3] = ["refresh_token", "password", "preqin"];

pub(super) fn all() -> Vec<Named> {
    let discard =
        about(nullable(flag()), "Without anything to refresh with, instead of with the app's client.");
    vec![
        ("BrokerCredential", credential()),
        ("BrokerCredentialWrite", credential_write()),
        ("BrokerCredentialAttempt", credential_attempt()),
        ("BrokerCredentialReference", credential_reference()),
        ("GrantSuggestion", grant_suggestion()),
        ("Unlink", Object::new().maybe("discard", discard).build()),
        ("OauthApp", app()),
        ("OauthAppWrite", app_write()),
    ]
}

fn credential() -> Value {
    let at = || nullable(timestamp());
    let client = about(nullable(text()), "The client that refreshes: that of the linked app, if it has one.");
    Object::new()
        .about("A credential whose access token is refreshed. Its material is written and never shown.")
        .always("id", oid("bcr"))
        .with(identity)
        .with(common)
        .always("grant", words(&GRANTS))
        .always("token_endpoint", text())
        .always("scopes", list_of(text()))
        .always("client_id", nullable(text()))
        .always("token_endpoint_header_names", list_of(text()))
        .with(timing_shown)
        .always("status", words(&["bootstrapping", "live", "dead"]))
        .always("expires_at", at())
        .always("last_refresh", at())
        .always("next_attempt_at", at())
        .always("dead", flag())
        .always("dead_reason", nullable(text()))
        .always("failure_count", integer(Some(0), None))
        .always("oauth_app_id", nullable(oid("oap")))
        .always("provider_subject", nullable(text()))
        .always("provider_email", nullable(text()))
        .always("external_user_key", nullable(text()))
        .with(times)
        .always("effective_client_id", client)
        .always("wrapping_static_secret_id", nullable(oid("ssr")))
        .always("health", words(&["healthy", "failing", "interrupted", "dead", "static"]))
        .with(revision)
        .build()
}

fn timing_shown(of: Object) -> Object {
    let seconds = || integer(Some(1), None);
    of.always("early_refresh_slack_seconds", seconds())
        .always("early_refresh_fraction", fraction())
        .always("max_refresh_interval_seconds", seconds())
        .always("refresh_timeout_seconds", seconds())
}

fn fraction() -> Value {
    json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 })
}

fn credential_write() -> Value {
    const TEN_YEARS: i64 = 315_360_000;
    let seconds = |most| integer(Some(1), Some(most));
    let keep = |text: &str| about(write_only(), text);
    let blank = "A value that is blank changes nothing; another one makes the credential due at once.";
    let headers = about(
        json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" }, "writeOnly": true }),
        "Values by header name, replaced whole; null takes them away.",
    );
    Object::new()
        .about("A partial write: what is absent stays.")
        .with(written_identity)
        .with(written_common)
        .maybe("grant", nullable(words(&GRANTS)))
        .maybe("token_endpoint", about(some_text(), "An `https` URL, required of a new one."))
        .maybe("scopes", nullable(list_of(some_text())))
        .maybe("client_id", nullable(text()))
        .maybe("early_refresh_slack_seconds", seconds(TEN_YEARS))
        .maybe("early_refresh_fraction", fraction())
        .maybe("max_refresh_interval_seconds", seconds(TEN_YEARS))
        .maybe("refresh_timeout_seconds", seconds(300))
        .maybe("client_secret", keep("A value that is blank changes nothing."))
        .maybe("clear_client_secret", nullable(flag()))
        .maybe("token_endpoint_headers", headers)
        .maybe("refresh_token", keep(blank))
        .maybe("username", keep(blank))
        .maybe("password", keep(blank))
        .maybe("api_key", keep(blank))
        .build()
}

fn credential_attempt() -> Value {
    Object::new()
        .about("A refresh that ended. `interrupted` is one of which nobody knows how.")
        .always("id", text())
        .always("started_at", timestamp())
        .always("duration_ms", integer(Some(0), None))
        .always("result", words(&["success", "retryable", "dead", "interrupted"]))
        .always("code", nullable(text()))
        .always("rotated", about(flag(), "The provider gave another refresh token."))
        .build()
}

fn credential_reference() -> Value {
    let collections = SecretKind::ALL.map(SecretKind::collection);
    Object::new()
        .about("A secret with a source that takes its value from the credential.")
        .always("id", text())
        .always("type", words(&collections))
        .with(identity)
        .always("name", nullable(text()))
        .build()
}

fn grant_suggestion() -> Value {
    let labels = list_of(text());
    Object::new()
        .about("A principal that may be the one whose account a credential is of. Granting it the secret is up to you.")
        .always("principal_id", oid("prn"))
        .with(identity)
        .always("name", nullable(text()))
        .always("static_secret_id", oid("ssr"))
        .always("basis", about(words(&BASES), "The provider's id of the account, or an address alone."))
        .always("matched_labels", about(labels, "Labels of the principal that are those of the account."))
        .build()
}

fn app() -> Value {
    Object::new()
        .about("A registered OAuth client, whose consent flow makes broker credentials.")
        .always("id", oid("oap"))
        .always("slug", name())
        .always("description", nullable(text()))
        .always("labels", reference("Labels"))
        .always("provider", words(&Provider::ALL.map(Provider::as_str)))
        .always("client_id", text())
        .always("allowed_scopes", some_of(text()))
        .always("credential_namespace", name())
        .always("enabled", flag())
        .with(times)
        .always("start_url", nullable(text()))
        .always("redirect_uri", nullable(text()))
        .always("minted_credentials_count", integer(Some(0), None))
        .always("client_rejected_at", nullable(timestamp()))
        .always("auto_grant", words(&AutoGrant::ALL.map(AutoGrant::as_str)))
        .with(revision)
        .with(generic_shown)
        .build()
}

fn app_write() -> Value {
    let namespace = json!({ "type": ["string", "null"], "pattern": "^[A-Za-z0-9._~-]*$", "maxLength": 255 });
    Object::new()
        .about("A partial write: what is absent stays. A new one needs all but the last five.")
        .maybe("slug", about(nullable(name()), "It never changes once stored."))
        .maybe("provider", words(&Provider::ALL.map(Provider::as_str)))
        .maybe("client_id", line())
        .maybe("client_secret", about(write_only(), "A value that is blank changes nothing."))
        .maybe("allowed_scopes", some_of(some_text()))
        .maybe("credential_namespace", about(namespace, "`default` without it."))
        .maybe("description", nullable(text()))
        .maybe("labels", written_labels())
        .maybe("enabled", nullable(flag()))
        .maybe(
            "auto_grant",
            about(
                nullable(words(&AutoGrant::ALL.map(AutoGrant::as_str))),
                "Whether principals that may be those of an account are suggested; `off` without it.",
            ),
        )
        .with(generic_written)
        .build()
}

/// What only the provider `generic` has.
fn generic_shown(of: Object) -> Object {
    let only = |schema| about(nullable(schema), "Null but for the provider `generic`.");
    of.always("authorization_endpoint", only(text()))
        .always("token_endpoint", only(text()))
        .always("pkce", only(flag()))
        .always("client_auth", only(words(&METHODS.map(ClientAuthMethod::as_str))))
        .always("scope_param", only(text()))
        .always("scope_separator", only(words(&SEPARATORS)))
        .always("api_hosts", only(some_of(text())))
        .always("issuer", only(text()))
        .always("jwks_uri", only(text()))
        .always("profile_url", only(text()))
        .always("revocation_endpoint", only(text()))
}

fn generic_written(of: Object) -> Object {
    let only =
        |schema, text: &str| about(nullable(schema), &format!("Only for the provider `generic`. {text}"));
    of.maybe("authorization_endpoint", only(text(), "Where browsers are sent, an `https` URL; required."))
        .maybe("token_endpoint", only(text(), "Where codes are redeemed, an `https` URL; required."))
        .maybe("pkce", only(flag(), "Whether it takes PKCE; true without it."))
        .maybe(
            "client_auth",
            only(
                words(&METHODS.map(ClientAuthMethod::as_str)),
                "How the client says who it is; `post` without it.",
            ),
        )
        .maybe("scope_param", only(text(), "The parameter that has the scopes; `scope` without it."))
        .maybe("scope_separator", only(words(&SEPARATORS), "What stands between scopes; a space without it."))
        .maybe("api_hosts", only(some_of(some_text()), "Hosts that take its tokens; required."))
        .maybe("issuer", only(text(), "Who signs its id tokens; without one, none are asked for."))
        .maybe("jwks_uri", only(text(), "The keys of the issuer; found by discovery without it."))
        .maybe("profile_url", only(text(), "Where the account of a token can be read."))
        .maybe("revocation_endpoint", only(text(), "Where a grant is taken back, as RFC 7009 has it."))
}
