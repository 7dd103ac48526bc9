//! Each resource, from making it to deleting it.

use std::time::Duration;

use centaur_base::Secret as Hidden;
use centaur_base::oid::{Oid as _, SecretKind};
use centaur_client::api::{
    ApiClient, AuditQuery, Cause, Expect, Grantee, ListFilter, NewGrant, Options, Probe, Requester,
    Unaddressable,
};
use centaur_client::base::BaseUrl;
use centaur_client::token::TokenSource;
use serde_json::{Value, json};

use crate::console::{Console, KEY};

pub(crate) fn client(address: std::net::SocketAddr, options: Options) -> ApiClient {
    let base = BaseUrl::parse(&format!("http://{address}")).expect("a URL");
    ApiClient::new(base, TokenSource::Value(Hidden::new(KEY.to_owned())), options).expect("a client")
}

pub(crate) async fn console() -> (Console, ApiClient) {
    let console = Console::start().await;
    let api = client(console.address, Options::new("test"));
    (console, api)
}

pub(crate) fn definition(host: &str) -> Value {
    json!({
        "name": "A key",
        "replace_config": {"proxy_value": "PLACEHOLDER", "match_headers": ["Authorization"]},
        "source": {"source_type": "env", "config": {"var": "FAKE"}},
        "rules": [{"host": host}],
    })
}

#[tokio::test]
async fn a_principal_holds_roles_and_grants_and_its_view_is_explained() {
    let (_console, api) = console().await;
    let made = api.put_principal("slack-user-u5", &json!({"name": "Ada"}), Expect::Anything).await.unwrap();
    assert!(made.created);
    let principal = made.row;
    assert_eq!(
        (principal.foreign_id.as_deref(), principal.name.as_deref()),
        (Some("slack-user-u5"), Some("Ada"))
    );
    assert_eq!(api.principal(principal.id).await.unwrap().as_ref(), Some(&principal));
    assert_eq!(api.principal_named("default", "slack-user-u5").await.unwrap().as_ref(), Some(&principal));
    assert_eq!(api.principal_named("other", "slack-user-u5").await.unwrap(), None);

    let role = api.put_role("support", &json!({"name": "Support"}), Expect::Anything).await.unwrap().row;
    let secret =
        api.put_secret(SecretKind::Static, "key", &definition("a.test"), Expect::Anything).await.unwrap().row;
    assert!(api.assign(principal.id, role.id).await.unwrap().created);
    assert!(!api.assign(principal.id, role.id).await.unwrap().created);
    assert_eq!(api.roles_of(principal.id).await.unwrap(), std::slice::from_ref(&role));
    assert_eq!(api.holders_of(role.id).await.unwrap().unwrap()[0].id, principal.id);

    let grantee = Grantee::Role(role.id);
    let new = NewGrant { grantee, secret: secret.id, priority: Some(7), expires_at: None };
    let grant = api.create_grant(&new).await.unwrap();
    assert!(grant.created && !api.create_grant(&new).await.unwrap().created);
    assert_eq!((grant.row.grantee, grant.row.secret, grant.row.priority), (grantee, secret.id, Some(7)));
    assert_eq!(api.set_priority(grant.row.id, -3).await.unwrap().priority, Some(-3));
    assert_eq!(api.grants_of_role(role.id).await.unwrap().len(), 1);
    assert_eq!(api.grants_of_secret(secret.id).await.unwrap().unwrap().len(), 1);
    assert_eq!(api.grants_of_principal(principal.id).await.unwrap(), []);

    let nobody = Requester::default();
    let explained = api.explain(principal.id, &nobody).await.unwrap().unwrap();
    assert_eq!(
        (explained[0].secret_id.as_str(), explained[0].outcome.as_str()),
        (&*secret.id.to_string(), "served")
    );
    assert_eq!(explained[0].paths[0].role_foreign_id.as_deref(), Some("support"));
    let probe = Probe {
        method: "GET".to_owned(),
        url: "https://a.test/x".to_owned(),
        headers: vec!["authorization".to_owned()],
    };
    let tried = api.dry_run(principal.id, &nobody, &probe).await.unwrap().unwrap();
    assert_eq!(tried.applies[0].replaces_in, ["header:authorization"]);
    let config = api.effective_config(principal.id, &nobody).await.unwrap();
    assert_eq!(config.secrets[0]["replace"]["proxy_value"], "PLACEHOLDER");

    let other = api
        .put_principal("slack-channel-c1", &json!({"namespace": "default"}), Expect::Anything)
        .await
        .unwrap()
        .row;
    let filled = Requester { principal: Some(principal.id) };
    let explained = api.explain(other.id, &filled).await.unwrap().unwrap();
    assert_eq!(explained[0].supplied_by.as_deref(), Some("requester"));
    let row = api.put_slack_permission(other.id, &json!({"channel_id": "C0123456789"})).await.unwrap();
    assert_eq!(row["upload_enabled"], true);

    api.unassign(principal.id, role.id).await.unwrap();
    assert!(api.unassign(principal.id, role.id).await.unwrap_err().is_not_found());
    api.delete_grant(grant.row.id).await.unwrap();
    assert_eq!(api.grant(grant.row.id).await.unwrap(), None);
    api.delete_secret(secret.id, Expect::Anything).await.unwrap();
    api.delete_role(role.id, Expect::Anything).await.unwrap();
    api.delete_principal(principal.id, Expect::Anything).await.unwrap();
    assert_eq!(api.principal(principal.id).await.unwrap(), None);
    assert_eq!(api.secret(secret.id).await.unwrap(), None);
    assert_eq!(api.role(role.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_secret_of_each_type_is_made_found_and_deleted_in_its_collection() {
    let (_console, api) = console().await;
    let (rules, env) =
        (json!([{"host": "a.test"}]), json!({"source_type": "env", "config": {"var": "FAKE"}}));
    for (kind, data) in [
        (SecretKind::Static, definition("a.test")),
        (SecretKind::GcpAuth, json!({"scopes": ["s"], "keyfile": env, "rules": rules})),
        (SecretKind::GcpIdToken, json!({"audience": "a", "keyfile": env, "rules": rules})),
        (SecretKind::AwsAuth, json!({"access_key_id": env, "secret_access_key": env, "rules": rules})),
        (
            SecretKind::OauthToken,
            json!({"grant": "client_credentials", "token_endpoint": "https://t.test/", "rules": rules,
                "credentials": {"client_id": env, "client_secret": env}}),
        ),
        (SecretKind::PgDsn, json!({"database": "analytics", "dsn": env})),
        (
            SecretKind::Hmac,
            json!({"timestamp_format": "rfc3339", "signature_algorithm": "sha256", "signature_key_encoding": "raw",
                "signature_output_encoding": "hex", "signature_message": "{{ .Timestamp }}", "rules": rules,
                "headers": [{"name": "X-Sig", "value": "{{ .Signature }}"}], "credentials": {"secret": env}}),
        ),
    ] {
        let made = api.put_secret(kind, "one", &data, Expect::Anything).await.unwrap();
        assert!(made.created && made.row.id.kind == kind, "{kind:?}");
        assert_eq!(made.row.document["foreign_id"], "one");
        assert_eq!(api.secret_named(kind, "default", "one").await.unwrap().as_ref(), Some(&made.row));
        assert_eq!(api.secret(made.row.id).await.unwrap().as_ref(), Some(&made.row));
        assert_eq!(
            api.secrets(kind, &ListFilter::of("default")).await.unwrap(),
            std::slice::from_ref(&made.row)
        );
        api.delete_secret(made.row.id, Expect::Anything).await.unwrap();
        assert_eq!(api.secret(made.row.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_broker_credential_is_kept_without_showing_what_it_refreshes_with() {
    let (_console, api) = console().await;
    let data = json!({"token_endpoint": "https://t.test/token", "client_id": "c", "refresh_token": "fake-refresh-word"});
    let made = api.put_credential("gmail", &data, Expect::Anything).await.unwrap();
    assert!(made.created && made.row.status == "bootstrapping");
    assert!(!Value::Object(made.row.document.clone()).to_string().contains("fake-refresh-word"));
    assert_eq!(api.credential_named("default", "gmail").await.unwrap().as_ref(), Some(&made.row));
    assert_eq!(api.credential(made.row.id).await.unwrap().as_ref(), Some(&made.row));
    assert_eq!(api.credentials(&ListFilter::of("default")).await.unwrap().len(), 1);

    let mut wrapper = definition("a.test");
    let config = json!({"credential_id": "gmail", "credential_namespace": "default"});
    wrapper["source"] = json!({"source_type": "token_broker", "config": config});
    let secret =
        api.put_secret(SecretKind::Static, "gmail-key", &wrapper, Expect::Anything).await.unwrap().row;
    let references = api.references_of(made.row.id).await.unwrap().unwrap();
    assert_eq!(
        (references[0].id.as_str(), references[0].foreign_id.as_deref()),
        (&*secret.id.to_string(), Some("gmail-key"))
    );
    assert_eq!(api.delete_credential(made.row.id, Expect::Anything).await.unwrap_err().status(), Some(409));
    api.delete_secret(secret.id, Expect::Anything).await.unwrap();
    api.delete_credential(made.row.id, Expect::Anything).await.unwrap();
}

#[tokio::test]
async fn a_proxy_shows_its_token_once_and_never_in_a_debug_text() {
    let (_console, api) = console().await;
    let principal = api
        .put_principal("slack-user-u5", &json!({"namespace": "default"}), Expect::Anything)
        .await
        .unwrap()
        .row;
    let made = api.create_proxy("edge", Some(principal.id)).await.unwrap();
    assert!(made.token.expose().starts_with("iprx_"));
    assert!(!format!("{made:?}").contains(made.token.expose().as_str()));
    assert_eq!(made.proxy.principal, Some(principal.id));
    assert_eq!(api.proxies(Some(principal.id)).await.unwrap().len(), 1);
    let waited = api.wait_for_proxy(made.proxy.id, None, Duration::ZERO).await.unwrap().unwrap();
    assert!(!waited.in_sync(), "it has not been heard of");
    let gone = centaur_base::oid::ProxyId::new(999).unwrap();
    assert_eq!(api.wait_for_proxy(gone, Some(1), Duration::ZERO).await.unwrap(), None);
    let freed = api.put_proxy(made.proxy.id, &json!({"principal_id": null})).await.unwrap();
    assert!(freed.generation > made.proxy.document["generation"].as_i64());
    let freed = freed.row;
    assert_eq!(freed.principal, None);
    assert_eq!(api.proxies(Some(principal.id)).await.unwrap().len(), 0);
    assert_eq!(api.proxy(made.proxy.id).await.unwrap().unwrap().name, "edge");
    api.delete_proxy(made.proxy.id).await.unwrap();
    assert_eq!(api.proxy(made.proxy.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_by_who_saw_another_revision_changes_nothing() {
    let (_console, api) = console().await;
    let role = api.put_role("r", &json!({"name": "one"}), Expect::Anything).await.unwrap().row;
    let seen = Expect::Revision(role.revision.unwrap());
    let again = api.put_role("r", &json!({"name": "two"}), seen).await.unwrap();
    assert!(!again.created);
    let error = api.put_role("r", &json!({"name": "three"}), seen).await.unwrap_err();
    assert!(error.is_stale(), "{error}");
    assert!(api.delete_role(role.id, seen).await.unwrap_err().is_stale());
    assert_eq!(api.role(role.id).await.unwrap().unwrap().name.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_refusal_says_what_was_called_and_what_is_wrong() {
    let (console, api) = console().await;
    let error = api.put_role("a b", &json!({"namespace": "default"}), Expect::Anything).await.unwrap_err();
    assert_eq!((error.method, error.path.as_str(), error.attempts), ("PUT", "/api/v1/roles/a%20b", 1));
    let Cause::Answered { status, message, details, .. } = &*error.cause else { panic!("{error}") };
    assert_eq!((*status, message.as_str()), (422, "validation failed"));
    assert_eq!(details["foreign_id"], ["must contain only URL-safe characters (A-Z, a-z, 0-9, -, ., _, ~)"]);

    let base = BaseUrl::parse(&format!("http://{}", console.address)).unwrap();
    let key = TokenSource::Value(Hidden::new("iak_wrong".to_owned()));
    let stranger = ApiClient::new(base, key, Options::new("test")).unwrap();
    let error = stranger.roles(&ListFilter::of("default")).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(!format!("{error} {error:?}").contains("iak_wrong"));
}

#[tokio::test]
async fn a_name_stays_one_segment_and_one_that_cannot_is_refused_before_it_is_sent() {
    let (_console, api) = console().await;
    api.put_role("r", &json!({"namespace": "default"}), Expect::Anything).await.unwrap();
    for name in ["r/grants", "r?x=1", "r%2Fgrants", "../roles/r", "r\u{7f}"] {
        assert_eq!(api.role_named("default", name).await.unwrap(), None, "{name}");
    }
    for name in ["", ".", ".."] {
        let error = api.role_named("default", name).await.unwrap_err();
        assert!(
            matches!(*error.cause, Cause::Unaddressable(Unaddressable)) && error.attempts == 0,
            "{error}"
        );
    }
    let zero = centaur_base::oid::RoleId::new(999).unwrap();
    assert_eq!(api.role(zero).await.unwrap(), None);
}

#[tokio::test]
async fn health_needs_no_key() {
    let console = Console::start().await;
    let base = BaseUrl::parse(&format!("http://{}", console.address)).unwrap();
    let key = TokenSource::File("/nonexistent/key".into());
    let api = ApiClient::new(base, key, Options::new("test")).unwrap();
    assert!(api.health().await.is_ok());
    let error = api.audit_events(&AuditQuery::default()).await.unwrap_err();
    assert!(matches!(*error.cause, Cause::Token(_)), "{error}");
}
