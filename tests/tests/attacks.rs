//! The attack corpus against the built proxy.

use std::process::{Output, Stdio};

use centaur_e2e::proxy::{binary, centaur};
use centaur_e2e::tools::Tool;
use centaur_e2e::wait::within;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

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
    let ran = attack(&["--patience", "5000", "--corpus", &dir.path().display().to_string()]).await;
    let text = ran.failed().stdout();
    for broken in ["status", "never", "sees", "lines"] {
        assert!(text.contains(&format!("  {broken}: ")), "{broken} held:\n{text}");
    }
    assert!(!text.contains("  good: "), "{text}");
}

/// `centaur attack` against a proxy that is started by the command it prints.
struct ByHand {
    dir: tempfile::TempDir,
    runner: Child,
    command: String,
}

impl ByHand {
    async fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let [tunnel, http, https] = free_addresses();
        let runner = Command::new(centaur())
            .arg("attack")
            .args(["--proxy", &tunnel, "--http", &http, "--https", &https])
            .arg("--write-profile")
            .arg(dir.path().join("profile"))
            .arg("--log")
            .arg(dir.path().join("log"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("centaur starts");
        let mut by_hand = Self { dir, runner, command: String::new() };
        let mut said = BufReader::new(by_hand.runner.stderr.as_mut().expect("piped")).lines();
        assert_eq!(line(&mut said).await, "centaur: start the proxy now:");
        let command = line(&mut said).await;
        command.strip_prefix("centaur: ").expect("a command").clone_into(&mut by_hand.command);
        by_hand
    }

    fn edit_profile(&self, from: &str, to: &str) {
        let path = self.dir.path().join("profile/base.yaml");
        let yaml = std::fs::read_to_string(&path).expect("profile");
        assert!(yaml.contains(from), "{yaml}");
        std::fs::write(path, yaml.replace(from, to)).expect("profile");
    }

    /// Starts the proxy as told, and returns how the runner ended.
    async fn play(self) -> (Output, tempfile::TempDir) {
        let programs = self.dir.path().join("bin");
        std::fs::create_dir(&programs).expect("directory");
        std::os::unix::fs::symlink(binary(), programs.join("iron-proxy")).expect("link");
        let proxy = Command::new("/bin/sh")
            .args(["-c", &format!("exec {}", self.command)])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the proxy starts");
        let output = within("the report", self.runner.wait_with_output()).await.expect("output");
        drop(proxy);
        (output, self.dir)
    }
}

async fn line(lines: &mut tokio::io::Lines<impl tokio::io::AsyncBufRead + Unpin>) -> String {
    within("what to do", lines.next_line()).await.expect("readable").expect("a line")
}

/// Addresses that were free a moment ago.
fn free_addresses() -> [String; 3] {
    let held = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("bind"));
    held.map(|listener| listener.local_addr().expect("address").to_string())
}

#[tokio::test]
async fn a_proxy_started_as_told_is_attacked_and_its_log_is_judged() {
    let by_hand = ByHand::start(&["--only", "path ambiguity"]).await;
    let (output, dir) = by_hand.play().await;
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{page}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<_> =
        page.lines().filter(|row| row.starts_with("path") || row.starts_with("total")).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.ends_with("     0    0")), "{page}");
    assert!(page.lines().count() < 60, "one page");
    let log = std::fs::read_to_string(dir.path().join("log")).expect("the log");
    assert!(log.contains("ambiguous-path"), "{log}");
}

#[tokio::test]
async fn a_proxy_that_lets_more_through_than_its_profile_is_told_on() {
    let by_hand = ByHand::start(&["--only", "path ambiguity", "--patience", "1000"]).await;
    by_hand.edit_profile("paths: [\"/public/*\",", "paths: [\"/public/*\", \"/private/*\", \"/admin/*\",");
    by_hand.edit_profile("methods: [\"GET\", \"POST\", \"CONNECT\"], ", "");
    let (output, _) = by_hand.play().await;
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.contains("\nbroken:\n  "), "{page}");
}

#[tokio::test]
async fn what_cannot_be_played_is_an_error_and_no_page_without_rows() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken = listener.local_addr().expect("address").to_string();
    let profile = tempfile::tempdir().expect("directory");
    let dir = profile.path().display().to_string();
    let program = centaur().display().to_string();
    let proxy = binary().display().to_string();
    for (args, why) in [
        (vec!["--proxy-bin", &proxy, "--only", "no such class"], "no id or class of the corpus contains"),
        (vec!["--proxy", &taken, "--write-profile", &dir], "somebody listens at"),
        (vec!["--proxy", &taken], "--write-profile"),
    ] {
        let ran = Tool::new(&program).arg("attack").args(&args).run().await;
        assert!(ran.failed().text().contains(why), "{}", ran.text());
        assert_eq!(ran.code(), Some(125));
        assert_eq!(ran.stdout(), "");
    }
    drop(listener);
}
