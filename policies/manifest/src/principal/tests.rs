use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

fn session<'a>(thread_key: &'a str, acting_user: Option<&'a str>) -> Session<'a> {
    Session { thread_key, acting_user, ..Session::default() }
}

fn plain(thread_key: &str, acting_user: Option<&str>) -> Derived {
    session(thread_key, acting_user).principal(TeamForm::Plain)
}

fn labels(derived: &Derived) -> Vec<(&str, &str)> {
    derived.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn a_thread_key_names_the_principal() {
    for (key, user, id, name) in [
        ("slack:C0AB12:1717.0001", Some("U9"), "slack-channel-c0ab12", "Slack Channel C0AB12"),
        ("slack:T77:C0AB12:1717.0001", Some("U9"), "slack-channel-c0ab12", "Slack Channel C0AB12"),
        ("slack:D0420:1717.0001", Some("U07ABC"), "slack-user-u07abc", "Slack User U07ABC"),
        ("slack:D0420:1717.0001", None, "slack-channel-d0420", "Slack Channel D0420"),
        ("slack:D0420:1717.0001", Some("  "), "slack-channel-d0420", "Slack Channel D0420"),
        ("slack:D0420:1717.0001", Some("***"), "slack-channel-d0420", "Slack Channel D0420"),
        ("slack:G55:x", Some("U1"), "slack-channel-g55", "Slack Channel G55"),
        ("chat:C0AB12", None, "slack-channel-c0ab12", "Slack Channel C0AB12"),
        ("discord:111:222:333", None, "discord-channel-111-222", "Discord Channel 222 (guild 111)"),
        ("discord:111", None, "discord-channel-111-111", "Discord Channel 111 (guild 111)"),
        ("discord:111:", None, "discord-channel-111-111", "Discord Channel 111 (guild 111)"),
        ("discord::222", None, "thread-discord-222", "discord::222"),
        ("linear:abc-1:s:zz", None, "linear-issue-abc-1", "Linear Issue abc-1"),
        ("linear:", None, "thread-linear", "linear:"),
        ("github:Contoso/app:12", None, "thread-github-contoso-app-12", "github:Contoso/app:12"),
        ("nightly-smoke", None, "thread-nightly-smoke", "nightly-smoke"),
        // Segments are known by their letter, the first of each counts.
        ("slack:C1A:C2B:1", None, "slack-channel-c1a", "Slack Channel C1A"),
        ("slack:C1A:T77", None, "slack-channel-c1a", "Slack Channel C1A"),
        ("slack:T77", None, "thread-slack-t77", "slack:T77"),
        // Not ids of Slack.
        ("slack:c0ab12:1", None, "thread-slack-c0ab12-1", "slack:c0ab12:1"),
        ("slack:C0AB12 :1", None, "thread-slack-c0ab12-1", "slack:C0AB12 :1"),
        ("slack:C", None, "thread-slack-c", "slack:C"),
        // The whole key is trimmed, as everything from an ingress is.
        (" slack:C0AB12:1 ", None, "slack-channel-c0ab12", "Slack Channel C0AB12"),
        ("", None, "thread-x", "thread-"),
    ] {
        let derived = plain(key, user);
        assert_eq!((derived.foreign_id.as_str(), derived.name.as_str()), (id, name), "{key}");
        assert!(!derived.is_named, "{key}");
    }
}

#[test]
fn only_a_key_from_slack_can_name_a_channel_of_slack() {
    for owner in ["CONTOSO", "DATA", "GAMES", "TOOLS", "C0AB12"] {
        let derived = plain(&format!("github:{owner}:{owner}/app:1"), Some("U1"));
        assert_eq!(derived.form, Form::Thread, "{owner}");
        assert_eq!(plain(&format!("slack:C{owner}"), None).form, Form::SlackChannel, "{owner}");
    }
}

#[test]
fn keys_of_teams_are_unpadded_url_safe_base64() {
    let key = |engine: &dyn Fn(&str) -> String, conversation: &str, url: &str| {
        format!("teams:{}:{}", engine(conversation), engine(url))
    };
    let url_safe = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let url = "https://smba.example/t/";

    let shared = key(&url_safe, "19:abc@thread.tacv2;messageid=17", url);
    let derived = plain(&shared, Some("aad-1"));
    assert_eq!(derived.foreign_id, "teams-conversation-19-abc-thread-tacv2");
    assert_eq!(derived.name, "Teams Conversation 19:abc@thread.tacv2");
    let identity = [
        ("managed-by", "centaur"),
        ("teams_conversation_id", "19:abc@thread.tacv2"),
        ("teams_service_url", url),
    ];
    assert_eq!(labels(&derived), identity, "and the message is no label");
    assert_eq!(derived.fallback.map(|user| user.foreign_id), Some("teams-user-aad-1".to_owned()));

    let own = key(&url_safe, "a:1x", url);
    let user = plain(&own, Some("AAD-1"));
    assert_eq!((user.foreign_id.as_str(), user.name.as_str()), ("teams-user-aad-1", "Teams User AAD-1"));
    assert_eq!(plain(&own, None).foreign_id, "teams-conversation-a-1x");

    let padded = |text: &str| URL_SAFE.encode(text);
    let standard = |text: &str| STANDARD.encode(text).trim_end_matches('=').to_owned();
    for bad in [
        key(&padded, "19:abcd@x", url),
        key(&standard, "19:???>>>~~~", url),
        format!("teams:{}:{}", URL_SAFE_NO_PAD.encode([0xff, 0xfe]), url_safe(url)),
        format!("{shared}:more"),
        key(&url_safe, "", url),
        key(&url_safe, ";messageid=1", url),
        key(&url_safe, "19:a", " "),
        "teams:MTk6YQ".to_owned(),
    ] {
        assert_eq!(plain(&bad, Some("u")).form, Form::Thread, "{bad}");
    }
}

#[test]
fn a_name_changes_the_name_alone() {
    for (key, user, with_name) in [
        ("slack:D0420", Some("U7"), "Slack DM @ada"),
        ("slack:C0420", None, "Slack Channel #ada"),
        ("discord:1:2", None, "Discord Channel #ada"),
        ("linear:x", None, "Linear Issue #ada"),
        ("teams:YQ:Yg", Some("u"), "Teams User @ada"),
        ("teams:YQ:Yg", None, "Teams Conversation ada"),
        ("cron", None, "ada"),
    ] {
        let unnamed = plain(key, user);
        let named = Session { name: Some(" ada\n"), ..session(key, user) }.principal(TeamForm::Plain);
        assert_eq!(named.name, with_name);
        assert!(named.is_named);
        assert_eq!((named.foreign_id, named.labels), (unnamed.foreign_id, unnamed.labels), "{key}");
    }
    let forged = Session { name: Some("a\u{1b}[2J\nb"), ..session("cron", None) };
    assert_eq!(forged.principal(TeamForm::Plain).name, "a [2J b");
}

#[test]
fn a_team_is_a_label_and_a_part_of_the_id_only_where_a_deployment_says_so() {
    let derived = |key, team, form| Session { slack_team: team, ..session(key, Some("U9")) }.principal(form);
    let team_of = |derived: &Derived| derived.labels.get("slack_team_id").cloned();
    let id = |derived: &Derived| derived.foreign_id.clone();

    let dm = derived("slack:D1", Some("T5"), TeamForm::Plain);
    assert_eq!((id(&dm), team_of(&dm)), ("slack-user-u9".to_owned(), Some("T5".to_owned())));
    let dm = derived("slack:T77:D1", Some("T5"), TeamForm::Plain);
    assert_eq!(team_of(&dm).as_deref(), Some("T77"));
    let channel = derived("slack:C1", Some("T5"), TeamForm::Plain);
    assert_eq!((id(&channel), team_of(&channel)), ("slack-channel-c1".to_owned(), None));
    let channel = derived("slack:T77:C1", Some("T5"), TeamForm::Plain);
    assert_eq!(team_of(&channel).as_deref(), Some("T77"));
    let speaker = channel.fallback.unwrap();
    assert_eq!(team_of(&speaker).as_deref(), Some("T5"), "the speaker of a shared channel has an own team");

    for (key, team, expected) in [
        ("slack:T77:D1", Some("T5"), "slack-user-t77-u9"),
        ("slack:D1", Some("T5"), "slack-user-t5-u9"),
        ("slack:D1", None, "slack-user-u9"),
        ("slack:T77:C1", None, "slack-channel-t77-c1"),
        ("slack:C1", Some("T5"), "slack-channel-c1"),
    ] {
        assert_eq!(id(&derived(key, team, TeamForm::Scoped)), expected, "{key}");
    }
}

#[test]
fn the_speaker_of_a_shared_conversation_is_the_fallback() {
    let fallback = |key, user| plain(key, user).fallback.map(|user| user.foreign_id);
    assert_eq!(fallback("slack:C1", Some("U9")).as_deref(), Some("slack-user-u9"));
    assert_eq!(fallback("slack:C1", None), None);
    assert_eq!(fallback("slack:D1", Some("U9")), None, "a direct message acts as the person already");
    assert_eq!(fallback("linear:a-1", Some("U9")).as_deref(), Some("slack-user-u9"));
    assert_eq!(fallback("linear:a-1", Some("someone")), None, "no id of Slack");
}

#[test]
fn two_identities_never_share_a_record() {
    let stored = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let from_t9 = Session { slack_team: Some("T9"), ..session("slack:D1", Some("U123")) };
    let user = from_t9.principal(TeamForm::Plain);
    let apart = user.unless_taken(&stored("slack_team_id", "T1")).unwrap();
    assert_eq!(apart.foreign_id, "slack-user-u123-t9");
    assert_eq!(user.unless_taken(&stored("slack_team_id", "T9")), None);
    assert_eq!(user.unless_taken(&BTreeMap::new()), None, "a record without a team is nobody else's");

    let channel = plain("slack:T9:C1", None);
    assert_eq!(channel.unless_taken(&stored("slack_team_id", "T1")), None, "channels are never split");

    let thread = plain("a:b", None);
    let apart = thread.unless_taken(&stored("thread_key", "a-b")).unwrap();
    assert_eq!(apart.foreign_id, format!("thread-a-b-{}", short_digest("a:b")));
    assert_eq!(thread.unless_taken(&stored("thread_key", "a:b")), None);
    assert_eq!(plain("a-b", None).unless_taken(&stored("thread_key", "a:b")), None, "its slug is the key");
}

#[test]
fn labels_say_who_it_is_and_nothing_else() {
    assert_eq!(
        labels(&plain("slack:T77:C0AB12:1717.0001", None)),
        [("managed-by", "centaur"), ("slack_channel_id", "C0AB12"), ("slack_team_id", "T77")]
    );
    assert_eq!(
        labels(&plain("slack:D1:1", Some("U07ABC"))),
        [("managed-by", "centaur"), ("slack_user_id", "U07ABC")]
    );
    assert_eq!(
        labels(&plain("discord:1:2", None)),
        [("discord_channel_id", "2"), ("discord_guild_id", "1"), ("managed-by", "centaur")]
    );
    assert_eq!(labels(&plain("linear:Ab-1", None)), [("linear_issue_id", "Ab-1"), ("managed-by", "centaur")]);
    assert_eq!(labels(&plain("git:X/y", None)), [("managed-by", "centaur"), ("thread_key", "git:X/y")]);
}

#[test]
fn hosts_of_the_platform_have_fixed_ids() {
    let of = |derived: Derived| (derived.foreign_id, derived.labels.get("purpose").cloned());
    assert_eq!(of(Derived::tool_host()), ("tool-host".to_owned(), None));
    let workflow = ("workflow-host".to_owned(), Some("workflow-host".to_owned()));
    assert_eq!(of(Derived::workflow_host()), workflow);
    let pool = ("warm-pool-bootstrap".to_owned(), Some("warm-pool-bootstrap".to_owned()));
    assert_eq!(of(Derived::warm_pool()), pool);
}

#[test]
fn an_id_tells_its_kind_when_a_session_could_have_derived_it() {
    for (id, kind) in [
        ("slack-user-u1", Kind::User),
        ("teams-user-x", Kind::User),
        ("slack-channel-c1", Kind::Channel),
        ("discord-channel-1-2", Kind::Channel),
        ("linear-issue-a-1", Kind::Channel),
        ("teams-conversation-x", Kind::Channel),
        ("thread-a", Kind::Thread),
        ("tool-host", Kind::Other),
        ("slack-user-", Kind::Other),
        ("slack-user-U1", Kind::Other),
        ("ops", Kind::Other),
    ] {
        assert_eq!(Kind::of(id), kind, "{id}");
    }
    assert_eq!(Form::of("tool-host"), Some(Form::ToolHost));
    assert_eq!(Form::of("tool-host-2"), None);
    assert_eq!(Kind::parse("user"), Some(Kind::User));
    assert_eq!(Kind::parse("people"), None);
}

#[test]
fn an_id_in_the_wrong_case_is_repaired() {
    for (id, meant) in [
        ("slack-user-U123", Some("slack-user-u123")),
        ("Slack-Channel-C456", Some("slack-channel-c456")),
        ("slack-user-u_1", Some("slack-user-u-1")),
        ("slack-user-u123", None),
        ("slack-user-", None),
        ("slack-user-***", None),
        ("Ops.Team", None),
        ("Tool-Host", None),
    ] {
        assert_eq!(repaired(id).as_deref(), meant, "{id}");
    }
}

#[test]
fn a_bare_slack_id_names_its_principal() {
    for (text, id) in [
        ("U07ABC", Some("slack-user-u07abc")),
        ("W012AB", Some("slack-user-w012ab")),
        ("C0AB12", Some("slack-channel-c0ab12")),
        ("G0AB12", Some("slack-channel-g0ab12")),
        ("D0AB12", None),
        ("C0AB1", None),
        ("u07abc", None),
        ("CORE-TEAM", None),
    ] {
        assert_eq!(of_slack_id(text).as_deref(), id, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn a_derived_id_is_one_that_the_console_takes(
        key in ".{0,300}", user in proptest::option::of(".{0,20}"), name in proptest::option::of(".{0,20}"),
    ) {
        let session = Session {
            thread_key: &key, acting_user: user.as_deref(), slack_team: user.as_deref(), name: name.as_deref(),
        };
        for teams in [TeamForm::Plain, TeamForm::Scoped] {
            let derived = session.principal(teams);
            proptest::prop_assert!(derived.foreign_id.len() <= 255);
            proptest::prop_assert_eq!(Form::of(&derived.foreign_id), Some(derived.form));
            let texts = derived.labels.values().chain([&derived.name]);
            for text in texts {
                proptest::prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
            }
        }
    }
}
