//! Back from the provider.

use centaur_base::Secret;
use centaur_identity::{Keys, Purpose, States, UnixTime};
use centaur_test_issuer::{Algorithm, Key};
use serde_json::{Value, json};

use super::{APPS, BASE, World, app};
use crate::consent::browser::Browser;
use crate::on_both;
use crate::stand_in::{Client, StandIn};

const INVALID: &str = "This consent link is invalid or has expired. Start again.";
const BROWSER: &str = "This flow expired or was started in another browser. Start again.";

async fn a_consent_makes_a_credential_and_its_wrapper_and_grants_nothing() {
    let world = World::google().await;
    let page = world.consent("ada", 1).await;
    page.says(200, "<h1 class=\"good\">Connected</h1>");
    page.says(200, "ada@example.test");
    page.says(200, "An administrator still has to grant it");
    assert_eq!(world.browser.cookies(), Vec::<String>::new(), "spent");
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));

    let credential = world.only_credential().await;
    page.says(200, credential["id"].as_str().expect("an id"));
    for (key, want) in [
        ("namespace", json!("default")),
        ("foreign_id", json!("google-drive-ada")),
        ("name", json!("Google – ada@example.test")),
        ("grant", json!("refresh_token")),
        ("token_endpoint", json!("https://oauth2.googleapis.com/token")),
        ("scopes", json!(["scope-a", "openid"])),
        ("client_id", Value::Null),
        ("effective_client_id", json!("client-1")),
        ("status", json!("live")),
        ("health", json!("healthy")),
        ("provider_subject", json!("ada")),
        ("provider_email", json!("ada@example.test")),
        ("failure_count", json!(0)),
    ] {
        assert_eq!(credential[key], want, "{key}");
    }
    assert_eq!(credential["external_user_key"].as_str().map(str::len), Some(22));
    assert!(credential["next_attempt_at"].is_string() && credential["expires_at"].is_string());
    let wrapper = world.wrapper(&credential).await;
    for (key, want) in [
        ("foreign_id", Value::Null),
        ("namespace", json!("default")),
        ("name", json!("Google – ada@example.test token")),
        ("labels", json!({"managed-by":"centaur-console","oauth-app":"drive","provider":"google"})),
        ("inject_config", json!({"header":"Authorization","formatter":"Bearer {{ .Value }}"})),
        ("source", json!({"source_type":"token_broker","config":{"credential_id":credential["id"]}})),
        ("broker_credential_id", credential["id"].clone()),
    ] {
        assert_eq!(wrapper[key], want, "{key}");
    }
    assert_eq!(wrapper["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(wrapper["rules"][0]["host"], "*.googleapis.com");
    let grants = world.console.get("/api/v1/grants").await.data(200);
    assert_eq!(grants, json!([]), "an operator grants");
    let delivered = world.delivered(&credential).await;
    assert_eq!(delivered[0]["source"], json!({"type":"control_plane","value":"fake-at-1"}));

    let events = world.events().await;
    assert!(events.contains(r#""action":"consent""#), "{events}");
    let metrics = world.console.get("/metrics").await.text;
    assert!(metrics.contains(r#"oauth_consents_total{app="drive",result="connected"} 1"#), "{metrics}");
    let shown = format!("{events}{}{credential}{wrapper}", page.html);
    for secret in ["fake-at", "fake-rt", "fake-code", "fake-client-secret", "eyJ"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

async fn each_check_has_its_answer_and_leaves_nothing_behind() {
    let world = World::google().await;
    let other = world.console.put(&format!("{APPS}/other"), app("google")).await.data(201);
    let sent = world.browser.start(&world.console, "drive").await;
    let state = &sent.params["state"];
    let code = world.idp.code(&sent, &world.idp.google(&sent, "ada", 1));
    let get = async |path: String| world.browser.get(&world.console, &path).await;

    get(format!("/oauth/nothing/callback?code={code}&state={state}")).await.says(404, "Unknown integration.");
    get(format!("/oauth/drive/callback?code={code}")).await.says(400, INVALID);
    let altered = state.replace('.', "A.");
    get(format!("/oauth/drive/callback?code={code}&state={altered}")).await.says(400, INVALID);
    let keys = Keys::new(&Secret::new(BASE.to_owned()));
    let now = UnixTime(i64::try_from(seconds_now()).expect("a time"));
    let claims = json!({"app":other["id"],"scopes":[],"nonce":"n"});
    for (purpose, at, text) in [
        (Purpose::CONSENT, UnixTime(now.0 - 601), INVALID),
        (Purpose::SIGN_IN, now, INVALID),
        (Purpose::CONSENT, now, "This integration is no longer available."),
    ] {
        let made = States::new(&keys, purpose).sign(&claims, at).expect("a state");
        get(format!("/oauth/drive/callback?code={code}&state={made}")).await.says(400, text);
    }
    get(format!("/oauth/other/callback?code={code}&state={state}"))
        .await
        .says(400, "This integration is no longer available.");
    let elsewhere = Browser::new();
    elsewhere.back(&world.console, "drive", &sent, &code).await.says(400, BROWSER);

    world.console.patch(&format!("{APPS}/drive"), json!({"enabled":false})).await.expect(200);
    let page = world.browser.back(&world.console, "drive", &sent, &code).await;
    page.says(400, "This integration is no longer available.");
    assert!(!page.html.contains("Try again"));
    world.console.patch(&format!("{APPS}/drive"), json!({"enabled":true})).await.expect(200);

    assert_eq!(world.idp.issuer.seen("/token").len(), 0, "nothing was asked so far");
    assert_eq!(world.credentials().await, Vec::<Value>::new());
    let looked = world
        .browser
        .request("HEAD", &world.console, &format!("/oauth/drive/callback?code={code}&state={state}"), &[])
        .await;
    assert_eq!(looked.status, 405, "looking is not coming back");
    // The same flow, as it should be; and once only.
    world.browser.back(&world.console, "drive", &sent, &code).await.says(200, "Connected");
    world.browser.back(&world.console, "drive", &sent, &code).await.says(400, BROWSER);
    assert_eq!(world.idp.issuer.seen("/token").len(), 1);

    let events = world.events().await;
    for result in ["unknown", "invalid_state", "not_available", "other_browser"] {
        assert!(events.contains(&format!(r#""result":"{result}""#)), "{result}: {events}");
    }
}

async fn a_person_may_say_no_and_a_provider_nothing() {
    let world = World::google().await;
    for (query, status, text) in [
        ("error=access_denied", 422, "Consent was not granted (access_denied)."),
        ("error=%3Cb%3Ebad%3C/b%3E%22", 422, "Consent was not granted (bbadb)."),
        ("error=access_denied&code=x", 422, "Consent was not granted (access_denied)."),
        ("", 400, INVALID),
        ("code=", 400, INVALID),
        ("code=x&iss=https://evil.example", 422, "Connecting the integration failed (issuer_mismatch)."),
    ] {
        let sent = world.browser.start(&world.console, "drive").await;
        let path = format!("/oauth/drive/callback?{query}&state={}", sent.params["state"]);
        let page = world.browser.get(&world.console, &path).await;
        page.says(status, text);
        let heading = if text.starts_with("Consent was") { "Not connected" } else { "Something went wrong" };
        page.says(status, heading);
        page.says(status, "href=\"/oauth/drive/start\">Try again");
        assert_eq!(world.browser.cookies(), Vec::<String>::new(), "spent all the same");
    }
    assert_eq!(world.idp.issuer.seen("/token").len(), 0);
    // Who tries again asks for the same.
    let sent = world.browser.get(&world.console, "/oauth/drive/start?scopes=scope-b").await.sent();
    let path = format!("/oauth/drive/callback?error=access_denied&state={}", sent.params["state"]);
    let page = world.browser.get(&world.console, &path).await;
    page.says(422, "href=\"/oauth/drive/start?scopes=scope-b\">Try again");
    let sent = world.browser.start(&world.console, "drive").await;
    let code = world.idp.code(&sent, &world.idp.google(&sent, "ada", 1));
    let code = format!("{code}&iss=https://accounts.google.com");
    world.browser.back(&world.console, "drive", &sent, &code).await.says(200, "Connected");
}

async fn two_tabs_do_not_disturb_each_other() {
    let world = World::google().await;
    let first = world.browser.start(&world.console, "drive").await;
    let second = world.browser.start(&world.console, "drive").await;
    let code = |sent, number| world.idp.code(sent, &world.idp.google(sent, "ada", number));
    let (one, two) = (code(&first, 1), code(&second, 2));
    // The code of one with the state of the other has the wrong verifier.
    let crossed = world.browser.back(&world.console, "drive", &first, &two).await;
    crossed.says(422, "Connecting the integration failed (invalid_grant).");
    let third = world.browser.start(&world.console, "drive").await;
    let three = code(&third, 3);
    world.browser.back(&world.console, "drive", &third, &three).await.says(200, "Connected");
    world.browser.back(&world.console, "drive", &first, &one).await.says(400, BROWSER);
}

async fn what_the_provider_answers_is_named() {
    let world = World::google().await;
    let consent = async |status: u16, change: &dyn Fn(&mut Value), client: Client| {
        let sent = world.browser.start(&world.console, "drive").await;
        let mut answer = world.idp.google(&sent, "ada", 1);
        change(&mut answer);
        let code = world.idp.code_for(&sent, status, &answer, client);
        world.browser.back(&world.console, "drive", &sent, &code).await
    };
    let remove = |key: &'static str| {
        move |answer: &mut Value| {
            answer.as_object_mut().expect("members").remove(key);
        }
    };
    let put = |new: Value| move |answer: &mut Value| *answer = new.clone();
    let fails = async |status: u16, change: &dyn Fn(&mut Value), reason: &str| {
        let page = consent(status, change, Client::Post).await;
        page.says(422, &format!("Connecting the integration failed ({reason})."));
    };
    fails(400, &put(json!({"error":"invalid_grant"})), "invalid_grant").await;
    fails(400, &put(json!({})), "http").await;
    fails(503, &put(json!({})), "http").await;
    fails(200, &put(json!({"ok":false,"error":"invalid_code"})), "invalid_code").await;
    fails(200, &put(json!([])), "parse").await;
    fails(200, &remove("access_token"), "parse").await;
    fails(200, &remove("refresh_token"), "missing_refresh_token").await;
    fails(200, &remove("id_token"), "missing_id_token").await;
    let page = consent(200, &|_| {}, Client::Basic).await;
    page.says(422, "Connecting the integration failed (invalid_client).");
    page.says(422, "An administrator has to check client id and client secret.");
    assert_eq!(world.credentials().await, Vec::<Value>::new(), "nothing half stored");
    let events = world.events().await;
    assert!(events.contains(r#""reason":"missing_refresh_token""#), "{events}");
    consent(200, &|_| {}, Client::Post).await.says(200, "Connected");
}

async fn an_id_token_has_to_be_right() {
    let world = World::google().await;
    let consent = async |change: &dyn Fn(&mut Value)| {
        let sent = world.browser.start(&world.console, "drive").await;
        let mut claims = StandIn::claims("https://accounts.google.com", &sent, "ada", "ada@example.test");
        change(&mut claims);
        let code = world.idp.code(&sent, &world.idp.tokens(&claims, 1));
        world.browser.back(&world.console, "drive", &sent, &code).await
    };
    for (key, value, reason) in [
        ("aud", json!("client-2"), "id_token_aud_mismatch"),
        ("iss", json!("https://evil.example"), "id_token_iss_invalid"),
        ("exp", json!(1), "id_token_expired"),
        ("nonce", json!("n"), "id_token_nonce_mismatch"),
        ("sub", json!(""), "id_token_missing_sub"),
        ("sub", json!("pending-1"), "id_token_missing_sub"),
    ] {
        let page = consent(&|claims| claims[key] = value.clone()).await;
        page.says(422, &format!("Connecting the integration failed ({reason})."));
    }
    assert_eq!(world.credentials().await, Vec::<Value>::new());
    // Another key under a name that is known, and a key that Google has from now on.
    let next = Key::new("k2", Algorithm::Rs256);
    consent(&|_| {}).await.says(200, "Connected");
    world.idp.issuer.use_keys([Key::new("k1", Algorithm::Rs256)]);
    consent(&|_| {}).await.says(422, "(id_token_signature_invalid)");
    world.idp.issuer.use_keys([next]);
    consent(&|_| {}).await.says(200, "Connected");
    // Where the issuer was moved to is its name as well.
    let moved = world.idp.issuer.origin();
    consent(&|claims| claims["iss"] = json!(moved)).await.says(200, "Connected");
    assert_eq!(world.only_credential().await["provider_subject"], "ada");
}

async fn a_provider_that_may_not_be_called_is_not() {
    let idp = StandIn::start(&["/token"]).await;
    let base = idp.issuer.origin();
    let moved = [("CENTAUR_CONSOLE_PROVIDER_GOOGLE_BASE_URL", base.as_str())];
    let console = crate::console::Console::with(&moved).await;
    console.put(&format!("{APPS}/drive"), app("google")).await.expect(201);
    let browser = Browser::new();
    let sent = browser.start(&console, "drive").await;
    let code = idp.code(&sent, &idp.google(&sent, "ada", 1));
    let page = browser.back(&console, "drive", &sent, &code).await;
    page.says(422, "Connecting the integration failed (endpoint_refused).");
    page.says(422, "CENTAUR_CONSOLE_TOKEN_ENDPOINT_ALLOW");
    assert_eq!(idp.issuer.seen("/token").len(), 0);
}

fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs()
}

on_both!(
    a_consent_makes_a_credential_and_its_wrapper_and_grants_nothing,
    each_check_has_its_answer_and_leaves_nothing_behind,
    a_person_may_say_no_and_a_provider_nothing,
    two_tabs_do_not_disturb_each_other,
    what_the_provider_answers_is_named,
    an_id_token_has_to_be_right,
    a_provider_that_may_not_be_called_is_not,
);
