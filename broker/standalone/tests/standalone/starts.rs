//! How the program starts and ends.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::sleep;

use crate::http::send;
use crate::process::{Process, command, outcome};
use crate::world::{BEARER, World};

#[tokio::test]
async fn it_does_not_start_without_authentication_or_with_a_file_that_is_wrong() {
    let world = World::new().await;
    let file = world.file(&["a"]);
    let open = file.replace("bearer_auth_env: FAKE_BEARER\n", "");
    let path = world.config(&open);
    let (code, said) = outcome(&mut command(&path)).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("bearer_auth_env is required; --insecure-no-auth hands tokens to everybody"),
        "{said}"
    );
    assert_eq!(outcome(command(&path).arg("--check")).await, (Some(0), String::new()));

    let path = world.config(&file);
    let (code, said) = outcome(command(&path).env("FAKE_BEARER", "")).await;
    assert_eq!(
        (code, said.contains("FAKE_BEARER, named by bearer_auth_env, is not set or empty")),
        (Some(1), true)
    );

    let path = world.config(&format!("{file}listn: ':1'\n"));
    let (code, said) = outcome(&mut command(&path)).await;
    assert_eq!((code, said.contains("broker.yaml: line")), (Some(1), true), "{said}");
    assert!(said.contains("did you mean \"listen\"?"), "{said}");
    assert_eq!(outcome(command(&world.directory.path().join("none")).arg("--check")).await.0, Some(1));
    assert_eq!(outcome(command(&path).arg("--cofnig")).await.0, Some(2));
}

#[tokio::test]
async fn without_authentication_by_name_everybody_is_served_and_the_log_says_so() {
    let world = World::new().await;
    world.bootstrap("a");
    let path = world.config(&world.file(&["a"]).replace("bearer_auth_env: FAKE_BEARER\n", ""));
    let mut child = command(&path).arg("--insecure-no-auth").spawn().expect("a process");
    let mut lines = BufReader::new(child.stderr.take().expect("a log")).lines();
    let warned = lines.next_line().await.expect("a log").expect("a line");
    assert!(warned.contains("authentication is off"), "{warned}");
    let listening: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).expect("JSON");
    let address = listening["address"].as_str().expect("an address").parse().expect("an address");
    loop {
        let answer = send(address, "GET", "/credentials/a/access_token", "").await.expect("an answer");
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn it_rereads_on_hangup_stores_what_is_under_way_on_term_and_says_no_secret() {
    let world = World::new().await;
    let process = Process::start(&world, &["a"]).await;
    while process.ask("a").await.expect("an answer").status != 422 {
        sleep(Duration::from_millis(5)).await;
    }
    world.provider.hold(true);
    world.bootstrap("a");
    process.signal("-HUP");
    world.provider.until_presented(1).await;
    process.signal("-TERM");
    // It still serves, and says that nothing new comes.
    let (answer, ()) = tokio::join!(process.ask("a"), async {
        sleep(Duration::from_secs(2)).await;
        world.provider.hold(false);
    });
    let token = answer.expect("an answer").token();
    let (code, said) = process.ended().await;
    assert_eq!(code, Some(0));
    assert_eq!(world.document("a")["access_token"], token.as_str());
    assert!(said.contains("reading all documents again") && said.contains("\"stopping\""), "{said}");
    assert!(!said.contains("at-fake") && !said.contains("rt-fake") && !said.contains(BEARER), "{said}");
}
