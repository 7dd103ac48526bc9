//! `centaur up`: a console and a proxy registered with it, in one process, on embedded defaults.

mod edge;
mod told;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;

use centaur_base::Secret;
use centaur_client::base::BaseUrl;
use centaur_console::app::{Server, StartError, log_panics, log_to, stop_signal};
use centaur_console::config::Config;
use iron_proxy::app::Running;
use iron_proxy::sink::Sink;
use rustix::process::DumpableBehavior;

use crate::args::UpArgs;
use crate::console::client;
use crate::home::{self, Addresses, Home, Secrets};
use crate::printer;
use crate::settings::caller_variable;

/// Port of the console.
const CONSOLE_PORT: u16 = 3000;
/// Port of the proxy.
const PROXY_PORT: u16 = 3128;
/// Connections of the proxy have threads of their own.
const WORKERS: usize = 2;
/// A second signal while stopping.
const INTERRUPTED: u8 = 130;
/// What an environment says of these is not meant for an embedded console, or is decided here.
const OURS: [&str; 6] =
    ["LISTEN", "DATABASE_URL", "ENCRYPTION_KEYS", "SECRET_KEY_BASE", "INITIAL_", "AR_ENCRYPTION_"];

/// Runs until it is told to stop.
pub fn run(args: &UpArgs) -> u8 {
    let started = Instant::now();
    // Values are in memory from now on: no core dumps, and no reading by processes of the same user.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let Some(dir) = home::locate(args.data_dir.as_deref(), &caller_variable) else {
        printer::error("there is no place for data: set HOME, or give --data-dir");
        return 1;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(up(args, &dir, started)),
        Err(error) => Err(error.to_string()),
    };
    result.unwrap_or_else(|error| {
        printer::error(error);
        1
    })
}

async fn up(args: &UpArgs, dir: &Path, started: Instant) -> Result<u8, String> {
    let home = Home::open(dir).map_err(|e| e.to_string())?;
    let stop = stop_signal().map_err(|e| format!("signals: {e}"))?;
    log_panics();
    log_to(home.log("console").map_err(|e| e.to_string())?);
    let lines = Sink::new(home.log("proxy").map_err(|e| e.to_string())?);
    let secrets = Secrets::read_or_make(&home.path("secrets.env"), &home.path("centaur.db"));
    let secrets = secrets.map_err(|e| e.to_string())?;
    let tunnel = listener(args, PROXY_PORT, "the proxy")?;
    let server = console(&home, &secrets, address(args, CONSOLE_PORT)?).await?;

    let base = format!("http://{}", server.address());
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let console = tokio::spawn(server.serve(async move { drop(stopped.await) }));
    let api = BaseUrl::parse(&base).map_err(|e| e.to_string())?;
    let api = client(api, secrets.api_key())?;
    let proxy = edge::start(&home, &api, tunnel, &lines).await?;
    let proxy_address = proxy.addrs().tunnel.map(|address| address.to_string()).unwrap_or_default();
    let addresses = Addresses { console: base, proxy: proxy_address, pid: std::process::id() };
    home.announce(&addresses).map_err(|e| format!("{}: {e}", home.dir().display()))?;
    told::tell(&home, &secrets, &addresses, started.elapsed());

    until(proxy, stop).await;
    lines.flush();
    drop(home);
    drop(stopping);
    // What is under way in the console has ten seconds; a second signal ends them.
    let again = stop_signal().map_err(|e| format!("signals: {e}"))?;
    tokio::select! {
        _ = console => Ok(0),
        () = again => Ok(INTERRUPTED),
    }
}

/// Serves until the signal, and then ends the proxy. A proxy that ends by itself does not end the console.
async fn until(mut proxy: Running, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    tokio::select! {
        () = &mut stop => {}
        error = proxy.failed() => {
            printer::error(format_args!("the proxy ended: {error}"));
            printer::hint("the console goes on; the next start registers a proxy again if it has to");
            stop.await;
        }
    }
    proxy.shutdown().await;
}

fn address(args: &UpArgs, base: u16) -> Result<SocketAddr, String> {
    let port = if args.any_port { Some(0) } else { base.checked_add(args.port_offset) };
    let port = port.ok_or_else(|| format!("--port-offset {}: there is no such port", args.port_offset))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

fn listener(args: &UpArgs, base: u16, what: &str) -> Result<TcpListener, String> {
    let address = address(args, base)?;
    TcpListener::bind(address).map_err(|error| taken(address, what, &error))
}

fn taken(address: SocketAddr, what: &str, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return format!("port {} is in use ({what}); choose others with --port-offset", address.port());
    }
    format!("cannot listen on {address} ({what}): {error}")
}

/// The console, with its database open and its port bound.
async fn console(home: &Home, secrets: &Secrets, listen: SocketAddr) -> Result<Server, String> {
    let database = format!("sqlite:{}", home.path("centaur.db").display());
    let setting = |name: &str| match name {
        "PORT" => Some(listen.port().to_string()),
        "DATABASE_URL" => Some(database.clone()),
        "CENTAUR_CONSOLE_LISTEN" => Some(listen.ip().to_string()),
        name => secrets.find(name).map(|value| value.expose().clone()).or_else(|| inherited(name)),
    };
    let config = Config::from_env(setting, false).map_err(|error| error.to_string())?;
    Server::start(config).await.map_err(|error| match error {
        StartError::Listen(address, error) => taken(address, "the console", &error),
        StartError::Keys(_) => {
            format!("stored secrets cannot be opened with the keys in {}", home.path("secrets.env").display())
        }
        other => other.to_string(),
    })
}

/// A setting of the console from the environment.
fn inherited(name: &str) -> Option<String> {
    let bare = ["CENTAUR_CONSOLE_", "IRON_CONTROL_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let ours = OURS.iter().any(|part| bare.unwrap_or(name).starts_with(part));
    if ours { None } else { std::env::var(name).ok() }
}

/// Reads a token that was written before.
fn stored(home: &Home, name: &str) -> Option<Secret<String>> {
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(home.path(name)).ok()?);
    Some(Secret::new(text.trim().to_owned())).filter(|token| !token.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(port_offset: u16, any_port: bool) -> UpArgs {
        UpArgs { data_dir: None, port_offset, any_port }
    }

    #[test]
    fn an_offset_moves_both_ports_and_not_past_the_last() {
        assert_eq!(address(&args(10, false), CONSOLE_PORT).unwrap().to_string(), "127.0.0.1:3010");
        assert_eq!(address(&args(10, false), PROXY_PORT).unwrap().to_string(), "127.0.0.1:3138");
        assert_eq!(address(&args(0, true), PROXY_PORT).unwrap().port(), 0);
        assert!(address(&args(u16::MAX, false), CONSOLE_PORT).unwrap_err().starts_with("--port-offset"));
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_what_to_do() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let Some(offset) = port.checked_sub(PROXY_PORT) else { return };
        let error = listener(&args(offset, false), PROXY_PORT, "the proxy").unwrap_err();
        assert_eq!(error, format!("port {port} is in use (the proxy); choose others with --port-offset"));
    }

    #[test]
    fn where_an_embedded_console_listens_and_stores_is_not_the_environments_to_say() {
        for name in ["DATABASE_URL", "IRON_CONTROL_DATABASE_URL", "CENTAUR_CONSOLE_INITIAL_USER_EMAIL"] {
            assert_eq!(inherited(name), None, "{name}");
        }
        assert_eq!(inherited("PATH"), std::env::var("PATH").ok());
    }
}
