//! Who is let in, and as what.

use centaur_base::Secret;
use serde_json::json;

use super::*;

fn settings() -> SignInSettings {
    let map = |_: &str| None;
    let mut settings = crate::config::Config::from_env(map, true).expect("settings").sign_in;
    settings.bootstrap_admins = vec!["ada@example.com".to_owned()];
    settings
}

fn provider(kind: LoginProviderKind) -> LoginProvider {
    LoginProvider {
        kind,
        label: String::new(),
        client_id: "fake-client".to_owned(),
        client_secret: Secret::new("fake-client-secret".to_owned()),
        issuer: matches!(kind, LoginProviderKind::Okta | LoginProviderKind::Oidc)
            .then(|| "https://idp.example.com".to_owned()),
        trust_email: false,
        required_group: None,
        admin_group: None,
    }
}

fn claims(more: &Value) -> Claims {
    let mut all =
        json!({"sub":"s-1","email":"Ada@Example.com","email_verified":true,"name":"Ada",SLACK_TEAM:"T9"});
    more.as_object().expect("members").iter().for_each(|(key, value)| all[key] = value.clone());
    let text = |name: &str| all[name].as_str().map(str::to_owned);
    Claims {
        subject: text("sub").expect("a subject"),
        email: text("email"),
        email_verified: all["email_verified"] == json!(true),
        name: text("name"),
        all: all.as_object().expect("members").clone(),
    }
}

#[test]
fn without_a_list_new_users_wait_unless_they_were_named_administrators() {
    for kind in LoginProviderKind::ALL {
        let mut settings = settings();
        let named = arrival(&settings, &provider(kind), &claims(&json!({}))).expect("let in");
        assert_eq!((named.status, named.admin), (UserStatus::Active, true), "{kind:?}");
        assert_eq!(named.seen.email.as_deref(), Some("ada@example.com"));
        let other = claims(&json!({"email":"bob@example.com"}));
        let waits = arrival(&settings, &provider(kind), &other).expect("let in");
        assert_eq!((waits.status, waits.admin), (UserStatus::Pending, false));
        settings.new_users = Some(UserStatus::Active);
        assert_eq!(arrival(&settings, &provider(kind), &other).expect("let in").status, UserStatus::Active);
    }
}

#[test]
fn an_address_that_is_not_verified_makes_nobody_an_administrator() {
    let settings = settings();
    for verified in [json!(false), json!("true"), json!(1), json!(null)] {
        let claims = claims(&json!({"email_verified":verified,"groups":["admins"]}));
        for kind in LoginProviderKind::ALL {
            let provider = LoginProvider { admin_group: Some("admins".to_owned()), ..provider(kind) };
            let arrival = arrival(&settings, &provider, &claims).expect("let in");
            assert_eq!((arrival.status, arrival.admin), (UserStatus::Pending, false), "{kind:?}");
            assert!(!arrival.seen.email_verified);
        }
        let trusted = LoginProvider { trust_email: true, ..provider(LoginProviderKind::Okta) };
        assert!(arrival(&settings, &trusted, &claims).expect("let in").admin, "the settings vouch for it");
    }
    let nothing = claims(&json!({"email":null}));
    let trusted = LoginProvider { trust_email: true, ..provider(LoginProviderKind::Okta) };
    assert!(!arrival(&settings, &trusted, &nothing).expect("let in").seen.email_verified);
}

#[test]
fn domains_hold_for_all_but_slack_and_google_has_to_host_them() {
    let settings = SignInSettings { allowed_domains: vec!["example.com".to_owned()], ..settings() };
    let bob = |more: Value| {
        let mut all = json!({"email":"bob@example.com","hd":"Example.com"});
        more.as_object().expect("members").iter().for_each(|(key, value)| all[key] = value.clone());
        claims(&all)
    };
    for kind in [LoginProviderKind::Google, LoginProviderKind::Okta, LoginProviderKind::Oidc] {
        let judge =
            |claims: &Claims| arrival(&settings, &provider(kind), claims).map(|arrival| arrival.status);
        assert_eq!(judge(&bob(json!({}))), Ok(UserStatus::Active), "{kind:?}");
        for email in
            ["bob@sub.example.com", "bob@example.com.evil", "bob@evil@example.com", "@example.com", "x"]
        {
            assert_eq!(judge(&bob(json!({"email":email}))), Err("domain"), "{kind:?} {email}");
        }
        assert_eq!(judge(&bob(json!({"email_verified":false}))), Err("domain"));
        assert_eq!(judge(&bob(json!({"email":null}))), Err("domain"));
        let hosted =
            if kind == LoginProviderKind::Google { Err("hosted_domain") } else { Ok(UserStatus::Active) };
        assert_eq!(judge(&bob(json!({"hd":null}))), hosted);
        assert_eq!(judge(&bob(json!({"hd":"other.com"}))), hosted);
    }
    let slack = arrival(&settings, &provider(LoginProviderKind::Slack), &bob(json!({"email":"x@y.example"})));
    assert_eq!(slack.map(|arrival| arrival.status), Ok(UserStatus::Pending));
}

#[test]
fn slack_teams_are_listed() {
    let settings = SignInSettings { allowed_slack_teams: vec!["T1".to_owned()], ..settings() };
    let judge = |team: Value| {
        let claims = claims(&json!({"email":"bob@example.com",SLACK_TEAM:team}));
        arrival(&settings, &provider(LoginProviderKind::Slack), &claims)
    };
    let let_in = judge(json!("T1")).expect("let in");
    assert_eq!((let_in.status, let_in.seen.slack_team.as_deref()), (UserStatus::Active, Some("T1")));
    for team in [json!("T2"), json!("t1"), json!(null), json!(["T1"])] {
        assert_eq!(judge(team), Err("slack_team"));
    }
    let claims = claims(&json!({"email":"bob@example.com"}));
    let google = arrival(&settings, &provider(LoginProviderKind::Google), &claims);
    assert_eq!(google.map(|arrival| arrival.status), Ok(UserStatus::Pending), "the list is not its own");
}

#[test]
fn groups_of_okta_let_in_and_make_administrators() {
    let settings = settings();
    let provider = LoginProvider {
        required_group: Some("console".to_owned()),
        admin_group: Some("console-admins".to_owned()),
        ..provider(LoginProviderKind::Okta)
    };
    let judge = |groups: Value| {
        let claims = claims(&json!({"email":"bob@example.com","groups":groups}));
        arrival(&settings, &provider, &claims).map(|arrival| (arrival.status, arrival.admin))
    };
    assert_eq!(judge(json!(["x", "console"])), Ok((UserStatus::Active, false)));
    assert_eq!(judge(json!(["console", "console-admins"])), Ok((UserStatus::Active, true)));
    for groups in [json!([]), json!(null), json!("console"), json!(["Console"]), json!(["console-admins"])] {
        assert_eq!(judge(groups.clone()), Err("group"), "{groups}");
    }
}

#[test]
fn the_same_subject_of_another_team_or_issuer_is_somebody_else() {
    let settings = settings();
    let seen = |provider: &LoginProvider, more: Value| {
        arrival(&settings, provider, &claims(&more)).map(|arrival| arrival.seen.subject)
    };
    let slack = provider(LoginProviderKind::Slack);
    assert_eq!(seen(&slack, json!({SLACK_TEAM:"T1"})), Ok("T1/s-1".to_owned()));
    assert_eq!(seen(&slack, json!({SLACK_TEAM:"T2"})), Ok("T2/s-1".to_owned()));
    for team in [json!(null), json!("")] {
        assert_eq!(seen(&slack, json!({SLACK_TEAM:team})), Err("slack_team"), "a team is required");
    }
    for kind in [LoginProviderKind::Okta, LoginProviderKind::Oidc] {
        let here = provider(kind);
        let there = LoginProvider { issuer: Some("https://idp.example.org".to_owned()), ..provider(kind) };
        assert_eq!(seen(&here, json!({})), Ok("https://idp.example.com s-1".to_owned()));
        assert_eq!(seen(&there, json!({})), Ok("https://idp.example.org s-1".to_owned()));
    }
    assert_eq!(seen(&provider(LoginProviderKind::Google), json!({})), Ok("s-1".to_owned()));
    for kind in LoginProviderKind::ALL {
        for sub in ["", "a\0b", &"s".repeat(1025)] {
            assert_eq!(seen(&provider(kind), json!({"sub":sub})), Err("subject"), "{kind:?}");
        }
    }
}
