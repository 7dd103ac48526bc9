//! The conductor: one world per contender, in a namespace of its own where that is possible, and the order of things.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::args::Args;
use crate::contender::Contender;
use crate::pki;
use crate::report::{self, Table};
use crate::rows::{self, Pace};
use crate::wire::{Order, Outcome, WorldSpec};

/// Brings up loopback and sends all names to the world's own DNS server.
const ENTER: &str = "ip link set lo up && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";

/// Measures what the options ask for, and prints the table.
///
/// # Errors
///
/// When a world cannot be started or the table not be written; a contender that fails has that in its cells.
pub(crate) fn conduct(args: &Args) -> anyhow::Result<()> {
    let contenders = Contender::select(args)?;
    ensure!(!contenders.is_empty(), "nobody to measure");
    let mut fleet = Fleet::start(contenders, args)?;
    let pace = Pace::from(args);
    let mut table = Table::new(fleet.names(), fleet.private);
    for row in args.rows() {
        say(&format!("{}:", row.title()));
        let lines = rows::measure(row, &mut fleet, &pace);
        for line in &lines {
            for (name, cell) in fleet.names().iter().zip(&line.cells) {
                say(&format!("  {name:<12} {cell}"));
            }
        }
        table.lines.extend(lines);
        fleet.all(Order::Stop);
    }
    report::print(&table)?;
    let everything = args.only.is_empty() && args.contenders.is_empty();
    if args.write || everything {
        report::write(&table)?;
    }
    Ok(())
}

/// Speaks to the person in front, on standard error.
#[expect(clippy::print_stderr, reason = "the bench talks to a person")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// All worlds of one run.
pub(crate) struct Fleet {
    worlds: Vec<Handle>,
    private: bool,
    _dir: TempDir,
}

struct Handle {
    contender: Contender,
    child: Child,
    orders: Option<ChildStdin>,
    outcomes: BufReader<ChildStdout>,
}

impl Fleet {
    fn start(contenders: Vec<Contender>, args: &Args) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("egress-bench-").tempdir()?;
        pki::write(dir.path())?;
        let resolv = dir.path().join("resolv.conf");
        fs::write(&resolv, "nameserver 127.0.0.1\n")?;
        let private = !args.no_namespaces && namespaces_open(&resolv);
        if !private {
            say("no network namespaces here: everything runs on the machine's loopback");
        }
        let mut worlds = Vec::new();
        for (at, contender) in contenders.into_iter().enumerate() {
            let own = dir.path().join(format!("world-{at}"));
            fs::create_dir(&own)?;
            let spec =
                WorldSpec { contender: contender.clone(), pki: dir.path().to_owned(), dir: own, private };
            worlds.push(Handle::start(contender, &spec, &resolv)?);
        }
        Ok(Self { worlds, private, _dir: dir })
    }

    /// Whether each has a network namespace of its own.
    pub(crate) fn private(&self) -> bool {
        self.private
    }

    /// Names of the contenders, in the order of the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.worlds.iter().map(|world| world.contender.name().to_owned()).collect()
    }

    /// The contenders, in the order of the columns.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        self.worlds.iter().map(|world| world.contender.clone()).collect()
    }

    /// Has the world of column `at` do something, and waits for the outcome.
    pub(crate) fn order(&mut self, at: usize, order: Order) -> Outcome {
        self.worlds[at].obey(order).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")))
    }

    fn all(&mut self, order: Order) {
        for at in 0..self.worlds.len() {
            if let Outcome::Failed(reason) = self.order(at, order) {
                say(&format!("  {}: {reason}", self.worlds[at].contender.name()));
            }
        }
    }
}

impl Handle {
    fn start(contender: Contender, spec: &WorldSpec, resolv: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = if spec.private { entering(resolv, &program) } else { Command::new(&program) };
        let mut child = command
            .args(["--role", "world", "--spec", &serde_json::to_string(spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a world")?;
        let orders = child.stdin.take();
        let outcomes = BufReader::new(child.stdout.take().context("a world has no output")?);
        Ok(Self { contender, child, orders, outcomes })
    }

    fn obey(&mut self, order: Order) -> anyhow::Result<Outcome> {
        let orders = self.orders.as_mut().context("the world is closed")?;
        writeln!(orders, "{}", serde_json::to_string(&order)?)?;
        let mut line = String::new();
        self.outcomes.read_line(&mut line)?;
        serde_json::from_str(&line).context("the world ended")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The end of its input is the world's sign to end its children and itself.
        self.orders = None;
        let _ = self.child.wait();
    }
}

fn entering(resolv: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "--", "sh", "-c", ENTER]);
    command.arg(resolv).arg(program);
    command
}

fn namespaces_open(resolv: &Path) -> bool {
    let probe = entering(resolv, "true".as_ref()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}
