//! Signing in with a password, and the sessions that begin with it.

use centaur_base::Secret;
use centaur_base::oid::UserId;
use centaur_store::{Actor, AuditFilter, NewUser, StoreError, User, UserPatch, UserStatus};
use serde_json::json;

use crate::browser::Browser;
use crate::console::{Console, KEY};
use crate::on_both;

const ROOT: &str = "root@example.test";
const PASSWORD: &str = "fake-password-1";
const WRONG: &str = "Invalid email or password.";

async fn user(console: &Console, email: &str, status: UserStatus, hash: Option<String>) -> User {
    let new = NewUser {
        email: email.to_owned(),
        name: None,
        status,
        admin: false,
        password_hash: hash.map(Secret::new),
        email_verified: true,
    };
    let new = &new;
    let system = Actor::system();
    let made = console.app.store().write(&system, |tx| Box::pin(async move { tx.create_user(new).await }));
    let made: Result<User, StoreError> = made.await;
    made.expect("a user")
}

async fn patch(console: &Console, id: UserId, patch: UserPatch) {
    let (patch, system) = (&patch, Actor::system());
    let written: Result<User, StoreError> = console
        .app
        .store()
        .write(&system, |tx| Box::pin(async move { tx.update_user(id, patch, None).await }))
        .await;
    written.expect("written");
}

async fn root(console: &Console) -> User {
    let found = console.app.store().read().await.expect("a transaction").user_by_email(ROOT).await;
    found.expect("an answer").expect("the first user")
}

/// A hash of bcrypt, as the reference has them.
fn older(password: &str) -> String {
    bcrypt::hash(password, 4).expect("a hash")
}

async fn events(console: &Console) -> Vec<(String, String)> {
    let filter = AuditFilter { oldest_first: true, ..AuditFilter::default() };
    let events = console.app.store().read().await.expect("a transaction").audit_events(&filter, 200).await;
    let events = events.expect("events").into_iter();
    let ours = events.filter(|event| {
        event.action.starts_with("sign_")
            || event.action.contains("admin")
            || event.action.starts_with("view")
    });
    ours.map(|event| (event.action, event.actor_kind)).collect()
}

async fn a_right_password_begins_a_session_and_signing_out_ends_it() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    assert_eq!(browser.get("/").await.to(), "/login?return_to=%2F");
    assert_eq!(
        browser.get("/console/sessions?a=b").await.to(),
        "/login?return_to=%2Fconsole%2Fsessions%3Fa%3Db"
    );
    let page = browser.get("/login?return_to=%2Fconsole%2Fsessions").await;
    page.says(200, r#"name="return_to" value="/console/sessions""#);
    let fields =
        [("email", " Root@Example.test "), ("password", PASSWORD), ("return_to", "/console/sessions")];
    let seen = browser.post("/login", &fields).await;
    assert_eq!((seen.status, seen.to()), (303, "/console/sessions"));
    let session = browser.session().expect("a session").clone();
    assert_eq!(session.len(), 64);
    browser.get("/console").await.says(200, "Signed in as root@example.test.").says(200, "administrator");
    let again = browser.get("/console").await;
    assert!(!again.text.contains("Signed in as"), "said once");
    assert_eq!(browser.get("/login").await.to(), "/console", "already in");
    assert_eq!(browser.get("/pending").await.to(), "/console");

    browser.get("/console").await;
    assert_eq!(browser.post("/logout", &[]).await.to(), "/login");
    assert_eq!(browser.session(), None);
    browser.get("/login").await.says(200, "Signed out.");
    browser.cookies.insert("console_session".to_owned(), session);
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole", "ended on the server");
    let told = events(&console).await;
    assert_eq!(told, [("sign_in".to_owned(), "user".to_owned()), ("sign_out".to_owned(), "user".to_owned())]);
    let text = console.send("GET", "/metrics", &[], "").await.text;
    assert!(text.contains(r#"console_logins_total{provider="password",result="success"} 1"#), "{text}");
    assert!(text.contains("console_logouts_total 1"), "{text}");
}

async fn whatever_is_wrong_is_refused_with_one_sentence() {
    let console = Console::start().await;
    user(&console, "sso@example.test", UserStatus::Active, None).await;
    for (email, password) in [
        (ROOT, "fake-password-2"),
        (ROOT, ""),
        (ROOT, "FAKE-PASSWORD-1"),
        ("nobody@example.test", PASSWORD),
        ("sso@example.test", ""),
        ("", ""),
    ] {
        let mut browser = Browser::new(&console);
        browser.sign_in(email, password).await.says(422, WRONG);
        assert_eq!(browser.session(), None);
    }
    let long = "a".repeat(1025);
    let mut browser = Browser::new(&console);
    let page = browser.sign_in("<b>\"x", &long).await;
    page.says(422, WRONG).says(422, "value=\"&#60;b&#62;&#34;x\"");
    assert!(!page.text.contains(&long), "a password is never shown again");
    let told = events(&console).await;
    assert!(told.iter().all(|(action, actor)| action == "sign_in_refused" && actor == "system"));
    browser.sign_in(ROOT, PASSWORD).await.to();
}

async fn who_is_disabled_or_pending_is_told_so() {
    let console = Console::start().await;
    let disabled = user(&console, "out@example.test", UserStatus::Disabled, Some(older(PASSWORD))).await;
    user(&console, "new@example.test", UserStatus::Pending, Some(older(PASSWORD))).await;
    let mut browser = Browser::new(&console);
    browser.sign_in(&disabled.email, "fake-password-2").await.says(422, WRONG);
    browser.sign_in(&disabled.email, PASSWORD).await.says(422, "Your account is disabled.");
    assert_eq!(browser.session(), None);

    assert_eq!(browser.sign_in("new@example.test", PASSWORD).await.to(), "/pending");
    let page = browser.get("/pending").await;
    page.says(200, "Your account is awaiting approval.").says(200, "new@example.test");
    for path in ["/", "/console", "/console/sessions"] {
        assert_eq!(browser.get(path).await.to(), "/pending", "{path}");
    }
    for path in ["/console/sessions/end_others", "/console/view_as_operator"] {
        assert_eq!(browser.post(path, &[]).await.to(), "/pending", "{path}");
    }
    assert_eq!(browser.post("/logout", &[]).await.to(), "/login");
}

async fn disabling_ends_sessions_at_the_next_request_and_keys_for_good() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.sign_in(ROOT, PASSWORD).await.to();
    console.get("/api/v1/api_keys").await.expect(200);
    let root = root(&console).await;
    patch(&console, root.id, UserPatch { status: Some(UserStatus::Disabled), ..UserPatch::default() }).await;
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");
    browser.get("/login").await.says(200, "Your account is disabled.");
    assert_eq!(browser.post("/logout", &[]).await.to(), "/login");
    patch(&console, root.id, UserPatch { status: Some(UserStatus::Active), ..UserPatch::default() }).await;
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");
    let bearer = format!("Bearer {KEY}");
    console.send("GET", "/api/v1/api_keys", &[("authorization", &bearer)], "").await.expect(401);
    browser.sign_in(ROOT, PASSWORD).await.to();
}

async fn five_failures_of_an_account_are_enough_for_a_while_on_every_replica() {
    let console = Console::start().await;
    let mut signed_in = Browser::new(&console);
    signed_in.sign_in(ROOT, PASSWORD).await.to();
    let mut browser = Browser::new(&console);
    for _ in 0..5 {
        browser.sign_in(ROOT, "fake-password-2").await.says(422, WRONG);
    }
    let page = browser.sign_in(ROOT, PASSWORD).await;
    page.says(429, "Too many failed attempts. Try again in 15 minutes.");
    let wait: u64 = page.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((840..=900).contains(&wait), "{wait}");
    signed_in.get("/console").await.says(200, "root@example.test");
    browser.sign_in("nobody@example.test", PASSWORD).await.says(422, WRONG);
    if console.database().starts_with("postgres") {
        let beside = console.beside(&[]).await;
        Browser::new(&beside).sign_in(ROOT, PASSWORD).await.says(429, "Too many failed attempts.");
    }
}

async fn twenty_failures_from_an_address_are_enough_and_proxies_are_believed_when_trusted() {
    let console = Console::with(&[("CENTAUR_CONSOLE_TRUSTED_PROXIES", "127.0.0.0/8 10.0.0.1")]).await;
    let from = |address: &str| {
        let mut browser = Browser::new(&console);
        browser.headers.push(("x-forwarded-for", format!("198.51.100.7, {address}")));
        browser
    };
    for at in 0..20 {
        from("192.0.2.1").sign_in(&format!("{at}@example.test"), PASSWORD).await.says(422, WRONG);
    }
    from("192.0.2.1").sign_in(ROOT, PASSWORD).await.says(429, "Too many");
    from("192.0.2.2, 10.0.0.1").sign_in(ROOT, PASSWORD).await.to();
}

async fn a_session_is_another_after_each_sign_in() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    let planted = "a".repeat(64);
    browser.cookies.insert("console_session".to_owned(), planted.clone());
    browser.sign_in(ROOT, PASSWORD).await.to();
    let first = browser.session().expect("a session").clone();
    assert_ne!(first, planted);
    let mut other = Browser::new(&console);
    other.cookies.insert("console_session".to_owned(), planted);
    assert_eq!(other.get("/console").await.to(), "/login?return_to=%2Fconsole");

    browser.get("/console").await;
    browser.post("/login", &[("email", ROOT), ("password", PASSWORD)]).await.to();
    let second = browser.session().expect("a session").clone();
    assert_ne!(second, first);
    other.cookies.insert("console_session".to_owned(), first);
    assert_eq!(other.get("/console").await.to(), "/login?return_to=%2Fconsole", "the one before has ended");
}

async fn a_form_of_nobody_knows_where_is_refused_and_changes_nothing() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.sign_in(ROOT, PASSWORD).await.to();
    browser.get("/console").await;
    let (right, origin) = (browser.form_token().to_owned(), browser.origin.clone());
    let mut stranger = Browser::new(&console);
    stranger.get("/login").await;
    let foreign = stranger.form_token().to_owned();
    let ours = ("origin", origin.as_str());
    let refused: [(&str, Vec<(&str, &str)>); 8] = [
        ("", vec![ours]),
        (&foreign, vec![ours]),
        (&right, vec![]),
        (&right, vec![("origin", "https://evil.example")]),
        (&right, vec![("origin", "null")]),
        (&right, vec![ours, ("sec-fetch-site", "cross-site")]),
        (&right, vec![("sec-fetch-site", "same-site")]),
        (&right, vec![ours, ("content-type", "text/plain")]),
    ];
    for (token, headers) in refused {
        for path in ["/logout", "/console/view_as_operator", "/console/sessions/end_others", "/login"] {
            let page = browser.post_as(path, &[], token, &headers).await;
            page.says(403, "This form is not valid any more");
        }
    }
    browser.get("/console").await.says(200, "View as operator");
    assert_eq!(events(&console).await.len(), 1, "nothing but the sign-in");
    for path in ["/logout", "/console/sessions/end_others", "/console/view_as_operator"] {
        assert_eq!(browser.get(path).await.status, 404, "no state is changed by GET");
    }
    browser.post_as("/logout", &[], &right, &[ours, ("sec-fetch-site", "same-origin")]).await.to();
    assert_eq!(browser.session(), None);
}

async fn a_browser_is_returned_to_pages_of_the_console_alone() {
    let console = Console::start().await;
    for bad in
        ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example/", "/oauth/x/start"]
    {
        let mut browser = Browser::new(&console);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", bad).finish();
        let page = browser.get(&format!("/login?{query}")).await;
        page.says(200, r#"name="return_to" value="/console""#);
        assert!(!page.text.contains("evil"), "{bad}");
        let fields = [("email", ROOT), ("password", PASSWORD), ("return_to", bad)];
        assert_eq!(browser.post("/login", &fields).await.to(), "/console", "{bad}");
    }
}

async fn sessions_are_listed_and_ended_by_their_user() {
    let console = Console::start().await;
    let (mut one, mut two) = (Browser::new(&console), Browser::new(&console));
    one.headers.push(("user-agent", "Fake/1.0 <b>".to_owned()));
    one.sign_in(ROOT, PASSWORD).await.to();
    two.sign_in(ROOT, PASSWORD).await.to();
    let page = two.get("/console/sessions").await;
    page.says(200, "Fake/1.0 &#60;b&#62;")
        .says(200, "127.0.0.1")
        .says(200, "with password")
        .says(200, "(this browser)");
    assert!(!page.text.contains(one.session().expect("a session")), "no token is shown");
    let ids: Vec<_> = page.text.split("/console/sessions/ses_").skip(1).collect();
    let id = |at: usize| format!("ses_{}", ids[at].split('/').next().expect("an id"));
    assert_eq!(two.post(&format!("/console/sessions/{}/end", id(1)), &[]).await.to(), "/console/sessions");
    assert_eq!(one.get("/console").await.to(), "/login?return_to=%2Fconsole");
    two.get("/console/sessions").await.says(200, "The session has ended.");
    two.post(&format!("/console/sessions/{}/end", id(1)), &[]).await.says(404, "There is no such page.");
    two.post("/console/sessions/rubbish/end", &[]).await.says(404, "There is no such page.");

    user(&console, "bob@example.test", UserStatus::Active, Some(older(PASSWORD))).await;
    let mut bob = Browser::new(&console);
    bob.sign_in("bob@example.test", PASSWORD).await.to();
    bob.get("/console/sessions").await;
    bob.post(&format!("/console/sessions/{}/end", id(0)), &[]).await.says(404, "There is no such page.");
    two.get("/console").await.says(200, "administrator");

    one.sign_in(ROOT, PASSWORD).await.to();
    two.get("/console/sessions").await;
    assert_eq!(two.post("/console/sessions/end_others", &[]).await.to(), "/console/sessions");
    assert_eq!(one.get("/console").await.to(), "/login?return_to=%2Fconsole");
    bob.get("/console").await.says(200, "operator");
    assert_eq!(two.post(&format!("/console/sessions/{}/end", id(0)), &[]).await.to(), "/login", "its own");
    assert_eq!(two.session(), None);
}

async fn an_administrator_may_look_as_an_operator_does() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.sign_in(ROOT, PASSWORD).await.to();
    browser.get("/console").await.says(200, "View as operator");
    assert_eq!(browser.post("/console/view_as_operator", &[]).await.to(), "/console");
    let page = browser.get("/console").await;
    page.says(200, "Admin permissions paused — viewing the console as an operator");
    browser
        .post("/console/view_as_operator", &[])
        .await
        .says(403, "You need administrator access for this page.");
    assert_eq!(browser.post("/console/restore_admin", &[]).await.to(), "/console");
    browser.get("/console").await.says(200, "Admin permissions restored.").says(200, "View as operator");

    browser.post("/console/view_as_operator", &[]).await.to();
    let id = root(&console).await.id;
    patch(&console, id, UserPatch { admin: Some(false), ..UserPatch::default() }).await;
    let page = browser.get("/console").await;
    assert!(!page.text.contains("paused —"), "{}", page.text);
    for path in ["/console/restore_admin", "/console/view_as_operator"] {
        browser.post(path, &[]).await.says(403, "You need administrator access for this page.");
    }
    let told: Vec<_> = events(&console).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(told, ["sign_in", "view_as_operator", "restore_admin", "view_as_operator"]);
}

async fn an_older_hash_is_replaced_and_a_new_password_ends_sessions() {
    let console = Console::start().await;
    let bob = user(&console, "bob@example.test", UserStatus::Active, Some(older(PASSWORD))).await;
    let mut browser = Browser::new(&console);
    browser.sign_in(&bob.email, PASSWORD).await.to();
    let mut tx = console.app.store().read().await.expect("a transaction");
    let hash = tx.password_hash(bob.id).await.expect("an answer").expect("a hash");
    drop(tx);
    assert!(hash.expose().starts_with("$argon2id$"));
    browser.get("/console").await.says(200, "operator");
    Browser::new(&console).sign_in(&bob.email, PASSWORD).await.to();

    let new = Some(Secret::new(older("fake-password-2")));
    patch(&console, bob.id, UserPatch { password_hash: new, ..UserPatch::default() }).await;
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");
    browser.sign_in(&bob.email, PASSWORD).await.says(422, WRONG);
    browser.sign_in(&bob.email, "fake-password-2").await.to();
}

async fn without_passwords_only_the_first_user_gets_in_while_there_is_no_other_way() {
    let off = ("CENTAUR_CONSOLE_PASSWORD_LOGIN", "off");
    let console = Console::with(&[off]).await;
    user(&console, "bob@example.test", UserStatus::Active, Some(older(PASSWORD))).await;
    let mut browser = Browser::new(&console);
    browser.sign_in("bob@example.test", PASSWORD).await.says(422, WRONG);
    browser.sign_in(ROOT, PASSWORD).await.to();

    let google = [
        off,
        ("CENTAUR_CONSOLE_GOOGLE_CLIENT_ID", "fake-client"),
        ("CENTAUR_CONSOLE_GOOGLE_CLIENT_SECRET", "fake-client-secret"),
    ];
    let console = Console::with(&google).await;
    let mut browser = Browser::new(&console);
    let page = browser.get("/login").await;
    page.says(200, "Continue with Google");
    assert!(!page.text.contains("password"), "{}", page.text);
    let token = {
        // No page has it; a form that is made up is refused all the same.
        let cookie = browser.cookies.get("console_form").expect("a cookie").clone();
        assert_eq!(cookie.len(), 64);
        browser.form_token().to_owned()
    };
    let origin = browser.origin.clone();
    let fields = [("email", ROOT), ("password", PASSWORD)];
    browser.post_as("/login", &fields, &token, &[("origin", &origin)]).await.says(403, "not valid any more");
    assert_eq!(browser.session(), None);
}

async fn pages_say_what_browsers_may_do_with_them_and_cookies_keep_to_the_host() {
    let console = Console::with(&[("CENTAUR_CONSOLE_PUBLIC_URL", "https://console.example.test")]).await;
    let mut browser = Browser::new(&console);
    let page = browser.get("/login").await;
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let set = page.header("set-cookie").expect("a cookie");
    assert!(set.starts_with("__Host-console_form=") && set.ends_with("; Secure"), "{set}");
    assert!(set.contains("; Path=/;") && !set.contains("Domain"), "{set}");

    let fields = [("email", ROOT), ("password", PASSWORD)];
    let token = browser.form_token().to_owned();
    let local = browser.origin.clone();
    browser.post_as("/login", &fields, &token, &[("origin", &local)]).await.says(403, "not valid any more");
    let public = [("origin", "https://console.example.test")];
    browser.post_as("/login", &fields, &token, &public).await.to();
    let session = browser.cookies.get("__Host-console_session").expect("a session").clone();
    browser.get("/console").await.says(200, "administrator");
    browser.cookies.clear();
    browser.cookies.insert("console_session".to_owned(), session);
    assert_eq!(
        browser.get("/console").await.to(),
        "/login?return_to=%2Fconsole",
        "not by a name others can set"
    );

    for (url, words) in
        [("http://console.example.test", "is not https"), ("https://example.test/console", "has a path")]
    {
        let console = Console::with(&[("CENTAUR_CONSOLE_PUBLIC_URL", url)]).await;
        Browser::new(&console).get("/login").await.says(503, words);
        console.get("/api/v1/api_keys").await.expect(200);
    }
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.headers.push(("host", "console.example.test".to_owned()));
    browser.get("/login").await.says(503, "CENTAUR_CONSOLE_PUBLIC_URL is not set");
}

async fn a_session_is_no_key_of_the_api_and_a_key_no_session() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.sign_in(ROOT, PASSWORD).await.to();
    let session = browser.session().expect("a session").clone();
    assert_eq!(browser.get("/api/v1/roles").await.status, 401);
    let bearer = format!("Bearer {session}");
    console.send("GET", "/api/v1/roles", &[("authorization", &bearer)], "").await.expect(401);
    browser.cookies.insert("console_session".to_owned(), KEY.to_owned());
    assert_eq!(browser.get("/console").await.to(), "/login?return_to=%2Fconsole");
    let made = console.post("/api/v1/roles", json!({"foreign_id":"ops"})).await;
    made.expect(201);
}

async fn a_database_that_is_away_is_a_page_of_its_own() {
    let console = Console::start().await;
    let mut browser = Browser::new(&console);
    browser.sign_in(ROOT, PASSWORD).await.to();
    console.app.store().close().await;
    browser.get("/console").await.says(503, "cannot reach its database");
}

on_both!(
    a_right_password_begins_a_session_and_signing_out_ends_it,
    whatever_is_wrong_is_refused_with_one_sentence,
    who_is_disabled_or_pending_is_told_so,
    disabling_ends_sessions_at_the_next_request_and_keys_for_good,
    five_failures_of_an_account_are_enough_for_a_while_on_every_replica,
    twenty_failures_from_an_address_are_enough_and_proxies_are_believed_when_trusted,
    a_session_is_another_after_each_sign_in,
    a_form_of_nobody_knows_where_is_refused_and_changes_nothing,
    a_browser_is_returned_to_pages_of_the_console_alone,
    sessions_are_listed_and_ended_by_their_user,
    an_administrator_may_look_as_an_operator_does,
    an_older_hash_is_replaced_and_a_new_password_ends_sessions,
    without_passwords_only_the_first_user_gets_in_while_there_is_no_other_way,
    pages_say_what_browsers_may_do_with_them_and_cookies_keep_to_the_host,
    a_session_is_no_key_of_the_api_and_a_key_no_session,
    a_database_that_is_away_is_a_page_of_its_own,
);
