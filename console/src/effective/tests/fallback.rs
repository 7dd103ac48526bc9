//! Channel and person.

use super::*;

struct Scene {
    world: World,
    channel: Subject,
    person: Subject,
}

impl Scene {
    fn new(mut world: World, channel: Vec<Grant>, person: Vec<Grant>) -> Self {
        world.default_roles = vec!["infra".to_owned()];
        Self { world, channel: subject("prn_channel", channel), person: subject("prn_person", person) }
    }

    fn assemble(&self, mode: FallbackMode) -> Effective {
        let fallback = Some(Fallback { subject: &self.person, mode });
        assemble(&Input { fallback, ..self.world.input(&self.channel) })
    }
}

const PER_TARGET: FallbackMode = FallbackMode::PerTarget;

#[test]
fn the_persons_grants_fill_what_the_channel_left_open() {
    let mut world = World::default();
    let infra = world.inject(1, "X-Infra", "infra.example");
    let linear = world.inject(2, "X", "linear.example");
    let github = world.inject(3, "X", "github.example");
    let own_linear = world.inject(4, "Y", "linear.example");
    let persons_infra = world.inject(5, "X", "other.example");
    let person = vec![direct(github, 100), direct(own_linear, 100), through("infra", persons_infra, 0)];
    let bare = vec![through("infra", infra, 0)];
    let with_tool = vec![through("infra", infra, 0), through("tool-linear", linear, 0)];
    let mut scene = Scene::new(world, Vec::new(), person);
    for (mode, channel, want) in [
        (PER_TARGET, &bare, vec!["V1", "V3", "V4"]),
        (FallbackMode::WhenEmpty, &bare, vec!["V1", "V3", "V4"]),
        (FallbackMode::Never, &bare, vec!["V1"]),
        (PER_TARGET, &with_tool, vec!["V1", "V3", "V2"]),
        (FallbackMode::WhenEmpty, &with_tool, vec!["V1", "V2"]),
        (FallbackMode::Never, &with_tool, vec!["V1", "V2"]),
    ] {
        scene.channel.grants.clone_from(channel);
        let effective = scene.assemble(mode);
        assert_eq!(vars(&effective), want, "{mode:?}");
        let told = effective.explained.iter().find(|one| one.key == own_linear).unwrap();
        assert_eq!(told.supplier, Supplier::Fallback);
        match (mode, want.len()) {
            (PER_TARGET, _) if want.contains(&"V2") => {
                let why = Withheld::PrincipalHas { by: "ssr_2".to_owned(), why: Precedence::Target };
                assert_eq!(told.outcome, Outcome::Withheld(why));
            }
            (_, 3) => assert_eq!(told.outcome, Outcome::Served),
            _ => assert_eq!(told.outcome, Outcome::Withheld(Withheld::Mode(mode))),
        }
        assert!(
            effective.explained.iter().all(|one| one.key != persons_infra),
            "default roles of the person"
        );
    }
}

#[test]
fn a_persons_credential_yields_to_the_channels_for_the_same_purpose() {
    let tool = |id: i64, tool: &str| {
        json!({"inject_config":{"header":"X"},"source":env(&format!("V{id}")),
        "labels":{"centaur-tool":tool},"rules":[{"host":format!("h{id}.example")}]})
    };
    let placeholder = |id: i64, text: &str| {
        json!({"replace_config":{"proxy_value":text},
        "source":env(&format!("V{id}")),"rules":[{"host":format!("h{id}.example")}]})
    };
    let database =
        |name: &str, var: &str| json!({"foreign_id":format!("{name}{var}"),"database":name,"dsn":env(var)});
    let ruled = |host: &str, path: &str| {
        json!({"inject_config":{"header":"X"},"source":env("V"),
        "rules":[{"host":host,"paths":[path]}]})
    };
    for (kind, own, extra, want) in [
        (SecretKind::Static, tool(1, "github"), tool(2, "github"), Some(Precedence::Tool)),
        (SecretKind::Static, tool(1, "github"), tool(2, "linear"), None),
        (SecretKind::Static, placeholder(1, "P"), placeholder(2, "P"), Some(Precedence::Placeholder)),
        (SecretKind::Static, placeholder(1, "P"), placeholder(2, "Q"), None),
        (SecretKind::PgDsn, database("db", "A"), database("db", "B"), Some(Precedence::Database)),
        (SecretKind::PgDsn, database("db", "A"), database("other", "A"), Some(Precedence::Database)),
        (SecretKind::PgDsn, database("db", "A"), database("other", "B"), None),
        (SecretKind::Static, ruled("*.example", "/a"), ruled("a.example", "/b"), Some(Precedence::Target)),
        (SecretKind::Static, ruled("a.example", "/a"), ruled("b.example", "/a"), None),
    ] {
        let mut world = World::default();
        let (own, extra) = (world.add(kind, 1, own), world.add(kind, 2, extra));
        let scene = Scene::new(world, vec![direct(own, 100)], vec![direct(extra, 100)]);
        let told = outcome(&scene.assemble(PER_TARGET), extra);
        match want {
            None => assert_eq!(told, Outcome::Served),
            Some(why) => {
                let by = format!("{}_1", kind.prefix());
                assert_eq!(told, Outcome::Withheld(Withheld::PrincipalHas { by, why }));
            }
        }
    }
}

#[test]
fn a_default_role_of_the_channel_is_no_decision_and_yields_to_the_person() {
    let mut world = World::default();
    let (baseline, own) = (world.inject(1, "X", "a.example"), world.inject(2, "X", "a.example"));
    // The baseline's priority is higher and its class is lower.
    let scene = Scene::new(world, vec![through("infra", baseline, 500)], vec![direct(own, 0)]);
    let effective = scene.assemble(PER_TARGET);
    assert_eq!(vars(&effective), ["V2"]);
    assert!(matches!(outcome(&effective, baseline), Outcome::Withheld(Withheld::Conflict { .. })));
}

#[test]
fn an_idle_fallback_changes_nothing() {
    let mut world = World::default();
    let (role, own) = (world.inject(1, "X", "a.example"), world.inject(2, "Y", "a.example"));
    let extra = world.inject(3, "Z", "a.example");
    // By class the direct grant would come last; by priority it comes first.
    let channel = vec![through("tool", role, 500), direct(own, 0)];
    let scene = Scene::new(world, channel, vec![direct(extra, 100), direct(own, 900)]);
    let alone = scene.world.assemble(&scene.channel);
    let merged = scene.assemble(PER_TARGET);
    assert_eq!(vars(&alone), ["V2", "V1"]);
    assert_eq!(vars(&merged), vars(&alone));
    assert_eq!(json!(merged.payload.secrets()), json!(alone.payload.secrets()));
}

#[test]
fn classes_rank_before_priorities_once_the_person_adds_something() {
    let mut world = World::default();
    let keys: Vec<_> =
        (1..=4).map(|id| world.inject(id, &format!("X-{id}"), &format!("h{id}.example"))).collect();
    let channel = vec![through("infra", keys[0], 900), through("tool", keys[1], 500), direct(keys[2], 1)];
    let scene = Scene::new(world, channel, vec![direct(keys[3], 700)]);
    assert_eq!(vars(&scene.assemble(PER_TARGET)), ["V1", "V4", "V2", "V3"]);
}

#[test]
fn what_the_channel_cannot_deliver_is_left_open() {
    let mut world = World::default();
    let dead = json!({"source_type":"token_broker","config":{"credential_id":NONE}});
    let body = json!({"inject_config":{"header":"X"},"source":dead,"rules":[{"host":"a"}]});
    let (own, extra) = (world.add(SecretKind::Static, 1, body), world.inject(2, "X", "a"));
    let scene = Scene::new(world, vec![direct(own, 100)], vec![direct(extra, 100)]);
    for mode in [PER_TARGET, FallbackMode::WhenEmpty] {
        assert_eq!(vars(&scene.assemble(mode)), ["V2"], "{mode:?}");
    }
}

#[test]
fn a_principal_is_not_its_own_fallback() {
    let mut world = World::default();
    let key = world.inject(1, "X", "a");
    let mut scene = Scene::new(world, vec![], vec![direct(key, 1)]);
    assert_eq!(vars(&scene.assemble(PER_TARGET)), ["V1"]);
    scene.person.principal.oid.clone_from(&scene.channel.principal.oid);
    assert!(vars(&scene.assemble(PER_TARGET)).is_empty());
}

#[test]
fn settings_of_a_persons_database_come_from_the_principal_of_the_proxy() {
    let mut world = World::default();
    let body = json!({"foreign_id":"f","database":"d","dsn":env("D"),
        "settings":[{"name":"app.id","value_from":{"principal_field":"id"}}]});
    let key = world.add(SecretKind::PgDsn, 1, body);
    let scene = Scene::new(world, vec![], vec![direct(key, 1)]);
    assert_eq!(scene.assemble(PER_TARGET).payload.postgres()[0]["settings"][0]["value"], "prn_channel");
}

#[test]
fn the_strictest_mode_holds_and_a_misspelt_label_opens_nothing() {
    use FallbackMode::{Never, PerTarget, WhenEmpty};
    for (deployment, label, proxy, want) in [
        (PerTarget, None, None, PerTarget),
        (PerTarget, Some("when-empty"), None, WhenEmpty),
        (PerTarget, Some("per-target"), Some(Never), Never),
        (Never, Some("per-target"), Some(PerTarget), Never),
        (WhenEmpty, None, Some(PerTarget), WhenEmpty),
        (PerTarget, Some("nevr"), None, Never),
        (PerTarget, Some(" never "), None, Never),
    ] {
        assert_eq!(
            FallbackMode::effective(deployment, label, proxy),
            want,
            "{deployment:?} {label:?} {proxy:?}"
        );
    }
    assert_eq!(FallbackMode::named("Never"), None);
}
