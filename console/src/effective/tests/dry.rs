//! What would happen to a request.

use super::*;
use crate::wire::Details;

fn probe(body: Value) -> Result<Probe, Details> {
    let Value::Object(members) = body else { panic!("an object") };
    Probe::parse(&mut Attributes::new(members))
}

#[test]
fn a_probe_is_a_request_that_the_proxy_would_forward() {
    let fine =
        json!({"method":"GET","url":"https://api.weather.example/v3/x?y=z","headers":["Authorization"]});
    assert!(probe(fine.clone()).is_ok());
    for (key, value, want) in [
        ("method", json!(null), "can't be blank"),
        ("method", json!("G T"), "is not an HTTP method"),
        ("url", json!(""), "can't be blank"),
        ("url", json!("ftp://a/"), "must be an http or https URL that the proxy would forward"),
        ("url", json!("/v3"), "must be an http or https URL that the proxy would forward"),
        ("url", json!("https://a/%2e%2e/x"), "must be an http or https URL that the proxy would forward"),
        ("headers", json!("x"), "must be an array"),
        ("headers", json!([5]), "must all be strings"),
    ] {
        let mut body = fine.clone();
        body[key] = value.clone();
        assert_eq!(probe(body).unwrap_err().under(key), [want], "{key} {value}");
    }
}

#[test]
fn a_dry_run_names_rules_places_and_winners_and_no_value() {
    let mut world = World::default();
    let rules = json!([{"host":"other.example"},{"host":"*.weather.example","http_methods":["GET"],"paths":["/v3/*"]}]);
    let replace = json!({"name":"R","replace_config":{"proxy_value":"WEATHER","match_headers":["x-key"],"match_query":true},
        "source":inline("planted-1"),"rules":rules});
    let inject = json!({"inject_config":{"header":"X-Key"},"source":inline("planted-2"),"rules":rules});
    let elsewhere =
        json!({"inject_config":{"header":"X-Key"},"source":inline("planted-3"),"rules":[{"host":"b"}]});
    let gcp = json!({"scopes":["s"],"keyfile":inline("planted-4")});
    let keys = [
        world.add(SecretKind::Static, 1, replace),
        world.add(SecretKind::Static, 2, inject),
        world.add(SecretKind::Static, 3, elsewhere),
        world.add(SecretKind::GcpAuth, 4, gcp),
    ];
    let who = subject("prn_1", keys.iter().map(|key| direct(*key, 1)).collect());
    let effective = world.assemble(&who);
    let request =
        json!({"method":"GET","url":"https://api.weather.example/v3/x","headers":["X-Key","Accept"]});
    let run = dry_run(&effective, &world.input(&who), &probe(request).unwrap());
    let want = json!([
        {"secret_id":"ssr_1","name":"R","kind":"static","rule":1,"replaces_in":["header:x-key","query"],
         "placeholder":"WEATHER","overwritten_by":"ssr_2"},
        {"secret_id":"ssr_2","name":null,"kind":"static","rule":1,"writes":["header:x-key"],"overwritten_by":null},
        {"secret_id":"gas_4","name":null,"kind":"gcp_auth","rule":null,"writes":["header:authorization"],
         "overwritten_by":null},
    ]);
    assert_eq!(run["applies"].to_string(), want.to_string());
    assert_eq!((&run["host"], &run["port"]), (&json!("api.weather.example"), &json!(443)));
    assert!(!run.to_string().contains("planted"));
    let other = json!({"method":"POST","url":"https://api.weather.example/v3/x"});
    let run = dry_run(&effective, &world.input(&who), &probe(other).unwrap());
    assert_eq!(run["applies"].as_array().unwrap().len(), 1, "only the one without rules");
}
