//! A PostgreSQL server of the Debian package, for the time of the tests. A development dependency and nothing else: it
//! panics where there is none.
//!
//! One server serves all tests of the process, each in a database of its own. A shell waits for the end of its
//! standard input, which comes when this process ends, however it ends; then it stops the server and removes its
//! files.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

/// The address of a new, empty database: `postgres://…`, over a socket that only this machine has.
pub async fn new_database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Blocks a test's own thread and no other's; the first test starts the server, the others wait for it.
    let server = SERVER.get_or_init(Server::start);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::SeqCst));
    let mut admin = server.connect().await;
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.expect("a database");
    server.address(&name)
}

struct Server {
    directory: PathBuf,
    /// Holds the pipe that keeps the server alive.
    _shell: Child,
}

impl Server {
    fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("centaur-pg-").tempdir().expect("a directory").keep();
        let as_user = other_user(&directory);
        let script = format!(
            "set -e; bin={bin}; dir={dir}; cd $dir; \
             {as_user} $bin/initdb -D $dir/data -U centaur --auth=trust -E UTF8 --no-sync >$dir/initdb.log 2>&1; \
             {as_user} $bin/postgres -D $dir/data -k $dir -h '' -F -c max_connections=200 \
                 -c synchronous_commit=off -c full_page_writes=off </dev/null >$dir/server.log 2>&1 & \
             server=$!; \
             cat >/dev/null; \
             kill -INT $(head -n1 $dir/data/postmaster.pid) 2>/dev/null || kill $server; wait $server || true; \
             rm -rf $dir",
            bin = programs.display(),
            dir = directory.display(),
        );
        let shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("a shell");
        let server = Self { directory, _shell: shell };
        server.wait();
        server
    }

    /// Until the server has made its socket.
    fn wait(&self) {
        let since = Instant::now();
        while !self.directory.join(".s.PGSQL.5432").exists() {
            if since.elapsed() > Duration::from_secs(30) {
                let log = |name| std::fs::read_to_string(self.directory.join(name)).unwrap_or_default();
                panic!("PostgreSQL did not start:\n{}\n{}", log("initdb.log"), log("server.log"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://centaur@localhost/{database}?host={}", self.directory.display())
    }

    /// A connection for making databases. The socket is there a moment before the server answers on it.
    async fn connect(&self) -> PgConnection {
        let since = Instant::now();
        loop {
            match PgConnection::connect(&self.address("postgres")).await {
                Ok(connection) => return connection,
                Err(error) if since.elapsed() > Duration::from_secs(20) => panic!("no connection: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// The newest version the package has installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop().expect("PostgreSQL is missing; run: apt-get install -y postgresql")
}

/// The server refuses to run as root: then its files belong to another user, and the command runs its programs as
/// that user.
fn other_user(directory: &Path) -> String {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(directory).expect("metadata")) == 0;
    if !is_root {
        return String::new();
    }
    let has = |user: &str| Command::new("id").arg(user).output().is_ok_and(|output| output.status.success());
    let user = if has("postgres") { "postgres" } else { "nobody" };
    let given = Command::new("chown").arg(user).arg(directory).status().expect("chown");
    assert!(given.success(), "chown to {user}");
    format!("runuser -u {user} --")
}
