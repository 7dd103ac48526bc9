use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use centaur_base::Secret;
use centaur_client::sync::Member;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const TOKEN: &str = "iprx_fake000000000000000000000000000000000000";
const VALUE: &str = "fake-value-0123456789";
const MINUTE: Duration = Duration::from_mins(1);

/// A directory, and a clock that is set by hand.
struct Bench {
    dir: TempDir,
    now: Arc<Mutex<SystemTime>>,
}

impl Bench {
    fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Self { dir: tempfile::tempdir().unwrap(), now: Arc::new(Mutex::new(start)) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    fn keeper(&self) -> Keeper {
        self.of("https://console.test", TOKEN)
    }

    fn of(&self, console: &str, token: &str) -> Keeper {
        let now = self.now.clone();
        let clock: Clock = Box::new(move || *now.lock().unwrap());
        let token = TokenSource::Value(Secret::new(token.to_owned()));
        Keeper::new(self.path(), BaseUrl::parse(console).unwrap(), token, clock)
    }

    fn after(&self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
    }

    fn before(&self, seconds: u64) {
        *self.now.lock().unwrap() -= Duration::from_secs(seconds);
    }

    /// A file with one configuration.
    fn kept() -> Self {
        let bench = Self::new();
        bench.keeper().applied(&payload(&full()), MINUTE).unwrap().unwrap().run().unwrap();
        bench
    }

    fn error(&self) -> KeepError {
        self.keeper().restore().err().expect("not used")
    }
}

fn payload(body: &Value) -> Payload {
    Payload::parse(body.to_string().as_bytes()).unwrap()
}

fn full() -> Value {
    json!({
        "config_hash": "h1", "status": "assigned", "principal_id": "prn_a", "rules": [{"host": "a.test"}],
        "secrets": [{"source": {"type": "control_plane", "value": VALUE}}], "transforms": [], "postgres": [],
    })
}

#[test]
fn what_was_sent_comes_back_and_its_values_are_not_in_the_file() {
    let bench = Bench::kept();
    let bytes = fs::read(bench.path()).unwrap();
    for word in [VALUE, "prn_a", "a.test", TOKEN, "console.test"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
    assert_eq!(fs::metadata(bench.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), 1, "no leftovers");
    bench.after(20);
    let restored = bench.keeper().restore().unwrap();
    let (sent, found) = (payload(&full()), &restored.payload);
    assert_eq!((found.config_hash.as_str(), &found.principal_id), ("h1", &sent.principal_id));
    assert_eq!((&found.rules, &found.secrets, &found.status), (&sent.rules, &sent.secrets, &sent.status));
    assert_eq!(
        (&found.transforms, &found.postgres, &found.mcp),
        (&sent.transforms, &sent.postgres, &Member::Absent)
    );
    assert_eq!((restored.max_age, restored.left), (MINUTE, Duration::from_secs(40)));
}

#[test]
fn a_file_of_another_console_or_token_or_one_that_was_changed_is_told_and_not_used() {
    let bench = Bench::kept();
    assert_eq!(bench.of("https://other.test", TOKEN).restore().err(), Some(KeepError::Foreign));
    assert_eq!(
        bench.of("https://console.test", &TOKEN.replace('0', "1")).restore().err(),
        Some(KeepError::Foreign)
    );
    let whole = fs::read(bench.path()).unwrap();
    for at in [36, 40, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(bench.path(), changed).unwrap();
        assert_eq!(bench.error(), KeepError::Damaged, "byte {at}");
    }
    for (length, error) in [
        (0, KeepError::Form),
        (20, KeepError::Form),
        (36, KeepError::Damaged),
        (whole.len() - 1, KeepError::Damaged),
    ] {
        fs::write(bench.path(), &whole[..length]).unwrap();
        assert_eq!(bench.error(), error, "{length} bytes");
    }
    fs::write(bench.path(), "some text that is long enough to be a file of this kind").unwrap();
    assert_eq!(bench.error(), KeepError::Form);
    fs::remove_file(bench.path()).unwrap();
    assert!(bench.error().is_missing());
    fs::create_dir(bench.path()).unwrap();
    assert!(matches!(bench.error(), KeepError::Io(_)));
    fs::remove_dir(bench.path()).unwrap();
    fs::write(bench.path(), whole).unwrap();
    assert!(bench.keeper().restore().is_ok());
}

#[test]
fn it_is_good_until_its_time_is_over_and_not_before_it_was_written() {
    let bench = Bench::kept();
    bench.after(59);
    assert_eq!(bench.keeper().restore().unwrap().left, Duration::from_secs(1));
    bench.after(1);
    assert_eq!(bench.error(), KeepError::Stale { age: 60, max_age: 60 });
    bench.before(64);
    assert_eq!(bench.keeper().restore().unwrap().left, MINUTE, "clocks are never quite the same");
    bench.before(2);
    assert_eq!(bench.error(), KeepError::Future);
}

#[test]
fn an_unchanged_configuration_is_written_anew_now_and_then_and_when_its_time_changes() {
    let bench = Bench::new();
    let mut keeper = bench.keeper();
    assert!(keeper.vouched(MINUTE).unwrap().is_none(), "there is nothing yet");
    drop(keeper.applied(&payload(&full()), MINUTE).unwrap());
    bench.after(5);
    assert!(keeper.vouched(MINUTE).unwrap().is_none());
    bench.after(3);
    keeper.vouched(MINUTE).unwrap().unwrap().run().unwrap();
    bench.after(55);
    assert_eq!(bench.keeper().restore().unwrap().left, Duration::from_secs(5), "from the second sync on");
    let mut keeper = bench.keeper();
    keeper.restore().unwrap();
    keeper.vouched(MINUTE * 2).unwrap().unwrap().run().unwrap();
    assert_eq!(bench.keeper().restore().unwrap().max_age, MINUTE * 2);
}

#[test]
fn answers_add_up_as_they_do_in_force() {
    let bench = Bench::new();
    let mut keeper = bench.keeper();
    let mut take = |body: Value| keeper.applied(&payload(&body), MINUTE).unwrap().unwrap().run().unwrap();
    let now = || bench.keeper().restore().unwrap().payload;
    take(full());
    take(json!({"config_hash": "h2", "principal_id": "prn_a", "rules": null, "secrets": []}));
    assert_eq!(
        (now().config_hash.as_str(), &now().rules),
        ("h2", &Member::Given(json!([{"host": "a.test"}])))
    );
    assert_eq!((&now().secrets, &now().transforms), (&Member::Given(json!([])), &Member::Given(json!([]))));
    // Nothing that was given to one principal serves another.
    take(json!({"config_hash": "h3", "principal_id": "prn_b", "secrets": []}));
    assert_eq!((&now().rules, &now().transforms), (&Member::Absent, &Member::Absent));
    take(json!({"config_hash": "h4", "principal_id": null, "secrets": []}));
    assert_eq!(now().principal_id, Member::Null);
}

#[test]
fn a_rotated_token_seals_from_then_on_and_opens_what_was_in_force() {
    let bench = Bench::new();
    let file = bench.dir.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let now = bench.now.clone();
    let clock: Clock = Box::new(move || *now.lock().unwrap());
    let console = BaseUrl::parse("https://console.test").unwrap();
    let mut keeper = Keeper::new(bench.path(), console, TokenSource::File(file.clone()), clock);
    drop(keeper.applied(&payload(&full()), MINUTE).unwrap());
    let other = TOKEN.replace('0', "2");
    fs::write(&file, &other).unwrap();
    let more = json!({"config_hash": "h2", "principal_id": "prn_a", "secrets": []});
    keeper.applied(&payload(&more), MINUTE).unwrap().unwrap().run().unwrap();
    let restored = bench.of("https://console.test", &other).restore().unwrap();
    assert_eq!(restored.payload.rules, Member::Given(json!([{"host": "a.test"}])));
    assert_eq!(bench.error(), KeepError::Foreign);
}

#[test]
fn withdrawal_and_revocation_remove_the_file_and_values_do_not_come_back() {
    let bench = Bench::kept();
    let mut keeper = bench.keeper();
    keeper.restore().unwrap();
    keeper.withdrawn();
    assert!(!bench.path().exists());
    keeper
        .applied(&payload(&json!({"config_hash": "h2", "principal_id": "prn_a", "transforms": []})), MINUTE)
        .unwrap()
        .unwrap()
        .run()
        .unwrap();
    let restored = bench.keeper().restore().unwrap().payload;
    assert_eq!((&restored.secrets, restored.rules.given().is_some()), (&Member::Absent, true));
    keeper.forget();
    assert!(bench.error().is_missing());
}

#[test]
fn a_token_that_could_be_guessed_seals_nothing() {
    let bench = Bench::new();
    let mut keeper = bench.of("https://console.test", "fake-short-token");
    assert_eq!(keeper.applied(&payload(&full()), MINUTE).err(), Some(KeepError::ShortToken));
    // What builds on it would not be whole.
    assert!(keeper.applied(&payload(&full()), MINUTE).unwrap().is_none());
    assert!(!bench.path().exists());
}

#[test]
fn a_directory_that_is_gone_is_an_error_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let write = bench.keeper().applied(&payload(&full()), MINUTE).unwrap().unwrap();
    fs::write(bench.dir.path().join("kept.new"), "left over").unwrap();
    write.run().unwrap();
    assert_eq!(fs::metadata(bench.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let path = bench.dir.path().to_owned();
    drop(bench);
    assert_eq!(write.run(), Err(KeepError::Io(std::io::ErrorKind::NotFound)));
    assert!(!path.exists());
}
