//! A disk with no room left. The test runs itself again in a namespace where it may mount a small one.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use centaur_e2e::real::Console;
use centaur_e2e::strict::Provider;
use centaur_e2e::wait::within;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::{SETTINGS, SHORT, print};

/// Set in the inner run.
const INSIDE: &str = "CENTAUR_E2E_INSIDE";
/// So long that some call is always under way.
const DELAY: Duration = Duration::from_secs(1);

/// Runs the test called `name` again in namespaces of its own; true in the inner run.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::env::current_exe().expect("this test's path");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(test)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare, which scripts/install-test-deps installs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "in the namespaces:\n{text}");
    false
}

fn mount(at: &Path) {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(at)
        .status()
        .expect("mount");
    assert!(mounted.success());
}

/// Writes until there is not one byte of room.
fn fill(file: &Path) {
    let mut file = File::create(file).expect("a file");
    for size in [65_536, 4_096, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
}

async fn logged(console: &Console, message: &str, times: usize) {
    within(message, async {
        while console.log().matches(message).count() < times {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

const CANNOT: &str = "refresh cannot be stored yet";
const REPLAYED: &str = "refresh of an earlier process found in the spool";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_costs_no_login() {
    if !inside("full::a_disk_that_is_full_costs_no_login") {
        return;
    }
    let began = Instant::now();
    let (disk, spool) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    mount(disk.path());
    let database = format!("sqlite:{}", disk.path().join("console.db").display());
    let filler = disk.path().join("filler");
    let spool = spool.path().display().to_string();
    let settings: Vec<_> =
        SETTINGS.into_iter().chain([("CENTAUR_CONSOLE_BROKER_SPOOL_DIR", spool.as_str())]).collect();
    let provider = Provider::start();
    provider.lifetime(SHORT);
    provider.delay(DELAY);
    let mut console = Console::start_at(&database, &settings).await;
    let fleet = Fleet::make(&console.api(), &provider, 20, 10).await;
    for kills in [false, true, false, true] {
        // A clean end empties the journal, so that the next writes need room.
        console.stop().await;
        console = Console::start_at(&database, &settings).await;
        let calls = provider.calls();
        within("calls", async {
            while provider.calls() < calls + 3 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        fill(&filler);
        logged(&console, CANNOT, 1).await;
        // Nothing new can begin; what is under way ends.
        sleep(DELAY * 3).await;
        if kills {
            assert!(console.log().contains("\"is_safe\":true"), "{}", console.log());
            console.kill().await;
            std::fs::remove_file(&filler).expect("removed");
            console = Console::start_at(&database, &settings).await;
            logged(&console, REPLAYED, 1).await;
        } else {
            std::fs::remove_file(&filler).expect("removed");
        }
    }
    provider.lifetime(Duration::from_hours(1));
    let api = console.api();
    fleet.settle(&api).await;
    let report = fleet.verify(&api, &provider, &[]).await;
    print("a disk that was full 4 times, 2 kills", began, &report);
    assert_eq!(report.lost, 0);
    assert_eq!(std::fs::read_dir(&spool).expect("the spool").count(), 0, "all of it was stored");
    console.stop().await;
}
