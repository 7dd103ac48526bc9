//! What two versions of a configuration have not in common.

use serde_json::{Map, Value, json};

/// Compares two redacted views ([`Payload::redacted`](super::Payload::redacted)): for each list, the entries that
/// were added and removed, and whether the others changed their order. A rotated value is no difference here.
pub fn diff(from: &Value, to: &Value) -> Map<String, Value> {
    let entries = |view: &'_ Value, list: &str| view["data"][list].as_array().cloned().unwrap_or_default();
    let compare = |list: &str| {
        let (from, to) = (entries(from, list), entries(to, list));
        let (removed, kept) = without(&from, &to);
        let (added, kept_now) = without(&to, &from);
        (list.to_owned(), json!({ "added": added, "removed": removed, "reordered": kept != kept_now }))
    };
    ["secrets", "transforms", "postgres"].map(compare).into_iter().collect()
}

/// What of `all` is not in `others`, counting repetitions, and the rest.
fn without(all: &[Value], others: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut left: Vec<_> = others.iter().collect();
    all.iter().cloned().partition(|entry| {
        let at = left.iter().position(|other| *other == entry);
        at.map(|at| left.swap_remove(at)).is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_compared_as_a_whole_and_repetitions_count() {
        let view =
            |secrets: &[u8]| json!({"data":{"id":"prn_1","secrets":secrets,"transforms":[],"postgres":[7]}});
        let same = json!({"added":[],"removed":[],"reordered":false});
        for (from, to, want) in [
            (&[1, 2][..], &[1, 2][..], same.clone()),
            (&[1, 2], &[2, 3], json!({"added":[3],"removed":[1],"reordered":false})),
            (&[1, 2], &[2, 1], json!({"added":[],"removed":[],"reordered":true})),
            (&[1, 1], &[1], json!({"added":[],"removed":[1],"reordered":false})),
            (&[], &[1], json!({"added":[1],"removed":[],"reordered":false})),
        ] {
            let found = diff(&view(from), &view(to));
            assert_eq!(found["secrets"], want, "{from:?} {to:?}");
            assert_eq!((&found["transforms"], &found["postgres"]), (&same, &same));
        }
    }
}
