//! A console on a free port with SQLite in a temporary directory. Also used by the tests of `centaur-perms`.

use std::collections::HashMap;
use std::net::SocketAddr;

use centaur_console::app::Server;
use centaur_console::config::Config;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The first user's key.
pub(crate) const KEY: &str = "iak_fa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4efa4e";

const SETTINGS: [(&str, &str); 7] = [
    // Where credentials are tested as rows, nobody writes into them meanwhile.
    ("CENTAUR_CONSOLE_BROKER", "off"),
    ("CENTAUR_CONSOLE_LISTEN", "127.0.0.1"),
    ("PORT", "0"),
    ("CENTAUR_CONSOLE_ENCRYPTION_KEYS", "one:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
    ("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test"),
    ("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1"),
    ("CENTAUR_CONSOLE_INITIAL_API_KEY", KEY),
];

/// It stops when it is dropped.
pub(crate) struct Console {
    pub(crate) address: SocketAddr,
    _dir: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Console {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let database = format!("sqlite:{}", dir.path().join("console.db").display());
        let mut env: HashMap<_, _> = SETTINGS.into_iter().collect();
        env.insert("DATABASE_URL", &database);
        let config = Config::from_env(|name| env.get(name).map(|value| (*value).to_owned()), false);
        let server = Server::start(config.expect("settings")).await.expect("a console");
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Self { address, _dir: dir, _stop: stop }
    }
}
