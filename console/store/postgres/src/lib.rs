//! A PostgreSQL server of the Debian package, for the time of the tests. A development dependency and nothing else: it
//! panics where there is none.
//!
//! One server serves all tests of the process, each in a database of its own; a test that has to stop its server has
//! one [of its own](OwnServer). A shell waits for the end of its standard input, which comes when this process ends,
//! however it ends; then it stops the server and removes its files.

use std::io::Write as _;
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
    server.new_database(&format!("test_{}", NEXT.fetch_add(1, Ordering::SeqCst))).await
}

/// A server that no other test has, with one empty database. It can be stopped and started again.
pub struct OwnServer {
    server: Server,
    address: String,
}

impl OwnServer {
    /// Starts one.
    pub async fn start() -> Self {
        let server = Server::start();
        let address = server.new_database("test").await;
        Self { server, address }
    }

    /// The address of its database, whether it runs or not.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends its connections and stops it; waits until it is gone.
    pub fn stop(&mut self) {
        self.server.order("halt");
        self.server.wait(false);
    }

    /// Starts it with what it had; waits until it answers.
    pub async fn start_again(&mut self) {
        self.server.order("run");
        self.server.wait(true);
        drop(self.server.connect().await);
    }
}

struct Server {
    directory: PathBuf,
    /// Holds the pipe that keeps the server alive.
    shell: Child,
}

impl Server {
    fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("centaur-pg-").tempdir().expect("a directory").keep();
        let as_user = other_user(&directory);
        let script = format!(
            "set -e; bin={bin}; dir={dir}; cd $dir; \
             {as_user} $bin/initdb -D $dir/data -U centaur --auth=trust -E UTF8 --no-sync >$dir/initdb.log 2>&1; \
             run() {{ \
                 {as_user} $bin/postgres -D $dir/data -k $dir -h '' -F -c max_connections=200 \
                     -c synchronous_commit=off -c full_page_writes=off </dev/null >>$dir/server.log 2>&1 & \
                 server=$!; \
             }}; \
             halt() {{ \
                 kill -INT $(head -n1 $dir/data/postmaster.pid 2>/dev/null) 2>/dev/null || kill $server 2>/dev/null || true; \
                 wait $server || true; \
             }}; \
             run; while read -r order; do $order; done; halt; \
             rm -rf $dir",
            bin = programs.display(),
            dir = directory.display(),
        );
        let shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("a shell");
        let server = Self { directory, shell };
        server.wait(true);
        server
    }

    /// Has the shell call one of its functions.
    fn order(&mut self, function: &str) {
        let pipe = self.shell.stdin.as_mut().expect("piped");
        writeln!(pipe, "{function}").expect("the shell reads");
    }

    /// Until the server has made its socket, or removed it.
    fn wait(&self, runs: bool) {
        let since = Instant::now();
        while self.directory.join(".s.PGSQL.5432").exists() != runs {
            if since.elapsed() > Duration::from_mins(2) {
                let log = |name| std::fs::read_to_string(self.directory.join(name)).unwrap_or_default();
                let what = if runs { "start" } else { "stop" };
                panic!("PostgreSQL did not {what}:\n{}\n{}", log("initdb.log"), log("server.log"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://centaur@localhost/{database}?host={}", self.directory.display())
    }

    async fn new_database(&self, name: &str) -> String {
        let mut admin = self.connect().await;
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.expect("a database");
        self.address(name)
    }

    /// A connection for making databases. The socket is there a moment before the server answers on it.
    async fn connect(&self) -> PgConnection {
        let since = Instant::now();
        loop {
            match PgConnection::connect(&self.address("postgres")).await {
                Ok(connection) => return connection,
                Err(error) if since.elapsed() > Duration::from_mins(2) => panic!("no connection: {error}"),
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
