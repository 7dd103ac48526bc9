//! One contender's world: starts the origin and the proxies, and sends the load when it is told to.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::args::Args;
use crate::client::Route;
use crate::fleet::say;
use crate::launch::{self, Proxy};
use crate::pki::HOST;
use crate::wire::{Load, Names, Order, OriginSpec, OriginUp, Outcome, Variant, WorldSpec};
use crate::{load, memory, rss};

/// Time beyond its own length that a load may take before it counts as hung.
const GRACE: Duration = Duration::from_secs(90);

/// Obeys orders from standard input until it closes.
///
/// # Errors
///
/// When the origin cannot be started or an order is not understood; what goes wrong inside an order is its outcome.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // Thousands of tunnels need as many, here and in what is started from here.
    rss::raise_descriptor_limit();
    let mut world = World::start(args.role_spec()?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lines() {
        let order = serde_json::from_str(&line?).context("order")?;
        let outcome =
            runtime.block_on(world.obey(order)).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        writeln!(stdout, "{}", serde_json::to_string(&outcome)?)?;
        stdout.flush()?;
    }
    Ok(())
}

struct World {
    spec: WorldSpec,
    origin: Origin,
    proxies: HashMap<Variant, Proxy>,
    held: Option<Proxy>,
}

impl World {
    fn start(spec: WorldSpec) -> anyhow::Result<Self> {
        let dns_port = if spec.private { 53 } else { 0 };
        let origin = Origin::start(&OriginSpec { pki: spec.pki.clone(), dns_port })?;
        Ok(Self { spec, origin, proxies: HashMap::new(), held: None })
    }

    async fn obey(&mut self, order: Order) -> anyhow::Result<Outcome> {
        match order {
            Order::Run(variant, load) => self.load(variant, load).await,
            Order::Start(variant) => self.time_start(variant).await,
            Order::Hold(variant) => {
                let (proxy, route) = self.fresh(variant).await?;
                let pid = proxy.pid();
                self.held = Some(proxy);
                memory::hold(&route, pid).await
            }
            Order::Release => {
                let proxy = self.held.take().context("no proxy is held")?;
                Ok(Outcome::Rss { kib: crate::rss::rss_kib(proxy.pid()) })
            }
            Order::Stop => {
                self.proxies.clear();
                Ok(Outcome::Done)
            }
        }
    }

    async fn load(&mut self, variant: Variant, load: Load) -> anyhow::Result<Outcome> {
        let closing = matches!(load, Load::NewTls { names: Names::SameClosing | Names::Fresh, .. });
        let port = if closing { self.origin.up.closing_port } else { self.origin.up.port };
        let mut route = self.route(port)?;
        let mut pid = None;
        if self.spec.contender.is_proxy() {
            if !self.proxies.contains_key(&variant) {
                let (proxy, _) = self.fresh(variant).await?;
                // For a profiler: process ids are those of the machine.
                say(&format!("  {}: process {}", self.spec.contender.name(), proxy.pid()));
                self.proxies.insert(variant, proxy);
            }
            let proxy = &self.proxies[&variant];
            route.proxy = Some(proxy.address);
            pid = Some(proxy.pid());
        }
        let limit = GRACE + Duration::from_millis(length(load));
        match tokio::time::timeout(limit, load::run(load, &route, pid)).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("hung: no end within {} s", limit.as_secs()),
        }
    }

    /// A proxy of its own, already listening.
    async fn fresh(&self, variant: Variant) -> anyhow::Result<(Proxy, Route)> {
        let (mut command, address) = launch::prepare(&self.spec, variant, self.origin.up.dns_port)?;
        let mut proxy = launch::spawn(&mut command, address)?;
        if let Err(error) = launch::until_ready(&mut proxy).await {
            drop(proxy);
            bail!("{error}: {}", launch::last_words(&mut command).trim());
        }
        let mut route = self.route(self.origin.up.port)?;
        route.proxy = Some(address);
        Ok((proxy, route))
    }

    async fn time_start(&self, variant: Variant) -> anyhow::Result<Outcome> {
        let (mut command, address) = launch::prepare(&self.spec, variant, self.origin.up.dns_port)?;
        let mut route = self.route(self.origin.up.port)?;
        route.proxy = Some(address);
        let begin = Instant::now();
        let mut proxy = launch::spawn(&mut command, address)?;
        launch::until_ready(&mut proxy).await?;
        route.http1(HOST).await?.small("/n/start".to_owned()).await?;
        Ok(Outcome::Started { millis: begin.elapsed().as_secs_f64() * 1e3 })
    }

    fn route(&self, port: u16) -> anyhow::Result<Route> {
        Route::new(&self.spec.pki, port, self.spec.contender.swaps())
    }
}

const fn length(load: Load) -> u64 {
    match load {
        Load::KeepAlive { millis, .. }
        | Load::Multiplex { millis, .. }
        | Load::Serial { millis }
        | Load::NewTls { millis, .. } => millis,
        Load::Bulk { .. } => 0,
    }
}

/// The origin's process; ended when dropped.
struct Origin {
    child: Child,
    up: OriginUp,
}

impl Origin {
    fn start(spec: &OriginSpec) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--role", "origin", "--spec", &serde_json::to_string(spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the origin has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let up = serde_json::from_str(&line).context("the origin did not start")?;
        Ok(Self { child, up })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
