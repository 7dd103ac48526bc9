//! The proxy of `centaur up`: registered through the API like any other, with its token in a file.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use centaur_base::Secret;
use centaur_base::oid::ProxyId;
use centaur_client::api::{ApiClient, Expect};
use centaur_client::token::TokenSource;
use iron_proxy::app::{self, Options, Running};
use iron_proxy::ca;
use iron_proxy::config::Config;
use iron_proxy::listen::Sockets;
use iron_proxy::managed::settings::{AllowHosts, Settings};
use iron_proxy::sink::Sink;
use iron_proxy::sources::SourcePool;
use serde_json::json;

use super::stored;
use crate::console;
use crate::engine::first_sync;
use crate::home::{Home, write_private};

/// The principal whose credentials the proxy places.
pub(super) const PRINCIPAL: &str = "local";
/// Ten years, in hours.
const CA_HOURS: i64 = 10 * 365 * 24;
/// The console is this process; a first answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Registers it if need be, starts it on `tunnel`, and waits until it has its configuration.
pub(super) async fn start(
    home: &Home,
    api: &ApiClient,
    tunnel: TcpListener,
    lines: &Sink,
) -> Result<Running, String> {
    register(home, api).await?;
    let keys = keys(home, &tunnel).map_err(|e| format!("the files of the proxy: {e}"))?;
    let none = |_: &str| None;
    let loaded = Config::parse(&keys, &none).map_err(|errors| errors.to_string())?;
    iron_proxy::log::init(loaded.config.log_level, lines.clone());
    let options = Options {
        audit: lines.clone(),
        sockets: Sockets { tunnel: vec![tunnel], ..Sockets::default() },
        extra_roots: Vec::new(),
        metrics: false,
        reload: None,
        sources: SourcePool::default(),
    };
    let settings = Settings {
        base: api.base().clone(),
        token: TokenSource::File(home.path("proxy/token")),
        allow_hosts: AllowHosts { granted: true, ..AllowHosts::default() },
    };
    let proxy = app::start_managed(loaded.config, options, settings).map_err(|e| e.to_string())?;
    first_sync(&proxy, PATIENCE).await.map(|()| proxy)
}

/// Makes principal and proxy where they are not there yet. A token that went with another database is replaced.
async fn register(home: &Home, api: &ApiClient) -> Result<(), String> {
    let failed = |error| format!("registering the proxy: {}", console::failed(api, &error));
    let id = stored(home, "proxy/id").and_then(|id| id.expose().parse::<ProxyId>().ok());
    if let (Some(id), Some(_)) = (id, stored(home, "proxy/token"))
        && api.proxy(id).await.map_err(failed)?.is_some()
    {
        return Ok(());
    }
    let found = api.principal_named("default", PRINCIPAL).await.map_err(failed)?;
    let principal = if let Some(principal) = found {
        principal.id
    } else {
        let data = json!({ "name": "Programs on this machine" });
        api.put_principal(PRINCIPAL, &data, Expect::Anything).await.map_err(failed)?.row.id
    };
    let made = api.create_proxy("centaur up", Some(principal)).await.map_err(failed)?;
    // The token first: an id without its token is registered anew, the other way round it would be taken for whole.
    for (name, text) in [("proxy/token", made.token.expose()), ("proxy/id", &made.proxy.id.to_string())] {
        write_private(&home.path(name), text).map_err(|e| format!("{}: {e}", home.path(name).display()))?;
    }
    Ok(())
}

/// CA and client token, made at the first start, and the configuration that names them.
fn keys(home: &Home, tunnel: &TcpListener) -> io::Result<String> {
    let (cert, key) = (home.path("ca/ca.crt"), home.path("ca/ca.key"));
    if !cert.exists() || !key.exists() {
        let pair = ca::generate(ca::Algorithm::P256, "centaur up", CA_HOURS).map_err(io::Error::other)?;
        write_private(&key, pair.key.expose().trim_end())?;
        write_private(&cert, pair.cert.trim_end())?;
    }
    let token = if let Some(token) = stored(home, "proxy/client-token") {
        token
    } else {
        let mut bytes = [0; 18];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let token = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
        write_private(&home.path("proxy/client-token"), token.expose())?;
        token
    };
    let address = tunnel.local_addr()?;
    let url = zeroize::Zeroizing::new(format!("http://centaur:{}@{address}", token.expose()));
    write_private(&home.path("proxy/url"), &url)?;
    let quoted = |name: &str| json!(home.path(name).to_string_lossy()).to_string();
    Ok(format!(
        "dns: {{enabled: false}}\n\
         proxy: {{tunnel_listen: \"{address}\", client_auth: {{token_file: {}}}}}\n\
         tls: {{ca_cert: {}, ca_key: {}}}\n",
        quoted("proxy/client-token"),
        quoted("ca/ca.crt"),
        quoted("ca/ca.key"),
    ))
}
