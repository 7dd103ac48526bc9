//! A rotation that never stops, while the console is killed, its database is stopped, or its disk is full: no refresh
//! token is presented twice but by the one attempt after an interruption, and every login that this costs is marked.
//!
//! `CENTAUR_ROTATION_KILLS` says how often the console is killed; without it, as often as fits into a minute or so.

mod fleet;
mod full;

use std::time::{Duration, Instant};

use centaur_e2e::chance::Chance;
use centaur_e2e::real::{Console, Database};
use centaur_e2e::strict::Provider;
use centaur_test_postgres::OwnServer;
use tokio::sync::watch;
use tokio::time::sleep;

use fleet::{Fleet, Report};

const SETTINGS: [(&str, &str); 2] =
    [("CENTAUR_CONSOLE_ALLOW_INSECURE_TOKEN_ENDPOINTS", "1"), ("CENTAUR_CONSOLE_ACCESS_LOG", "0")];

/// What the tokens of a rotation that never stops live for.
const SHORT: Duration = Duration::from_secs(5);
const CREDENTIALS: usize = 400;
/// Half of it before the provider uses a token up, half after.
const DELAY: Duration = Duration::from_millis(12);

fn kills(unless_set: u64) -> u64 {
    std::env::var("CENTAUR_ROTATION_KILLS").map_or(unless_set, |kills| kills.parse().expect("a number"))
}

#[expect(clippy::print_stdout, reason = "the figures of the run")]
fn print(what: &str, began: Instant, report: &Report) {
    println!("{what} in {:?}: {report:?}", began.elapsed());
}

fn pause(chance: &mut Chance, up_to_millis: u64) -> Duration {
    Duration::from_micros(chance.below(up_to_millis * 1_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_cost_no_login_that_is_not_marked() {
    survive(&Database::sqlite(), 1, kills(100), DELAY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_two_replicas_cost_no_login_that_is_not_marked() {
    // Nothing is due because of a start here, so that a kill meets a call only when calls take longer.
    survive(&Database::postgres().await, 2, kills(200) / 4, DELAY * 4).await;
}

async fn survive(database: &Database, replicas: usize, kills: u64, delay: Duration) {
    let (began, mut chance) = (Instant::now(), Chance::new(5));
    let provider = Provider::start();
    provider.lifetime(SHORT);
    provider.delay(delay);
    let start = async || Console::start_at(&database.address(), &SETTINGS).await;
    let mut consoles = Vec::new();
    for _ in 0..replicas {
        consoles.push(start().await);
    }
    let mut fleet = Fleet::make(&consoles[0].api(), &provider, CREDENTIALS, 1).await;
    let (newest, watched) = watch::channel(consoles[0].api());
    let watching = fleet.watch(watched);
    for kill in 1..=kills {
        sleep(pause(&mut chance, 300)).await;
        let victim = usize::try_from(chance.below(replicas as u64)).expect("few");
        consoles.swap_remove(victim).kill().await;
        let console = start().await;
        newest.send_replace(console.api());
        if kill % 20 == 0 {
            fleet.reconnect(&console.api()).await;
        }
        consoles.push(console);
    }
    let api = consoles[0].api();
    provider.lifetime(Duration::from_hours(1));
    provider.delay(Duration::ZERO);
    fleet.settle(&api).await;
    drop(newest);
    let sent = watching.await.expect("watched");
    let report = fleet.verify(&api, &provider, &sent).await;
    print(&format!("{}, {replicas} replicas, {kills} kills", database.name()), began, &report);
    // Kills that interrupt nothing would prove nothing.
    assert!(report.interruptions > 0 && report.rotations > CREDENTIALS && report.seen > 0);
    for console in consoles {
        console.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_and_goes_costs_no_login() {
    let (began, mut chance) = (Instant::now(), Chance::new(6));
    let mut database = OwnServer::start().await;
    let provider = Provider::start();
    provider.lifetime(SHORT);
    provider.delay(DELAY);
    let console = Console::start_at(database.address(), &SETTINGS).await;
    let api = console.api();
    let fleet = Fleet::make(&api, &provider, 100, 10).await;
    let (newest, watched) = watch::channel(api.clone());
    let watching = fleet.watch(watched);
    for _ in 0..8 {
        sleep(pause(&mut chance, 2_000)).await;
        database.stop();
        sleep(pause(&mut chance, 1_000)).await;
        database.start_again().await;
    }
    provider.lifetime(Duration::from_hours(1));
    fleet.settle(&api).await;
    drop(newest);
    let sent = watching.await.expect("watched");
    let report = fleet.verify(&api, &provider, &sent).await;
    print("PostgreSQL stopped 8 times", began, &report);
    assert_eq!(report.lost, 0, "the console lived, and had the answers in memory");
    console.stop().await;
}
