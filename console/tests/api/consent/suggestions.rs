//! Principals that are suggested for a credential: a person grants, and nothing else does.

use serde_json::{Value, json};

use super::{APPS, CREDENTIALS, World};
use crate::on_both;

impl World {
    async fn suggested(&self, credential: &Value) -> Vec<Value> {
        let path = format!("{CREDENTIALS}/{}/grant_suggestions", credential["id"].as_str().expect("an id"));
        self.console.get(&path).await.data(200).as_array().expect("a list").clone()
    }

    async fn principal(&self, foreign_id: &str, labels: Value) -> String {
        self.console.make("/api/v1/principals", json!({"foreign_id":foreign_id,"labels":labels})).await
    }

    async fn grants(&self) -> Value {
        self.console.get("/api/v1/grants").await.expect(200)["meta"]["total"].take()
    }
}

fn names(suggested: &[Value]) -> Vec<&str> {
    suggested.iter().map(|one| one["foreign_id"].as_str().expect("a name")).collect()
}

async fn an_account_is_suggested_to_those_who_look_like_it_and_granted_to_nobody() {
    let world = World::google().await;
    let by_email = world.principal("by-email", json!({"email":"ada@example.test"})).await;
    let by_subject = world.principal("by-subject", json!({"google_subject":"ada"})).await;
    world.principal("another", json!({"google_subject":"bob","email":"ada@example.test"})).await;
    world.principal("stranger", json!({"email":"eve@example.test","slack_user_id":"ada"})).await;
    let elsewhere = json!({"namespace":"lab","foreign_id":"elsewhere","labels":{"google_subject":"ada"}});
    world.console.make("/api/v1/principals", elsewhere).await;
    world.consent("ada", 1).await.says(200, "Connected");
    let credential = world.only_credential().await;

    // Off unless it is asked for.
    let app = format!("{APPS}/drive");
    assert_eq!(world.console.get(&format!("{APPS}/lookup/drive")).await.data(200)["auto_grant"], "off");
    assert_eq!(world.suggested(&credential).await, Vec::<Value>::new());
    let details = world.console.patch(&app, json!({"auto_grant":"always"})).await.details();
    assert_eq!(details, json!({"auto_grant":["must be one of off, suggest"]}));
    let patched = world.console.patch(&app, json!({"auto_grant":"suggest"})).await.data(200);
    assert_eq!(patched["auto_grant"], "suggest");

    let wrapper = &credential["wrapping_static_secret_id"];
    let want = |id: &str, name: &str, basis: &str, label: &str| {
        json!({"principal_id":id,"namespace":"default","foreign_id":name,"name":null,"static_secret_id":wrapper,
            "basis":basis,"matched_labels":[label]})
    };
    let suggested = world.suggested(&credential).await;
    assert_eq!(
        suggested,
        [
            want(&by_subject, "by-subject", "subject", "google_subject"),
            want(&by_email, "by-email", "email", "email"),
        ]
    );
    assert_eq!(world.grants().await, 0, "nothing is granted");

    // Followed: a grant like any other, and not suggested while it is there.
    let grant = json!({"principal_id":by_subject,"static_secret_id":wrapper});
    let grant = world.console.make("/api/v1/grants", grant).await;
    assert_eq!(names(&world.suggested(&credential).await), ["by-email"]);
    // Taken back: not suggested again, whatever is written since.
    world.console.delete(&format!("/api/v1/grants/{grant}")).await.expect(204);
    world.consent("ada", 2).await.says(200, "Connected");
    world.console.patch(&format!("/api/v1/principals/{by_subject}"), json!({"name":"Ada"})).await.expect(200);
    assert_eq!(names(&world.suggested(&credential).await), ["by-email"]);
    assert_eq!(world.grants().await, 0);
}

async fn a_suggestion_that_was_declined_does_not_come_back() {
    let world = World::with("google", &["/token"], json!({"auto_grant":"suggest"})).await;
    let first = world.principal("first", json!({"google_subject":"ada"})).await;
    world.principal("second", json!({"google_email":"ada@example.test"})).await;
    world.consent("ada", 1).await.says(200, "Connected");
    let credential = world.only_credential().await;
    assert_eq!(names(&world.suggested(&credential).await), ["first", "second"]);
    let path = format!("{CREDENTIALS}/{}/grant_suggestions", credential["id"].as_str().expect("an id"));
    for _ in 0..2 {
        assert_eq!(world.console.delete(&format!("{path}/{first}")).await.status, 204);
    }
    assert_eq!(names(&world.suggested(&credential).await), ["second"]);
    let declined = world.events().await.matches(r#""action":"decline_suggestion""#).count();
    assert_eq!(declined, 1, "an event, and one only");
    for (path, what) in [
        (format!("{path}/prn_x"), "Principal"),
        (format!("{CREDENTIALS}/bcr_x/grant_suggestions/{first}"), "BrokerCredential"),
    ] {
        let unknown = world.console.delete(&path).await.expect(404);
        assert!(unknown["error"]["message"].as_str().is_some_and(|text| text.contains(what)), "{unknown}");
    }
    // It can still be granted by hand.
    let grant = json!({"principal_id":first,"static_secret_id":credential["wrapping_static_secret_id"]});
    world.console.make("/api/v1/grants", grant).await;
}

on_both!(
    an_account_is_suggested_to_those_who_look_like_it_and_granted_to_nobody,
    a_suggestion_that_was_declined_does_not_come_back,
);
