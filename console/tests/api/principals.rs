//! Principals, roles and assignments.

use serde_json::json;

use crate::console::{Console, KEY};
use crate::on_both;

async fn an_upsert_makes_then_updates_what_it_says() {
    let console = Console::start().await;
    let path = "/api/v1/principals/slack-channel-c1";
    let made = console.put(path, json!({"namespace":"lab","name":"One","labels":{"a":"1"}})).await.data(201);
    assert_eq!(made["id"], "prn_5CO4fITZ");
    assert_eq!(made["labels"], json!({"a":"1","centaur.sandbox_repo_cache":"all"}));
    assert_eq!(
        (&made["sandbox_repo_cache"], &made["sandbox_api_server_enabled"]),
        (&json!("all"), &json!(true))
    );
    let again = console.patch(path, json!({"namespace":"lab","sandbox_repo_cache":"none"})).await.data(200);
    assert_eq!((&again["id"], &again["name"]), (&made["id"], &json!("One")));
    assert_eq!((&again["sandbox_repo_cache"], &again["revision"]), (&json!("none"), &json!(2)));
    let by_id = console
        .put("/api/v1/principals/prn_5CO4fITZ", json!({"namespace":"x","foreign_id":"y","name":"Two"}))
        .await;
    let by_id = by_id.data(200);
    assert_eq!(
        (&by_id["namespace"], &by_id["foreign_id"], &by_id["name"]),
        (&json!("lab"), &json!("slack-channel-c1"), &json!("Two"))
    );
}

async fn what_is_not_there_is_404_with_its_name() {
    let console = Console::start().await;
    console.make("/api/v1/principals", json!({"foreign_id":"there"})).await;
    for (path, message) in [
        ("prn_AJxF0Qkg", "Couldn't find Principal with oid \"prn_AJxF0Qkg\""),
        ("there", "Couldn't find Principal with oid \"there\""),
        ("prn_!!!", "Couldn't find Principal with oid \"prn_!!!\""),
        ("role_1Uc5uCJR", "Couldn't find Principal with oid \"role_1Uc5uCJR\""),
        ("lookup/lab/there", "Couldn't find Principal with namespace \"lab\" and foreign_id \"there\""),
    ] {
        let reply = console.get(&format!("/api/v1/principals/{path}")).await;
        assert_eq!(reply.expect(404), json!({"error":{"message":message}}), "{path}");
    }
    console.get("/api/v1/principals/lookup/default/there").await.expect(200);
    assert_eq!(console.put("/api/v1/principals/prn_nothing1", json!({"name":"x"})).await.status, 404);
}

async fn concurrent_upserts_of_one_name_make_one_row() {
    let console = Console::start().await;
    let put = || console.put("/api/v1/principals/one.json", json!({"name":"x"}));
    let replies = futures(20, put).await;
    assert_eq!(replies.iter().filter(|status| **status == 201).count(), 1, "{replies:?}");
    assert_eq!(replies.iter().filter(|status| **status == 200).count(), 19, "{replies:?}");
    let list = console.get("/api/v1/principals?namespace=default").await.expect(200);
    assert_eq!(list["meta"], json!({"page":1,"limit":50,"total":1,"total_pages":1}));
}

async fn futures<F: Future<Output = crate::console::Reply>>(count: usize, make: impl Fn() -> F) -> Vec<u16> {
    use std::pin::Pin;
    use std::task::Poll;
    let mut running: Vec<Pin<Box<F>>> = (0..count).map(|_| Box::pin(make())).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        running.retain_mut(|one| match one.as_mut().poll(context) {
            Poll::Ready(reply) => {
                done.push(reply.status);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}

async fn lists_are_paged_by_namespace_and_labels() {
    let console = Console::start().await;
    for name in ["a", "b", "c"] {
        let cache = if name == "c" { "none" } else { "public" };
        let data = json!({"namespace":"lab","name":name,"sandbox_repo_cache":cache,"labels":{"n":1}});
        console.put(&format!("/api/v1/principals/{name}"), data).await.expect(201);
    }
    let names = async |query: &str| {
        let list = console.get(&format!("/api/v1/principals?{query}")).await.expect(200);
        let rows = list["data"].as_array().expect("rows").clone();
        rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("namespace=lab&limit=2").await, ["a", "b"]);
    assert_eq!(names("namespace=lab&limit=2&page=2").await, ["c"]);
    assert!(names("namespace=default").await.is_empty());
    assert_eq!(
        names("namespace=lab&labels%5Bcentaur.sandbox_repo_cache%5D=public&labels[n]=1").await,
        ["a", "b"]
    );
    for (query, message) in [
        ("", "param is missing or the value is empty or invalid: namespace"),
        ("namespace=lab&limit=10.5", "limit must be an integer"),
        ("namespace=lab&page=abc", "page must be an integer"),
        ("namespace=lab&labels=x", "labels must be a hash of key=value pairs"),
        ("namespace=lab&labels[k][]=x", "label value for k must be a scalar"),
    ] {
        let reply = console.get(&format!("/api/v1/principals?{query}")).await;
        assert_eq!(reply.expect(400)["error"]["message"], message);
    }
}

async fn slack_rows_are_replaced_whole_or_written_one_by_one() {
    let console = Console::start().await;
    let id = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let path = format!("/api/v1/principals/{id}/slack_channel_permissions");
    let row = json!({"channel_id":" c12345678 "});
    let made = console.post(&path, row.clone()).await.data(201);
    let want = json!({"channel_id":"C12345678","channel_name":null,"upload_enabled":true,"download_enabled":true,"history_enabled":true});
    assert_eq!(made, want);
    assert_eq!(console.post(&path, row).await.data(200), want);
    let bad = json!({"slack_channel_permissions":[{"channel_id":"X1"}],"name":"kept out"});
    let details = console.put(&format!("/api/v1/principals/{id}"), bad).await.details();
    assert_eq!(details["channel_id"], json!(["is not a valid Slack channel ID"]));
    let row = console.get(&format!("/api/v1/principals/{id}")).await.data(200);
    assert_eq!((&row["name"], &row["slack_channel_permissions"]), (&json!(null), &json!([want])));
    let cleared =
        console.put(&format!("/api/v1/principals/{id}"), json!({"slack_channel_permissions":null})).await;
    assert_eq!(cleared.data(200)["slack_channel_permissions"], json!([]));
}

async fn roles_are_assigned_once_within_a_namespace() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p","name":"P"})).await;
    let role = console.make("/api/v1/roles", json!({"foreign_id":"tools","name":"Tools"})).await;
    let elsewhere = console.make("/api/v1/roles", json!({"namespace":"lab","foreign_id":"tools"})).await;
    let path = format!("/api/v1/principals/{principal}/roles");
    assert_eq!(console.post(&path, json!({"role_id":role})).await.data(201)["foreign_id"], "tools");
    assert_eq!(console.post(&path, json!({"role_id":role})).await.data(200)["id"], role.as_str());
    assert_eq!(console.post(&path, json!({"other":1})).await.status, 400);
    assert_eq!(console.post(&path, json!({"role_id":"role_x"})).await.status, 404);
    let details = console.post(&path, json!({"role_id":elsewhere})).await.details();
    assert_eq!(details, json!({"role":["must be in the same namespace as the principal"]}));
    let list = console.get(&path).await.expect(200);
    assert_eq!((list["data"].as_array().map(Vec::len), list.get("meta")), (Some(1), None));
    let holders = console.get(&format!("/api/v1/roles/{role}/principals")).await.data(200);
    assert_eq!(holders[0]["id"], principal.as_str());
    assert_eq!(console.delete(&format!("{path}/{role}")).await.status, 204);
    assert_eq!(console.delete(&format!("{path}/{role}")).await.status, 404);
}

async fn if_match_refuses_a_write_by_who_saw_another_revision() {
    let console = Console::start().await;
    let id = console.make("/api/v1/roles", json!({"foreign_id":"r"})).await;
    let (path, bearer) = (format!("/api/v1/roles/{id}"), format!("Bearer {KEY}"));
    let put = async |revision: &str, name: &str| {
        let body = json!({"data":{"name":name}}).to_string();
        console.send("PUT", &path, &[("authorization", &bearer), ("if-match", revision)], body).await
    };
    assert_eq!(put("\"1\"", "one").await.data(200)["revision"], 2);
    let stale = put("\"1\"", "two").await.expect(412);
    assert_eq!(stale["error"]["message"], "the resource is at revision 2");
    assert_eq!(console.get(&path).await.data(200)["name"], "one");
}

async fn a_principal_that_goes_leaves_its_proxies_unassigned() {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let proxy = console.make("/api/v1/proxies", json!({"name":"x","principal_id":principal})).await;
    assert_eq!(console.delete(&format!("/api/v1/principals/{principal}")).await.status, 204);
    let row = console.get(&format!("/api/v1/proxies/{proxy}")).await.data(200);
    assert_eq!(
        (&row["principal_id"], &row["status"], &row["principal_assigned_at"]),
        (&json!(null), &json!("unassigned"), &json!(null))
    );
}

on_both!(
    an_upsert_makes_then_updates_what_it_says,
    what_is_not_there_is_404_with_its_name,
    concurrent_upserts_of_one_name_make_one_row,
    lists_are_paged_by_namespace_and_labels,
    slack_rows_are_replaced_whole_or_written_one_by_one,
    roles_are_assigned_once_within_a_namespace,
    if_match_refuses_a_write_by_who_saw_another_revision,
    a_principal_that_goes_leaves_its_proxies_unassigned,
);
