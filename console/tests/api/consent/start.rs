//! Where a link leads.

use serde_json::json;

use super::{APPS, World, app};
use crate::consent::browser::Browser;
use crate::console::Console;
use crate::on_both;

async fn a_link_that_cannot_be_followed_says_why() {
    let world = World::google().await;
    let get = async |path: &str| world.browser.get(&world.console, path).await;
    for slug in ["nothing", "dri%2Fve", "%00", "Drive", "a%20b"] {
        let page = get(&format!("/oauth/{slug}/start")).await;
        page.says(404, "Unknown integration.");
        assert!(!page.html.contains("Try again"), "there is nothing to try");
    }
    for scopes in ["scope-c", "scope-a,scope-c", "scope-a scope-A"] {
        let page = get(&format!("/oauth/drive/start?scopes={}", scopes.replace(' ', "%20"))).await;
        page.says(422, "One or more requested scopes are not allowed for this integration.");
        page.says(422, "href=\"/oauth/drive/start\">Try again");
        assert!(page.headers.get("set-cookie").is_none());
    }
    world.console.patch(&format!("{APPS}/drive"), json!({"enabled":false})).await.expect(200);
    let page = get("/oauth/drive/start").await;
    page.says(422, "This integration is disabled.");
    assert!(!page.html.contains("Try again"));
    world.console.patch(&format!("{APPS}/drive"), json!({"enabled":true})).await.expect(200);
    get("/oauth/drive/start").await.sent();

    let events = world.events().await;
    for result in ["unknown", "scope_not_allowed", "disabled"] {
        assert!(events.contains(&format!(r#""result":"{result}""#)), "{result}: {events}");
    }
    let metrics = world.console.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"oauth_consents_total{app="drive",result="scope_not_allowed"} 3"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"oauth_consents_total{app="",result="unknown"} 5"#), "{metrics}");
}

async fn a_browser_is_sent_to_the_provider_with_what_it_needs() {
    let world = World::google().await;
    let page = world.browser.get(&world.console, "/oauth/drive/start?scopes=scope-b,,scope-b").await;
    let sent = page.sent();
    let base = world.idp.issuer.origin();
    let state = &sent.params["state"];
    let (challenge, nonce) = (&sent.params["code_challenge"], &sent.params["nonce"]);
    let redirect =
        format!("http%3A%2F%2F127.0.0.1%3A{}%2Foauth%2Fdrive%2Fcallback", world.console.address.port());
    assert_eq!(
        sent.whole,
        format!(
            "{base}/o/oauth2/v2/auth?client_id=client-1&redirect_uri={redirect}&response_type=code&state={state}\
             &code_challenge={challenge}&code_challenge_method=S256&access_type=offline&prompt=consent\
             &scope=scope-b%20openid%20https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email&nonce={nonce}"
        )
    );
    assert_eq!((challenge.len(), nonce.len()), (43, 43));
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let cookie = page.header("set-cookie");
    assert!(
        cookie.starts_with("oauth_flow_") && cookie.contains("; Path=/oauth/drive; Max-Age=600; HttpOnly")
    );
    assert!(cookie.ends_with("SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(nonce.as_str()), "sealed");

    let all = world.browser.get(&world.console, "/oauth/drive/start?scopes=,").await.sent();
    assert!(all.params["scope"].starts_with("scope-a scope-b openid "));
    assert_ne!((&all.params["state"], &all.params["nonce"]), (state, nonce));
    assert_eq!(world.browser.cookies().len(), 2, "one per flow");
    for _ in 0..6 {
        world.browser.start(&world.console, "drive").await;
    }
    assert_eq!(world.browser.cookies().len(), 5, "the oldest went");
}

async fn the_public_address_decides_where_a_code_goes() {
    let public = [("CENTAUR_CONSOLE_PUBLIC_URL", "https://console.example/below")];
    let console = Console::with(&public).await;
    console.put(&format!("{APPS}/chat"), app("slack")).await.expect(201);
    let browser = Browser::new();
    let page = browser.get_with(&console, "/oauth/chat/start", &[("host", "evil.example")]).await;
    let sent = page.sent();
    assert_eq!(sent.params["redirect_uri"], "https://console.example/below/oauth/chat/callback");
    assert_eq!(sent.endpoint, "https://slack.com/oauth/v2/authorize");
    assert_eq!((&*sent.params["user_scope"], sent.params.get("scope")), ("scope-a,scope-b", None));
    assert!(!sent.params.contains_key("nonce"), "Slack gives no id token here");
    let cookie = page.header("set-cookie");
    assert!(cookie.contains("; Path=/below/oauth/chat; ") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
    let refused = browser.get(&console, "/oauth/nothing/start").await;
    refused.says(404, "href=\"/below/assets/console.css\"");

    // Without one, only this machine is sent away.
    let console = Console::start().await;
    console.put(&format!("{APPS}/chat"), app("slack")).await.expect(201);
    let page = browser.get_with(&console, "/oauth/chat/start", &[("host", "evil.example")]).await;
    page.says(422, "This console does not know its own address.");
    let sent = browser.start(&console, "chat").await;
    let own = format!("http://{}/oauth/chat/callback", console.address);
    assert_eq!(sent.params["redirect_uri"], own);
}

async fn a_page_is_guarded_and_has_no_script_and_no_style_in_it() {
    let console = Console::start().await;
    let browser = Browser::new();
    let page = browser.get(&console, "/oauth/nothing/start").await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert!(page.headers.get("strict-transport-security").is_none(), "in clear");
    for inside in ["<script", "<style", "style=", "onclick", "http://", "https://"] {
        assert!(!page.html.contains(inside), "{inside}: {}", page.html);
    }
    for (path, media) in
        [("/assets/console.css", "text/css; charset=utf-8"), ("/assets/icon.svg", "image/svg+xml")]
    {
        assert!(page.html.contains(&format!("href=\"{path}\"")), "{path}");
        let asset = browser.get(&console, path).await;
        assert_eq!((asset.status, asset.header("content-type")), (200, media));
    }
}

on_both!(
    a_link_that_cannot_be_followed_says_why,
    a_browser_is_sent_to_the_provider_with_what_it_needs,
    the_public_address_decides_where_a_code_goes,
    a_page_is_guarded_and_has_no_script_and_no_style_in_it,
);
