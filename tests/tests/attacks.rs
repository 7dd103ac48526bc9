//! The attack corpus against the built proxy.

use centaur_e2e::proxy::{binary, centaur};
use centaur_e2e::tools::Tool;

async fn attack(args: &[&str]) -> centaur_e2e::tools::Ran {
    let program = centaur().display().to_string();
    let proxy = binary().display().to_string();
    Tool::new(&program).args(&["attack", "--proxy-bin", &proxy]).args(args).run().await
}

#[tokio::test]
async fn no_attack_of_the_corpus_breaks_the_proxy() {
    let ran = attack(&[]).await;
    ran.ok();
    let total = ran.stdout();
    let total = total.lines().find(|line| line.starts_with("total")).expect("a total");
    let numbers: Vec<usize> = total.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] >= 150, "{total}");
    assert_eq!(numbers[1..], [0, 0], "{total}");
}

#[tokio::test]
async fn the_runner_reports_what_does_not_hold() {
    let dir = tempfile::tempdir().expect("directory");
    let profiles = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("attacks/profiles.toml");
    std::fs::copy(profiles, dir.path().join("profiles.toml")).expect("copy");
    let entry =
        |id: &str, about: &str, rest: &str| format!("[[attack]]\nid = '{id}'\nabout = '{about}'\n{rest}\n");
    let request = |host: &str, end: &str| {
        format!(
            "steps = '''\nopen http\nsend GET /x HTTP/1.1\\r\\nHost: {host}:@{{plain}}\\r\\n\\r\\n\n{end}\n'''"
        )
    };
    let file = [
        "class = 'made up'\n".to_owned(),
        entry("good", "held", &request("denied.test", "refused")),
        entry("status", "a wrong status", &request("denied.test", "expect 200")),
        entry(
            "never",
            "a text that arrives",
            &format!("never = ['GET /x']\n{}", request("allowed.test", "expect 200")),
        ),
        entry(
            "sees",
            "a text that does not",
            &format!("sees = ['absent']\n{}", request("allowed.test", "expect 200")),
        ),
        entry(
            "lines",
            "a count of lines",
            &format!("audit = '2'\n{}", request("allowed.test", "expect 200")),
        ),
    ]
    .concat();
    std::fs::write(dir.path().join("path.toml"), file).expect("write");
    let ran = attack(&["--patience", "1000", "--corpus", &dir.path().display().to_string()]).await;
    let text = ran.failed().stdout();
    for broken in ["status", "never", "sees", "lines"] {
        assert!(text.contains(&format!("  {broken}: ")), "{broken} held:\n{text}");
    }
    assert!(!text.contains("  good: "), "{text}");
}
