//! What is between a console and PostgreSQL, and has notices fail: a socket that passes everything else on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// How notices fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// `LISTEN` is answered as an engine does that has none.
    Refused,
    /// The connection ends with the first notice, which is lost; so does every later one.
    Lost,
}

/// Ends with this.
pub(crate) struct Relay {
    /// Of the database, by way of the relay.
    pub(crate) address: String,
    failed: Arc<AtomicUsize>,
    _dir: TempDir,
    _tasks: JoinSet<()>,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Relay {
    /// `address` is that of a database behind a socket file.
    pub(crate) fn start(address: &str, fate: Fate) -> Self {
        let (head, directory) = address.split_once("?host=").expect("a directory");
        let (dir, target) =
            (tempfile::tempdir().expect("a directory"), PathBuf::from(directory).join(SOCKET));
        let listener = UnixListener::bind(dir.path().join(SOCKET)).expect("a socket");
        let (failed, mut tasks) = (Arc::<AtomicUsize>::default(), JoinSet::new());
        // The two would agree on no encryption, in words that have no frame.
        let address = format!("{head}?sslmode=disable&host={}", dir.path().display());
        tasks.spawn(accept(listener, target, fate, failed.clone()));
        Self { address, failed, _dir: dir, _tasks: tasks }
    }

    /// How often they failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }
}

async fn accept(listener: UnixListener, target: PathBuf, fate: Fate, failed: Arc<AtomicUsize>) {
    let mut all = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = UnixStream::connect(&target).await.expect("PostgreSQL");
        all.spawn(pass(client, server, fate, failed.clone()));
    }
}

async fn pass(client: UnixStream, server: UnixStream, fate: Fate, failed: Arc<AtomicUsize>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (to_client, failed) = (Mutex::new(to_client), &*failed);
    tokio::select! {
        _ = questions(from_client, to_server, &to_client, fate, failed) => {}
        _ = answers(from_server, &to_client, fate, failed) => {}
    }
}

async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    back: &Mutex<OwnedWriteHalf>,
    fate: Fate,
    failed: &AtomicUsize,
) -> std::io::Result<()> {
    // The first message has no type.
    let length = from.read_u32().await?;
    to.write_u32(length).await?;
    to.write_all(&rest(&mut from, length).await?).await?;
    loop {
        let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
        let text = rest(&mut from, length).await?;
        if fate == Fate::Refused && kind == b'Q' && text.starts_with(b"LISTEN") {
            failed.fetch_add(1, Ordering::SeqCst);
            back.lock().await.write_all(&refusal()).await?;
            continue;
        }
        to.write_u8(kind).await?;
        to.write_u32(length).await?;
        to.write_all(&text).await?;
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    to: &Mutex<OwnedWriteHalf>,
    fate: Fate,
    failed: &AtomicUsize,
) -> std::io::Result<()> {
    loop {
        let (kind, length) = (from.read_u8().await?, from.read_u32().await?);
        let text = rest(&mut from, length).await?;
        if fate == Fate::Lost && kind == b'A' {
            failed.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        let mut to = to.lock().await;
        to.write_u8(kind).await?;
        to.write_u32(length).await?;
        to.write_all(&text).await?;
    }
}

/// What follows a length, which counts itself.
async fn rest(from: &mut OwnedReadHalf, length: u32) -> std::io::Result<Vec<u8>> {
    let mut text = vec![0; usize::try_from(length).expect("small") - 4];
    from.read_exact(&mut text).await?;
    Ok(text)
}

/// `ErrorResponse` of a feature that is not supported, and `ReadyForQuery`.
fn refusal() -> Vec<u8> {
    let fields = b"SERROR\0VERROR\0C0A000\0MLISTEN is not supported\0\0";
    let mut text = vec![b'E'];
    text.extend(u32::try_from(fields.len() + 4).expect("small").to_be_bytes());
    text.extend(fields);
    text.extend(b"Z\0\0\0\x05I");
    text
}
