//! Everything that can go wrong on the way, and what is said then.

use std::process::Stdio;
use std::time::Duration;

use centaur_client::api::Expect;
use serde_json::json;

use crate::relay::{Fault, answer};
use crate::support::{Outcome, World, bare};

#[tokio::test]
async fn address_and_key_are_needed_and_named() {
    let world = World::new().await;
    let run = async |env: &[(&str, &str)]| {
        let mut command = bare(world.dir.path());
        command.args(["roles", "list"]).envs(env.iter().copied());
        Outcome::of(command.output().await.unwrap())
    };
    run(&[]).await.fails(2, "--iron-control-url is not set; use the option or IRON_CONTROL_URL");
    let url = ("IRON_CONTROL_URL", "http://127.0.0.1:1");
    run(&[url]).await.fails(2, "--iron-control-api-key is not set; use the option or IRON_CONTROL_API_KEY");
    // One that is empty counts as not set.
    let empty = ("IRON_CONTROL_API_KEY", "");
    run(&[url, empty])
        .await
        .fails(2, "--iron-control-api-key is not set; use the option or IRON_CONTROL_API_KEY");
}

#[tokio::test]
async fn answers_that_are_no_success_have_a_code_and_an_exit_of_their_own() {
    let world = World::new().await;
    let path = "GET /api/v1/roles?namespace=default&page=1&limit=100";
    let base = format!("http://{}", world.relay.address);
    for (status, body, exit, code, text, lines) in [
        (401, "", 4, "unauthorized", format!("{base} did not accept the API key"), ""),
        (
            403,
            r#"{"error":{"message":"this API key does not have administrator permissions"}}"#,
            4,
            "unauthorized",
            format!("{base} did not accept the API key"),
            "hint: this API key does not have administrator permissions\n",
        ),
        (
            404,
            r#"{"error":{"message":"not found"}}"#,
            3,
            "not_found",
            format!("{path}: not found (HTTP 404)"),
            "",
        ),
        (
            422,
            r#"{"error":{"message":"validation failed","details":{"name":["is bad","is worse"],"base":["no"]}}}"#,
            5,
            "rejected",
            format!("{path} was refused (422)"),
            "  base: no\n  name: is bad; is worse\n",
        ),
        (
            422,
            r#"{"error":{"message":"nope"}}"#,
            5,
            "rejected",
            format!("{path} was refused (422)"),
            "  nope\n",
        ),
        (
            409,
            r#"{"error":{"message":"nope"}}"#,
            5,
            "rejected",
            format!("{path} was refused (409)"),
            "  nope\n",
        ),
        (
            500,
            "<html>oops</html>",
            1,
            "server_error",
            format!("{path}: <html>oops</html> (HTTP 500) after 1 attempt(s)"),
            "",
        ),
        (
            200,
            "<html>hello</html>",
            1,
            "schema_mismatch",
            "/api/v1/roles answered with an unexpected body; check that CLI and control plane versions match"
                .to_owned(),
            "hint: the body is not JSON\n",
        ),
        (
            200,
            r#"{"data":{"id":"x"}}"#,
            1,
            "schema_mismatch",
            "/api/v1/roles answered with an unexpected body; check that CLI and control plane versions match"
                .to_owned(),
            "hint: `data` is not a list\n",
        ),
    ] {
        world.relay.reset();
        world.relay.fail("GET", 9, answer(status, body));
        let outcome = world.run(&["roles", "list"]).await;
        outcome.fails(exit, &text);
        assert!(outcome.err.contains(lines), "{lines}: {}", outcome.err);
        let error = world.run(&["roles", "list", "-o", "json"]).await.json(exit)["error"].take();
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(text)));
        assert_eq!(error["method"], "GET");
    }
    let error = {
        world.relay.reset();
        let body = r#"{"error":{"message":"validation failed","details":{"name":["is bad"]}}}"#;
        world.relay.fail("GET", 1, answer(422, body));
        world.run(&["roles", "list", "-o", "json"]).await.json(5)["error"].take()
    };
    assert_eq!((&error["status"], &error["details"]), (&json!(422), &json!({"name": ["is bad"]})));
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_with_the_number_of_attempts() {
    let world = World::new().await;
    let mut command = bare(world.dir.path());
    // Nothing listens on port 1.
    command.args([
        "--iron-control-url",
        "http://127.0.0.1:1",
        "--iron-control-api-key",
        "iak_x",
        "--retries",
        "1",
    ]);
    let outcome = Outcome::of(command.args(["roles", "list"]).output().await.unwrap());
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        outcome.err.starts_with("error: GET /api/v1/roles?namespace=default&page=1&limit=100: "),
        "{}",
        outcome.err
    );
    assert!(outcome.err.contains(" after 2 attempt(s)\n"), "{}", outcome.err);
    world.relay.fail("GET", 1, Fault::Late(Duration::from_mins(1)));
    let outcome = world.run(&["roles", "list", "--timeout", "1", "--retries", "0"]).await;
    outcome.fails(
        1,
        "GET /api/v1/roles?namespace=default&page=1&limit=100: no answer within 1 s after 1 attempt(s)",
    );
}

#[tokio::test]
async fn a_busy_control_plane_is_asked_again_and_nobody_notices() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    world.relay.fail("GET", 1, Fault::Answer(429, Some(("retry-after", "1")), String::new()));
    world.run(&["roles", "list"]).await.is(0, "support  role_1Uc5uCJR  support\n1 role\n", "");
    world.relay.fail("GET", 1, Fault::Lost);
    world.run(&["roles", "list"]).await.is(0, "support  role_1Uc5uCJR  support\n1 role\n", "");
    // The write was applied, its answer lost: the second attempt finds it done.
    world.relay.fail("PUT", 1, Fault::AnswerLost);
    world.run(&["roles", "create", "other"]).await.is(0, "role  other  role_E7oP5Nps  created\n", "");
    world.relay.fail("DELETE", 1, Fault::AnswerLost);
    let outcome = world.run(&["roles", "delete", "other", "--yes", "--quiet"]).await;
    outcome.is(0, "role  other  role_E7oP5Nps  deleted\n", "");
}

#[tokio::test]
async fn a_plan_that_stops_tells_what_is_done_and_the_same_command_finishes_it() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.done(&["roles", "create", "support"]).await;
    world.relay.fail("POST /api/v1/grants", 1, answer(500, r#"{"error":{"message":"internal error"}}"#));
    let words = ["principals", "grant", "slack-user-u5", "--role", "support", "--secret", "key"];
    let outcome = world.run(&words).await;
    outcome.is(
        6,
        "principal  slack-user-u5  prn_5CO4fITZ   created\n\
         role       support        role_1Uc5uCJR  assigned\n\
         grant      key            -              not granted\n",
        "error: 2 of 3 steps done; run the same command again to finish\n\
         hint: stopped by: POST /api/v1/grants: internal error (HTTP 500) after 1 attempt(s)\n",
    );
    world.relay.fail("POST /api/v1/grants", 1, answer(500, ""));
    // Nothing was done by this run, so its own failure is the outcome.
    let error = world.run(&[&words[..], &["-o", "json"]].concat()).await.json(1)["error"].take();
    assert_eq!(error["code"], "server_error");
    let outcome = world.run(&words).await;
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.err);
    assert!(outcome.out.ends_with("grant      key            grant_VURnYeSg  granted\n"), "{}", outcome.out);
}

#[tokio::test]
async fn a_partial_outcome_is_in_the_json_with_its_cause() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.relay.fail(
        "POST /api/v1/grants",
        1,
        answer(422, r#"{"error":{"message":"no","details":{"base":["bad"]}}}"#),
    );
    let words = ["roles", "grant", "support", "--secret", "key", "-o", "json"];
    let shown = world.run(&words).await.json(6);
    assert_eq!((&shown["error"]["code"], &shown["error"]["cause"]), (&json!("partial"), &json!("rejected")));
    assert_eq!(
        (&shown["error"]["path"], &shown["error"]["details"]),
        (&json!("/api/v1/grants"), &json!({"base": ["bad"]}))
    );
    let applied: Vec<_> =
        shown["data"]["changes"].as_array().unwrap().iter().map(|one| one["applied"].clone()).collect();
    assert_eq!(applied, [json!(true), json!(false)]);
    assert_eq!(shown["data"]["complete"], false);
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_written_over_unless_forced() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    let words = ["roles", "create", "support", "--name", "Mine", "--update"];
    // Somebody writes between the read and the write.
    world.relay.fail("PUT", 1, Fault::Late(Duration::from_secs(3)));
    let child = world.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while world.relay.lines().iter().filter(|line| line.starts_with("GET")).count() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.api.put_role("support", &json!({"name": "Theirs"}), Expect::Anything).await.unwrap();
    let outcome = Outcome::of(child.wait_with_output().await.unwrap());
    outcome.fails(5, "role support changed since it was read; run again or add --force");
    assert_eq!(
        world.api.role_named("default", "support").await.unwrap().unwrap().name.as_deref(),
        Some("Theirs")
    );
    world.done(&[&words[..], &["--force"]].concat()).await;
    assert_eq!(world.relay.seen().last().unwrap().if_match, None);
}

#[tokio::test]
async fn an_older_control_plane_without_revisions_is_read_again_right_before_the_write() {
    let world = World::new().await;
    let record = |at: &str| {
        json!({"data": {"id": "role_1Uc5uCJR", "namespace": "default", "foreign_id": "support", "name": "x",
            "labels": {}, "updated_at": at}})
        .to_string()
    };
    let words = ["roles", "create", "support", "--name", "Mine", "--update"];
    world.relay.fail("GET", 1, answer(200, &record("2030-01-01T00:00:00.000Z")));
    world.relay.fail("GET", 1, answer(200, &record("2030-01-01T00:00:01.000Z")));
    world.run(&words).await.fails(5, "role support changed since it was read; run again or add --force");
    assert!(world.relay.lines().iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn assignments_that_other_consoles_refuse_as_done_are_done_and_other_refusals_are_not() {
    let world = World::new().await;
    world.done(&["roles", "create", "support"]).await;
    let words = ["principals", "grant", "slack-user-u5", "--role", "support"];
    let already = r#"{"error":{"message":"validation failed","details":{"role":["is already assigned"]}}}"#;
    let other = r#"{"error":{"message":"validation failed","details":{"role":["must be in the same namespace as the principal"]}}}"#;
    world.done(&["principals", "create", "slack-user-u5"]).await;
    for (status, body, exit) in [(409, "", 0), (422, already, 0), (422, other, 5)] {
        world.relay.fail("POST", 1, answer(status, body));
        assert_eq!(world.run(&words).await.status.code(), Some(exit), "{status} {body}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_interrupt_finishes_the_step_under_way_and_tells_what_was_applied() {
    let world = World::new().await;
    world.secret("key", "a.test").await;
    world.relay.fail("PUT /api/v1/roles", 1, Fault::Late(Duration::from_secs(3)));
    let words = ["roles", "grant", "support", "--secret", "key"];
    let child = world.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = i32::try_from(child.id().unwrap()).unwrap();
    // The write is under way when its lookup and the seven of the secret have been answered.
    while world.relay.lines().len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while world.relay.pending() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let outcome = Outcome::of(child.wait_with_output().await.unwrap());
    outcome.is(
        130,
        "role   support  role_1Uc5uCJR  created\ngrant  key      -              not granted\n",
        "warning: there is no role support; it is made\n\
         finishing the step under way; once more to stop at once\n\
         error: interrupted; 1 of 2 steps done; run the same command again to finish\n",
    );
    world.run(&words).await.is(
        0,
        "role   support  role_1Uc5uCJR   in place\ngrant  key      grant_VURnYeSg  granted\n",
        "",
    );
}
