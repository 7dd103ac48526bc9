//! What holds for every world.

use proptest::prelude::*;

use super::*;

/// Grants over twelve secrets of all types, on few hosts and headers, so that they meet.
fn grants() -> impl Strategy<Value = Vec<(i64, u8, i64, Option<i64>)>> {
    let expiry = prop_oneof![3 => Just(None), 1 => (-5_i64..5).prop_map(|at| Some(NOW + at))];
    prop::collection::vec((0_i64..12, 0_u8..4, 0_i64..4, expiry), 0..16)
}

fn world(marker: &str) -> (World, Vec<SecretKey>) {
    let mut world = World::default();
    let token = Secret::new(format!("{marker}-token"));
    world.brokers.insert(LIVE.to_owned(), (false, Some(token), Some(NOW + 60_000_000)));
    world.brokers.insert(DEAD.to_owned(), (true, Some(Secret::new(format!("{marker}-dead"))), None));
    let broker = |id: &str| json!({"source_type":"token_broker","config":{"credential_id":id}});
    let keys = (0..12).map(|id| {
        let value = inline(&format!("{marker}-{id}"));
        let host = ["a.example", "*.example", "*"][id as usize % 3];
        let rules = json!([{ "host": host }]);
        let (kind, body) = match id % 6 {
            0 => (SecretKind::Static, json!({"inject_config":{"header":"Authorization"},"source":value,"rules":rules})),
            1 => (SecretKind::GcpAuth, json!({"scopes":["s"],"keyfile":value,"rules":rules})),
            2 => (SecretKind::PgDsn, json!({"foreign_id":format!("f{id}"),"database":"d","dsn":inline(&format!("host=h password={marker}-{id} dbname=d"))})),
            3 => (SecretKind::Static, json!({"replace_config":{"proxy_value":"P"},"source":broker(LIVE),"rules":rules})),
            4 => (SecretKind::Static, json!({"inject_config":{"header":"X"},"source":broker(DEAD),"rules":rules})),
            _ => (
                SecretKind::OauthToken,
                json!({"grant":"client_credentials","token_endpoint":"https://t.example/","rules":rules,
                       "credentials":{"client_id":value,"client_secret":inline(&format!("{marker}-s{id}"))}}),
            ),
        };
        world.add(kind, id, body)
    });
    let keys = keys.collect();
    world.default_roles = vec!["infra".to_owned()];
    (world, keys)
}

fn subject_of(oid: &str, grants: &[(i64, u8, i64, Option<i64>)], keys: &[SecretKey]) -> Subject {
    let grant = |(id, via, priority, expires_at): &(i64, u8, i64, Option<i64>)| {
        let key = keys[*id as usize];
        let grant = match via {
            0 | 1 => direct(key, *priority),
            2 => through("tool", key, *priority),
            _ => through("infra", key, *priority),
        };
        Grant { expires_at: *expires_at, ..grant }
    };
    subject(oid, grants.iter().map(grant).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_in_what_is_shown(own in grants(), extra in grants(), marker in "[a-z]{12,20}Q") {
        let (world, keys) = world(&marker);
        let (own, extra) = (subject_of("prn_1", &own, &keys), subject_of("prn_2", &extra, &keys));
        let fallback = Some(Fallback { subject: &extra, mode: FallbackMode::PerTarget });
        let input = Input { fallback, ..world.input(&own) };
        let effective = assemble(&input);
        let request = json!({"method":"GET","url":"https://a.example/x","headers":["authorization","x"]});
        let Value::Object(request) = request else { panic!() };
        let probe = Probe::parse(&mut Attributes::new(request)).unwrap();
        for text in [
            effective.payload.redacted("prn_1").to_string(),
            explain(&effective.explained).to_string(),
            dry_run(&effective, &input, &probe).to_string(),
            format!("{effective:?}"),
            effective.payload.hash(&HashKey::new(b"k"), None),
        ] {
            prop_assert!(!text.contains(&marker), "{}", text);
        }
        let sent = sync_body(&effective.payload.lists(), "h", None, None);
        let any_served = effective.explained.iter().any(|one| one.outcome == Outcome::Served);
        prop_assert_eq!(sent.contains(&marker), any_served);
        let dead = format!("{marker}-dead");
        prop_assert!(!sent.contains(&dead));
    }

    #[test]
    fn every_live_grant_is_told_of_once_and_the_payload_is_what_is_told(own in grants()) {
        let (world, keys) = world("m");
        let own = subject_of("prn_1", &own, &keys);
        let effective = world.assemble(&own);
        let mut granted: Vec<_> = own.grants.iter().map(|grant| grant.secret).collect();
        granted.sort();
        granted.dedup();
        let mut told: Vec<_> = effective.explained.iter().map(|one| one.key).collect();
        told.sort();
        prop_assert_eq!(told, granted);
        let served = |kind: SecretKind| {
            let is_it = |one: &&Explained| one.key.kind == kind && one.outcome == Outcome::Served;
            effective.explained.iter().filter(is_it).count()
        };
        prop_assert_eq!(effective.payload.secrets().len(), served(SecretKind::Static));
        prop_assert_eq!(effective.payload.postgres().len(), served(SecretKind::PgDsn));
        let bundle = usize::from(served(SecretKind::OauthToken) > 0);
        prop_assert_eq!(effective.payload.transforms().len(), served(SecretKind::GcpAuth) + bundle);
    }

    #[test]
    fn the_order_of_grants_does_not_matter(own in grants(), seed in any::<u64>()) {
        let (world, keys) = world("m");
        let own = subject_of("prn_1", &own, &keys);
        let mut shuffled = own.clone();
        let length = shuffled.grants.len().max(1);
        for at in 0..shuffled.grants.len() {
            shuffled.grants.swap(at, (seed.rotate_left(at as u32) % length as u64) as usize);
        }
        let (one, two) = (world.assemble(&own), world.assemble(&shuffled));
        prop_assert_eq!(json!(one.payload.secrets()), json!(two.payload.secrets()));
        prop_assert_eq!(json!(one.payload.transforms()), json!(two.payload.transforms()));
        prop_assert_eq!(json!(one.payload.postgres()), json!(two.payload.postgres()));
    }
}
