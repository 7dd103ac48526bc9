//! What the console says of a namespace. Half an object fails the test here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::operation::{Ids, collection, hosts, secret_member, value};
use super::state::{Grantee, State};
use crate::real::{Api, id};

/// A proxy of the writer.
pub(super) struct Proxy {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) token: String,
}

/// The whole state of `namespace`, and its ids.
pub(super) async fn observe(api: &Api, namespace: &str, proxies: &[Proxy]) -> (State, Ids) {
    let (mut state, mut ids) = (State::default(), Ids::default());
    let mut names = BTreeMap::new();
    for kind in ["principals", "roles", "static_secrets", "aws_auth_secrets"] {
        for record in list(api, &format!("{kind}?namespace={namespace}&limit=200")).await {
            let name = record["foreign_id"].as_str().expect("a foreign id").to_owned();
            let number = record["name"].as_str().and_then(|text| text.parse().ok()).expect("a number");
            ids.of.insert(name.clone(), id(&record));
            names.insert(id(&record), name.clone());
            match kind {
                "principals" => drop(state.principals.insert(name, number)),
                "roles" => drop(state.roles.insert(name, number)),
                _ => {
                    is_whole(&name, number, &record);
                    state.secrets.insert(name, number);
                }
            }
        }
    }
    let name_of = |record: &Value, member: &str| {
        let id = record[member].as_str()?;
        Some(names.get(id).unwrap_or_else(|| panic!("{member} of {record} names nothing")).clone())
    };
    for record in list(api, &format!("grants?namespace={namespace}&limit=200")).await {
        let principal = name_of(&record, "principal_id").map(Grantee::Principal);
        let grantee = principal.or_else(|| name_of(&record, "role_id").map(Grantee::Role));
        let secret = ["s", "aws"].iter().find_map(|kind| name_of(&record, secret_member(kind)));
        let (Some(grantee), Some(secret)) = (grantee, secret) else { panic!("half a grant: {record}") };
        ids.grants.insert((grantee.clone(), secret.clone()), id(&record));
        state.grants.insert((grantee, secret));
    }
    for principal in state.principals.keys() {
        for role in list(api, &format!("principals/{}/roles", ids.of[principal])).await {
            let role = name_of(&role, "id").expect("a role of the namespace");
            state.assignments.insert((principal.clone(), role));
        }
    }
    for proxy in proxies {
        let record = api.get(&format!("proxies/{}", proxy.id)).await;
        state.proxies.insert(proxy.name.clone(), name_of(&record, "principal_id"));
        ids.of.insert(proxy.name.clone(), proxy.id.clone());
    }
    (state, ids)
}

async fn list(api: &Api, path: &str) -> Vec<Value> {
    let Value::Array(rows) = api.get(path).await else { panic!("{path}: no list") };
    rows
}

/// Sources and rules have to be those of one document.
fn is_whole(name: &str, number: u64, record: &Value) {
    let rules = record["rules"].as_array().expect("rules");
    let found: Vec<_> = rules.iter().map(|rule| rule["host"].as_str().unwrap_or_default()).collect();
    assert_eq!(found, hosts(name, number), "half a secret: {record}");
    let sources: &[&str] = match collection(name) {
        "static_secrets" => &["source"],
        _ => &["access_key_id", "secret_access_key"],
    };
    for source in sources {
        assert_eq!(record[source]["source_type"], "control_plane", "half a secret: {record}");
    }
}

/// What the proxy gets: the principal's id, and the secrets with the numbers of their documents.
pub(super) async fn delivered(
    api: &Api,
    namespace: &str,
    proxy: &Proxy,
) -> (Option<String>, BTreeMap<String, u64>) {
    let answer = api.sync(&proxy.token, None, &[]).await.expect("an answer");
    let payload = answer.expect(200).json();
    let transforms = payload["transforms"].as_array().expect("transforms").iter();
    let configs = transforms.map(|transform| &transform["config"]);
    let entries: Vec<_> = payload["secrets"].as_array().expect("secrets").iter().chain(configs).collect();
    let mut secrets = BTreeMap::new();
    for entry in entries {
        let values: BTreeSet<_> = ["source", "access_key_id", "secret_access_key"]
            .iter()
            .filter_map(|source| entry[source]["value"].as_str())
            .collect();
        let [only] = values.iter().collect::<Vec<_>>()[..] else {
            panic!("values of two documents: {values:?}")
        };
        let rest = only.strip_prefix(&format!("fake-{namespace}-")).expect("a value of this namespace");
        let (name, number) = rest.split_once('-').expect("a name and a number");
        let number: u64 = number.parse().expect("a number");
        assert_eq!(*only, value(namespace, name, number));
        let rules = entry["rules"].as_array().expect("rules");
        let found: Vec<_> = rules.iter().map(|rule| rule["host"].as_str().unwrap_or_default()).collect();
        assert_eq!(found, hosts(name, number), "the value of one document with the rules of another");
        assert_eq!(secrets.insert(name.to_owned(), number), None, "{name} is there twice");
    }
    (payload["principal_id"].as_str().map(str::to_owned), secrets)
}
