//! What is sealed opens in its place alone.

use super::*;

const AT: Place<'_> = Place { table: "secret_sources", column: "value", row: 7, namespace: "default" };

fn ring(ids: &[&str]) -> KeyRing {
    let entry = |id: &&str| format!("{id}:{}", STANDARD.encode([id.as_bytes()[0]; 32]));
    let list: Vec<_> = ids.iter().map(entry).collect();
    KeyRing::parse(&Secret::new(list.join(", "))).expect("a ring")
}

#[test]
fn a_value_opens_in_its_place() {
    let ring = ring(&["a"]);
    let sealed = ring.seal(AT, b"fake-value").expect("sealed");
    assert_eq!(ring.open(AT, &sealed).expect("opened").expose(), b"fake-value");
    assert_eq!(ring.open_text(AT, &sealed).expect("opened").expose(), "fake-value");
    assert!(!sealed.windows(4).any(|part| part == b"fake"));
    assert_eq!(key_id(&sealed), Some("a"));
}

#[test]
fn a_value_does_not_open_elsewhere() {
    let ring = ring(&["a"]);
    let sealed = ring.seal(AT, b"fake-value").expect("sealed");
    let elsewhere = [
        Place { table: "oauth_apps", ..AT },
        Place { column: "other", ..AT },
        Place { row: 8, ..AT },
        Place { namespace: "lab", ..AT },
    ];
    for place in elsewhere {
        assert_eq!(ring.open(place, &sealed).err(), Some(SealError::Broken(place.table)), "{place:?}");
    }
}

#[test]
fn a_flipped_bit_or_a_cut_is_noticed() {
    let ring = ring(&["a"]);
    let sealed = ring.seal(AT, b"").expect("sealed");
    for index in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[index] ^= 1;
        assert!(ring.open(AT, &altered).is_err(), "byte {index}");
        assert!(ring.open(AT, &sealed[..index]).is_err(), "cut at {index}");
    }
    assert!(ring.open(AT, &sealed).is_ok());
}

#[test]
fn a_new_first_key_seals_and_the_old_one_still_opens() {
    let sealed = ring(&["a"]).seal(AT, b"fake-value").expect("sealed");
    let both = ring(&["b", "a"]);
    assert_eq!(both.open(AT, &sealed).expect("opened").expose(), b"fake-value");

    let anew = both.reseal(AT, &sealed).expect("resealed").expect("was under the old key");
    assert_eq!(key_id(&anew), Some("b"));
    assert_eq!(both.reseal(AT, &anew), Ok(None));
    assert_eq!(ring(&["b"]).open(AT, &anew).expect("opened").expose(), b"fake-value");
    assert_eq!(ring(&["b"]).open(AT, &sealed).err(), Some(SealError::UnknownKey("a".to_owned())));
}

#[test]
fn another_key_of_the_same_id_is_noticed() {
    let sealed = ring(&["a"]).seal(AT, b"fake-value").expect("sealed");
    let other = KeyRing::single("a", &Secret::new([9; 32])).expect("a ring");
    assert_eq!(other.open(AT, &sealed).err(), Some(SealError::Broken("secret_sources")));
}

#[test]
fn equal_values_are_sealed_differently() {
    let ring = ring(&["a"]);
    assert_ne!(ring.seal(AT, b"fake-value"), ring.seal(AT, b"fake-value"));
}

#[test]
fn lists_of_keys_are_read_strictly() {
    let parse = |list: &str| KeyRing::parse(&Secret::new(list.to_owned())).err();
    let good = STANDARD.encode([1; 32]);
    assert_eq!(parse(""), Some(SealError::NoKey));
    assert_eq!(parse("no-colon"), Some(SealError::Malformed(1)));
    assert_eq!(parse(&format!("a:{good},b:c2hvcnQ=")), Some(SealError::Malformed(2)));
    assert_eq!(parse(&format!(":{good}")), Some(SealError::Malformed(1)));
    assert_eq!(parse(&format!("a:{good},a:{good}")), Some(SealError::Duplicate("a".to_owned())));
    assert_eq!(parse(&format!(" a:{good} , b:{good},")), None);
}

#[test]
fn debug_shows_ids_alone() {
    assert_eq!(format!("{:?}", ring(&["b", "a"])), "KeyRing([\"b\", \"a\"])");
}
