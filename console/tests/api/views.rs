//! Views of a configuration, and what is different since one.

use serde_json::json;

use crate::console::{Console, secret};
use crate::on_both;

struct World {
    console: Console,
    principal: String,
    config: String,
}

async fn world() -> World {
    let console = Console::start().await;
    let principal = console.make("/api/v1/principals", json!({"foreign_id":"p"})).await;
    let config = format!("/api/v1/principals/{principal}/effective_config");
    World { console, principal, config }
}

impl World {
    /// Looks, and says under which revision.
    async fn look(&self) -> i64 {
        let reply = self.console.get(&self.config).await;
        reply.expect(200);
        reply.header("x-config-revision").expect("a revision").parse().expect("a number")
    }

    async fn grant(&self, foreign_id: &str, host: &str) -> String {
        let secret =
            self.console.make("/api/v1/static_secrets", secret(foreign_id, host, "fake-value")).await;
        let data = json!({"principal_id":self.principal,"static_secret_id":secret});
        self.console.make("/api/v1/grants", data).await
    }
}

async fn a_difference_is_taken_against_a_view_that_was_shown() {
    let w = world().await;
    let before = w.look().await;
    assert_eq!(w.look().await, before, "nothing has changed");
    let grant = w.grant("s", "a.test").await;
    let reply = w.console.get(&format!("{}/diff?from={before}", w.config)).await;
    let data = reply.data(200);
    let entry = json!({"source":{"type":"control_plane","value":"[redacted]"},"rules":[{"host":"a.test"}],
        "replace":{"proxy_value":"PLACEHOLDER_s","match_headers":["Authorization"]}});
    let none = json!({"added":[],"removed":[],"reordered":false});
    let to = data["to"].as_i64().expect("a revision");
    assert!(to > before);
    assert_eq!(
        data,
        json!({"id":w.principal,"from":before,"to":to,"secrets":{"added":[entry],"removed":[],"reordered":false},
            "transforms":none,"postgres":none})
    );
    assert!(!reply.text.contains("fake-value"));

    // The newer side of a difference is kept too, and outlives the console.
    w.console.delete(&format!("/api/v1/grants/{grant}")).await.expect(204);
    let console = Console::at(w.console.stop().await, &[]).await;
    let data = console.get(&format!("{}/diff?from={to}", w.config)).await.data(200);
    assert_eq!(data["secrets"], json!({"added":[],"removed":[entry],"reordered":false}));
    let data = console.get(&format!("{}/diff?from={before}", w.config)).await.data(200);
    assert_eq!(data["secrets"], none);
}

async fn what_was_never_shown_is_404_and_the_answer_names_what_was() {
    let w = world().await;
    let refused = w.console.get(&format!("{}/diff?from=1", w.config)).await.expect(404);
    assert_eq!(refused["error"]["message"], "no view is kept for revision 1; kept are: none");
    let seen = w.look().await;
    let refused = w.console.get(&format!("{}/diff?from=999999", w.config)).await.expect(404);
    assert_eq!(refused["error"]["message"], format!("no view is kept for revision 999999; kept are: {seen}"));
    for query in ["", "from=", "from=x", "from=-1"] {
        w.console.get(&format!("{}/diff?{query}", w.config)).await.expect(400);
    }
    w.console
        .get(&format!("/api/v1/principals/prn_AJxF0Qkg/effective_config/diff?from={seen}"))
        .await
        .expect(404);
    // A view with something left out is none of the principal.
    let reply = w.console.get(&format!("{}?exclude_roles=infra", w.config)).await;
    assert_eq!((reply.status, reply.header("x-config-revision")), (200, None));
}

async fn only_the_last_views_are_kept() {
    let w = world().await;
    let first = w.look().await;
    for number in 0..centaur_store::VIEWS_KEPT {
        w.grant(&format!("s{number}"), "a.test").await;
        w.look().await;
    }
    let last = w.look().await;
    w.console.get(&format!("{}/diff?from={last}", w.config)).await.expect(200);
    w.console.get(&format!("{}/diff?from={first}", w.config)).await.expect(404);
}

on_both!(
    a_difference_is_taken_against_a_view_that_was_shown,
    what_was_never_shown_is_404_and_the_answer_names_what_was,
    only_the_last_views_are_kept,
);
