use std::collections::BTreeSet;

use serde_json::Value;

fn strings<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| strings(item, key, out)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == key) {
                    Some(text) => out.push(text),
                    None => strings(value, key, out),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    let made = format!("{:#}\n", crate::openapi_document());
    let kept =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).expect("the file");
    let first = made.lines().zip(kept.lines()).position(|(made, kept)| made != kept);
    assert!(made == kept, "console/openapi.json is stale from line {first:?} on; run scripts/openapi");
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = crate::openapi_document();
    let mut references = Vec::new();
    strings(&document, "$ref", &mut references);
    let used: BTreeSet<_> = references.into_iter().collect();
    for reference in &used {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for part in ["schemas", "responses", "parameters"] {
        for name in document["components"][part].as_object().expect("components").keys() {
            let reference = format!("#/components/{part}/{name}");
            assert!(used.contains(reference.as_str()), "{reference} is not used");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_path_its_parameters() {
    let document = crate::openapi_document();
    let mut ids = Vec::new();
    strings(&document["paths"], "operationId", &mut ids);
    assert!(ids.len() > 100, "{}", ids.len());
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for (path, item) in document["paths"].as_object().expect("paths") {
        let named: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let whole = parameters.iter().map(|one| match one["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).expect("a component"),
                None => one,
            });
            let described = whole.filter(|one| one["in"] == "path");
            let described: BTreeSet<_> = described.filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(described, named, "{method} {path}");
        }
    }
}

#[test]
fn every_example_is_an_id_that_there_could_be() {
    use centaur_base::oid::{AuditId, Oid as _, PrincipalId, SecretId, SecretKind};

    let document = crate::openapi_document();
    let example = |path: &str| {
        let parameter = &document["paths"][path]["get"]["parameters"][0];
        let reference = parameter["$ref"].as_str();
        let parameter = reference.map_or(parameter, |at| document.pointer(&at[1..]).expect("a component"));
        parameter["example"].as_str().expect("an example").to_owned()
    };
    assert!(example("/api/v1/principals/{id}").parse::<PrincipalId>().is_ok());
    assert_eq!(example("/api/v1/audit_events/{id}").parse::<AuditId>().ok(), AuditId::new(1));
    for kind in SecretKind::ALL {
        assert!(SecretId::parse(kind, &example(&format!("/api/v1/{}/{{id}}", kind.collection()))).is_ok());
    }
}

#[test]
fn every_write_that_proxies_see_has_the_number_of_its_change_and_nothing_else_has() {
    let document = crate::openapi_document();
    let is_seen = |path: &str| {
        let collection = path.split('/').nth(3).unwrap_or_default();
        collection.ends_with("_secrets")
            || ["broker_credentials", "grants", "principals", "proxies", "roles"].contains(&collection)
    };
    let mut numbered = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("a name");
            let reads = method == "get" || ["dryRun", "refreshBrokerCredential"].contains(&id);
            for (status, answer) in operation["responses"].as_object().expect("responses") {
                let has = answer["headers"].get("X-Config-Generation").is_some();
                let expected =
                    is_seen(path) && !reads && status.starts_with('2') || id == "sync" && status == "200";
                assert_eq!(has, expected, "{id} {status}");
                numbered += usize::from(has);
            }
        }
    }
    assert!(numbered > 40, "{numbered}");
}
