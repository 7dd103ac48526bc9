//! kill -9 of the console at random points under load: what was acknowledged is there, what was under way is there
//! whole or not at all, and the audit log has one unbroken chain with every write in it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use centaur_base::Secret;
use centaur_e2e::chance::Chance;
use centaur_e2e::load::Writer;
use centaur_e2e::real::{Console, Database, SEALING_KEY};
use centaur_e2e::wait::within;
use centaur_store::{AuditFilter, Chain, KeyRing, Options, Store};
use futures_util::future::join_all;
use tokio::sync::watch;

const WRITERS: u64 = 4;

/// How often the console is killed, and when.
struct Plan {
    /// In a database that is being made: migrations, the first user.
    first_boot: u64,
    /// While it starts again.
    starting: u64,
    /// While it is written to.
    loaded: u64,
}

const TWO_HUNDRED: Plan = Plan { first_boot: 20, starting: 40, loaded: 140 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_on_sqlite_lose_nothing_and_leave_nothing_half_made() {
    survive(&Database::sqlite(), &TWO_HUNDRED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_on_postgresql_lose_nothing_and_leave_nothing_half_made() {
    survive(&Database::postgres().await, &TWO_HUNDRED).await;
}

async fn survive(database: &Database, plan: &Plan) {
    let began = Instant::now();
    let mut chance = Chance::new(4);
    for _ in 0..plan.first_boot {
        kill_while_starting(database, &mut chance, 50).await;
    }
    let mut console = Console::start(database).await;
    let api = console.api();
    let mut writers = join_all((0..WRITERS).map(|number| Writer::new(&api, number))).await;
    let mut starting = plan.starting;
    let mut starts = Duration::ZERO;
    for left in (0..plan.loaded).rev() {
        run_until_killed(console, &mut writers, &mut chance).await;
        // Spread over the run.
        while starting > plan.starting * left / plan.loaded {
            kill_while_starting(database, &mut chance, 10).await;
            starting -= 1;
        }
        let since = Instant::now();
        console = Console::start(database).await;
        starts += since.elapsed();
        let api = console.api();
        join_all(writers.iter_mut().map(|writer| writer.check(&api))).await;
    }
    let (status, log) = console.stop().await;
    assert!(status.success(), "{log}");
    check_audit(database, &writers).await;
    let count = |of: fn(&Writer) -> usize| writers.iter().map(of).sum::<usize>();
    let kills = plan.first_boot + plan.starting + plan.loaded;
    let restart = starts / u32::try_from(plan.loaded).expect("few");
    #[expect(clippy::print_stdout, reason = "the figures of the run")]
    {
        println!(
            "{}: {kills} kills in {:?}, a restart takes {restart:?}; {} writes took effect, {} did not",
            database.name(),
            began.elapsed(),
            count(|writer| writer.done.len()),
            count(|writer| writer.undone.len()),
        );
    }
    // A load that did nothing would prove nothing.
    assert!(count(|writer| writer.done.len()) > usize::try_from(plan.loaded).expect("few"));
}

fn pause(chance: &mut Chance, up_to_millis: u64) -> Duration {
    Duration::from_micros(chance.below(up_to_millis * 1000))
}

async fn kill_while_starting(database: &Database, chance: &mut Chance, up_to_millis: u64) {
    let console = Console::spawn(&database.address(), &[]);
    tokio::time::sleep(pause(chance, up_to_millis)).await;
    console.kill().await;
}

/// Kills it a moment after some writes were acknowledged: on a machine of any speed some were, and some were not.
async fn run_until_killed(console: Console, writers: &mut [Writer], chance: &mut Chance) {
    let api = console.api();
    let (acknowledged, mut progress) = watch::channel(0);
    let load = async move {
        join_all(writers.iter_mut().map(|writer| writer.run(&api, &acknowledged))).await;
    };
    let (enough, then) = (chance.below(12), pause(chance, 15));
    let kill = async {
        // An error is the end of all writers.
        let _ = within("some writes", progress.wait_for(|done| *done >= enough)).await;
        tokio::time::sleep(then).await;
        console.kill().await;
    };
    tokio::join!(load, kill);
}

/// The chain is whole; whatever took effect is in it, and nothing else.
async fn check_audit(database: &Database, writers: &[Writer]) {
    let keys = KeyRing::parse(&Secret::new(SEALING_KEY.to_owned())).expect("keys");
    let store = Store::open(&database.address(), Options::new(keys)).await.expect("a store");
    let mut tx = store.read().await.expect("a transaction");
    let Chain::Whole { seq, .. } = tx.verify_audit().await.expect("an answer") else {
        panic!("the chain of the audit log is broken")
    };
    let events = tx.audit_events(&AuditFilter::default(), u32::MAX).await.expect("events");
    assert_eq!(i64::try_from(events.len()).expect("few"), seq);
    let told: BTreeSet<_> = events.iter().filter_map(|event| event.request_id.as_deref()).collect();
    for writer in writers {
        for id in &writer.done {
            assert!(told.contains(id.as_str()), "no event of {id}, which took effect");
        }
        for id in &writer.undone {
            assert!(!told.contains(id.as_str()), "an event of {id}, which had no effect");
        }
    }
    drop(tx);
    store.close().await;
}
