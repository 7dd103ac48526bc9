//! The console as a process.

use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use centaur_e2e::bench::usage;
use centaur_e2e::real::{KEY, SEALING_KEY};

use crate::args::Args;
use crate::wire::{self, Wire};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running console; killed when dropped.
pub(crate) struct Console {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Console {
    /// Starts one on a free port of loopback, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(crate) async fn start(args: &Args, database: &str) -> anyhow::Result<Self> {
        Self::start_on(args, database, Ipv4Addr::LOCALHOST).await
    }

    /// The same on another address of loopback.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(crate) async fn start_on(args: &Args, database: &str, ip: Ipv4Addr) -> anyhow::Result<Self> {
        let address = TcpListener::bind((ip, 0))?.local_addr()?;
        let mut console = Self::spawn(args, database, address)?;
        console.ready().await?;
        Ok(console)
    }

    /// Starts one on this address, and waits for nothing.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn spawn(args: &Args, database: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let (ip, port): (IpAddr, u16) = (address.ip(), address.port());
        let log = match &args.log {
            // As a service has it: the lines are made and written, and no disk takes part.
            None => Stdio::null(),
            Some(path) => OpenOptions::new().create(true).append(true).open(path)?.into(),
        };
        let child = Command::new(&args.console)
            .env_clear()
            .env("CENTAUR_CONSOLE_LISTEN", ip.to_string())
            .env("PORT", port.to_string())
            .env("DATABASE_URL", database)
            .env("CENTAUR_CONSOLE_ENCRYPTION_KEYS", SEALING_KEY)
            .env("CENTAUR_CONSOLE_INITIAL_USER_EMAIL", "root@example.test")
            .env("CENTAUR_CONSOLE_INITIAL_USER_PASSWORD", "fake-password-1")
            .env("CENTAUR_CONSOLE_INITIAL_API_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| args.console.display().to_string())?;
        Ok(Self { child, address })
    }

    /// Waits until the database answers through it.
    ///
    /// # Errors
    /// When it ends or takes too long.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let mut wire = loop {
            if let Ok(wire) = Wire::connect(self.address).await {
                break wire;
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the console ended with {status}; --log FILE tells why");
            }
            ensure!(begin.elapsed() < PATIENCE, "the console does not listen");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        let answer = wire.exchange(&wire::get(self.address, "/readyz", "")).await?;
        ensure!(answer.status == 200, "not ready: {}", answer.status);
        Ok(())
    }

    /// Resident now, KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        usage::rss_kib(self.child.id())
    }

    /// The most that was resident, KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        usage::peak_kib(self.child.id())
    }

    /// Processor time so far, in microseconds; resolution 10 ms.
    pub(crate) fn cpu_us(&self) -> u64 {
        usage::cpu_us(self.child.id())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
