//! The document that describes the API.

use crate::console::Console;
use crate::on_both;

async fn the_document_is_served_to_anybody_and_need_not_be_sent_twice() {
    let console = Console::start().await;
    let get = async |headers: &[(&str, &str)]| console.send("GET", "/api/v1/openapi.json", headers, "").await;
    let reply = get(&[]).await;
    assert_eq!(reply.expect(200), centaur_console::openapi_document());
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let tag = reply.header("etag").expect("a tag").to_owned();
    let again = get(&[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
    assert_eq!(get(&[("if-none-match", "\"another\"")]).await.status, 200);
}

async fn no_operation_answers_whoever_has_no_key() {
    let console = Console::start().await;
    let document = centaur_console::openapi_document();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let keys = operation["security"].as_array().cloned().unwrap_or_default();
            if keys.first().is_none_or(|key| key == &serde_json::json!({})) {
                continue;
            }
            let path = path.replace("{id}", "prn_5CO4fITZ").replace(['{', '}'], "");
            for headers in [&[][..], &[("authorization", "Bearer iak_0")]] {
                let reply = console.send(&method.to_uppercase(), &path, headers, "").await;
                assert!(matches!(reply.status, 401 | 429), "{method} {path}: {}", reply.status);
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "{asked}");
}

on_both!(
    no_operation_answers_whoever_has_no_key,
    the_document_is_served_to_anybody_and_need_not_be_sent_twice,
);
