//! A hop that does nothing: it takes CONNECT, dials, and copies bytes both ways without a look at them.
//!
//! It ends no TLS, reads no request and decides nothing, so it shows what one more process in the path costs on this
//! machine whatever that process does.

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::args::Args;

/// Longest CONNECT head.
const HEAD: usize = 4096;

/// Relays on `--spec`, a port of the loopback, until it is killed.
///
/// # Errors
///
/// When it cannot listen.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let port: u16 = args.role_spec()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (client, _) = listener.accept().await?;
            // One that fails is a wrong or missing answer to the load client, which says so.
            tokio::spawn(async move { drop(relay(client).await) });
        }
    })
}

async fn relay(mut client: TcpStream) -> anyhow::Result<()> {
    let mut head = Vec::with_capacity(HEAD);
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < HEAD, "the head is too long");
        anyhow::ensure!(client.read_buf(&mut head).await? > 0, "no whole head");
    }
    let head = String::from_utf8(head)?;
    let target = head.split(' ').nth(1).context("no target")?;
    // Every name is 127.0.0.1 here.
    let port: u16 = target.rsplit(':').next().context("no port")?.parse()?;
    let mut origin = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    origin.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut origin).await?;
    Ok(())
}
