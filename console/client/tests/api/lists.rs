//! Lists, whatever their length.

use centaur_client::api::{Expect, ListFilter, Options};
use serde_json::json;

use crate::relay::{Relay, answer};
use crate::resources::{client, console};

#[tokio::test]
async fn a_list_has_all_pages_and_each_record_once() {
    let (console, api) = console().await;
    let relay = Relay::start(console.address).await;
    let through = client(relay.address, Options::new("test"));
    let filter = ListFilter::of("default");
    let mut made = 0;
    // Around the length of a page.
    for (count, pages) in [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3)] {
        while made < count {
            api.put_role(&format!("role-{made:03}"), &json!({"namespace": "default"}), Expect::Anything)
                .await
                .unwrap();
            made += 1;
        }
        relay.reset();
        let mut names: Vec<_> =
            through.roles(&filter).await.unwrap().into_iter().filter_map(|row| row.foreign_id).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(relay.lines().len(), pages, "{count}");
    }
    assert_eq!(relay.lines()[2], "GET /api/v1/roles?namespace=default&page=3&limit=100");
}

#[tokio::test]
async fn labels_may_hold_anything() {
    let (_console, api) = console().await;
    let labels = [("team", "a=b&c"), ("with space", "[x]"), ("centaur.key", "ü+%")];
    let all: serde_json::Map<_, _> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    api.put_role("marked", &json!({ "labels": all }), Expect::Anything).await.unwrap();
    api.put_role("plain", &json!({"namespace": "default"}), Expect::Anything).await.unwrap();
    let mut filter = ListFilter::of("default");
    for (key, value) in labels {
        filter = filter.label(key, value);
        let found = api.roles(&filter).await.unwrap();
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!(found[0].foreign_id.as_deref(), Some("marked"));
    }
    assert_eq!(api.roles(&filter.label("team", "other")).await.unwrap(), []);
}

#[tokio::test]
async fn a_console_that_ignores_the_limit_is_read_to_its_end_and_not_forever() {
    let (console, _) = console().await;
    let relay = Relay::start(console.address).await;
    let api = client(relay.address, Options::new("test"));
    let row =
        |id: &str| json!({"id": id, "namespace": "default", "foreign_id": null, "name": null, "labels": {}});
    let ids = ["role_1Uc5uCJR", "role_E7oP5Nps", "role_HFGBzQ2f"];
    // It knows no pages: each answer has everything.
    let everything = json!({ "data": vec![row(ids[0]); 120] }).to_string();
    relay.fail("GET /api/v1/roles", 9, answer(200, &everything));
    assert_eq!(api.roles(&ListFilter::of("default")).await.unwrap().len(), 1);
    assert_eq!(relay.lines().len(), 2);
    // It has pages of its own size, and says how many.
    relay.reset();
    for id in ids {
        let page = json!({"data": [row(id)], "meta": {"page": 1, "limit": 1, "total": 3, "total_pages": 3}});
        relay.fail("GET /api/v1/roles", 1, answer(200, &page.to_string()));
    }
    assert_eq!(api.roles(&ListFilter::of("default")).await.unwrap().len(), 3);
}
