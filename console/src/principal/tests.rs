//! Principals, as the API describes them.

use serde_json::json;

use super::*;

fn read(body: Value) -> Result<PrincipalWrite, ApiError> {
    let Value::Object(members) = body else { panic!("an object") };
    parse(&mut Attributes::new(members), Address::Named("slack-user-u1"))
}

fn problems(body: Value) -> Details {
    read(body).unwrap_err().details.expect("details")
}

#[test]
fn what_is_absent_stays_and_null_clears() {
    let write = read(json!({"frob":1})).unwrap();
    let nothing = PrincipalWrite {
        identity: Identity { namespace: "default".to_owned(), foreign_id: Some("slack-user-u1".to_owned()) },
        name: Change::Keep,
        labels: None,
        repo_cache: None,
        observability: None,
        api_server: None,
        slack: None,
    };
    assert_eq!(write, nothing);
    let write = read(json!({"name":null,"labels":null,"slack_channel_permissions":null})).unwrap();
    assert_eq!(
        (write.name, write.labels, write.slack),
        (Change::Set(None), Some(Map::new()), Some(Vec::new()))
    );
}

#[test]
fn sandbox_fields_are_of_their_list_when_they_are_sent() {
    for (key, right, wrong) in [
        (
            "sandbox_repo_cache",
            vec![json!("none"), json!("public"), json!("all")],
            vec![json!("some"), json!(null), json!(1)],
        ),
        (
            "sandbox_observability_enabled",
            vec![json!(true), json!(false)],
            vec![json!("true"), json!(null), json!(1)],
        ),
        (
            "sandbox_api_server_enabled",
            vec![json!(true), json!(false)],
            vec![json!("true"), json!(null), json!(1)],
        ),
    ] {
        for value in right {
            assert!(read(json!({ key: value })).is_ok(), "{key} {value}");
        }
        for value in wrong {
            assert_eq!(problems(json!({ key: value })).under(key), ["is not included in the list"], "{key}");
        }
    }
}

#[test]
fn a_conflicting_label_loses_against_the_field() {
    let write = read(json!({"labels":{"a":"b",REPO_CACHE_LABEL:"none"},"sandbox_repo_cache":"all"})).unwrap();
    let projected = project(write.labels.unwrap(), write.repo_cache.unwrap());
    assert_eq!(json!(projected), json!({"a":"b",REPO_CACHE_LABEL:"all"}));
}

#[test]
fn slack_rows_are_normalised_sorted_and_off_unless_said() {
    let write = read(json!({"slack_channel_permissions":[
        {"channel_id":" c12345678z ","upload_enabled":true,"channel_name":"general"},
        {"channel_id":"C02345678","history_enabled":true,"download_enabled":null}]}));
    let shown: Vec<_> = write.unwrap().slack.unwrap().iter().map(SlackPermission::shown).collect();
    assert_eq!(
        json!(shown),
        json!([
            {"channel_id":"C02345678","channel_name":null,"upload_enabled":false,"download_enabled":false,"history_enabled":true},
            {"channel_id":"C12345678Z","channel_name":"general","upload_enabled":true,"download_enabled":false,"history_enabled":false},
        ])
    );
}

#[test]
fn one_row_for_itself_is_on_unless_said() {
    let one = |body: Value| {
        let Value::Object(members) = body else { panic!("an object") };
        slack_permission(&mut Attributes::new(members))
    };
    let row = one(json!({"channel_id":"G12345678","upload_enabled":false})).unwrap();
    assert_eq!((row.upload, row.download, row.history), (false, true, true));
    let off = json!({"channel_id":"G12345678","upload_enabled":false,"download_enabled":false,"history_enabled":false});
    assert_eq!(one(off).unwrap_err().under("base"), ["Select at least one Slack permission"]);
    assert_eq!(one(json!({})).unwrap_err().under("channel_id"), ["is not a valid Slack channel ID"]);
}

#[test]
fn wrong_slack_rows_are_told_with_their_index() {
    for (id, want) in [
        ("C1234567", false),
        ("C12345678", true),
        ("D12345678", true),
        ("U12345678", false),
        ("C1234567-", false),
        ("", false),
    ] {
        let rows = json!({"slack_channel_permissions":[{"channel_id":id,"upload_enabled":true}]});
        assert_eq!(read(rows.clone()).is_ok(), want, "{id}");
        if !want {
            let text = ["is not a valid Slack channel ID"];
            assert_eq!(problems(rows.clone()).under("channel_id"), text);
            assert_eq!(problems(rows).under("slack_channel_permissions[0].channel_id"), text);
        }
    }
    let twice = json!({"slack_channel_permissions":[
        {"channel_id":"C12345678","upload_enabled":true},{"channel_id":"c12345678","history_enabled":true}]});
    assert_eq!(problems(twice).under("slack_channel_permissions[1].channel_id"), ["has already been taken"]);
    let none = json!({"slack_channel_permissions":[{"channel_id":"C12345678"}]});
    assert_eq!(problems(none).under("base"), ["Select at least one Slack permission"]);
    for (rows, want) in [
        (json!("x"), "slack_channel_permissions must be an array"),
        (json!({}), "slack_channel_permissions must be an array"),
        (json!(["x"]), "slack_channel_permissions rows must be objects"),
    ] {
        let error = read(json!({ "slack_channel_permissions": rows })).unwrap_err();
        assert_eq!((error.status, error.message.as_str(), error.details), (422, want, None));
    }
}

#[test]
fn a_principal_is_shown_with_the_members_in_their_order() {
    let row = PrincipalRow {
        id: "prn_5CO4fITZ".to_owned(),
        identity: Identity { namespace: "default".to_owned(), foreign_id: Some("slack-user-u1".to_owned()) },
        name: Some("U1".to_owned()),
        labels: Map::new(),
        repo_cache: RepoCache::All,
        observability: true,
        api_server: true,
        slack: Vec::new(),
        created_at: 0,
        updated_at: 0,
        created_by: None,
        revision: 1,
    };
    let want = json!({"id":"prn_5CO4fITZ","namespace":"default","foreign_id":"slack-user-u1","name":"U1",
        "labels":{"centaur.sandbox_repo_cache":"all"},"slack_channel_permissions":[],"sandbox_repo_cache":"all",
        "sandbox_observability_enabled":true,"sandbox_api_server_enabled":true,
        "created_at":"1970-01-01T00:00:00.000Z","updated_at":"1970-01-01T00:00:00.000Z",
        "created_by":null,"revision":1});
    assert_eq!(Value::Object(render(&row)).to_string(), want.to_string());
}

#[test]
fn a_change_keeps_what_is_stored_unless_it_was_sent() {
    assert_eq!(Change::Keep.or(Some(1)), Some(1));
    assert_eq!(Change::Set(None).or(Some(1)), None);
}
