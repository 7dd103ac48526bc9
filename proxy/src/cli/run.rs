//! Running the proxy: load, build, serve, reload on SIGHUP, stop on SIGINT and SIGTERM.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::flags::Flags;
use crate::app::{self, Options, Running};
use crate::config::{Config, ConfigErrors, Loaded};
use crate::listen::Sockets;
use crate::managed::settings::Settings;
use crate::sink::Sink;
use crate::sources::SourcePool;

/// A second signal while shutting down.
const INTERRUPTED: u8 = 130;

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(super) fn main(flags: &Flags) -> ExitCode {
    let path = Some(flags.text("config")).filter(|p| !p.is_empty()).map(PathBuf::from);
    let managed = match Settings::read(flags.text("token"), flags.text("token-file"), &env) {
        Ok(managed) => managed,
        Err(error) => return super::fail(&error.to_string()),
    };
    let mut loaded = match Config::load(path.as_deref(), &env) {
        Ok(loaded) => loaded,
        Err(errors) if errors.is_build() => return refuse_pipeline(&errors),
        Err(errors) if path.is_none() => {
            return super::fail(&format!(
                "{errors}\nhint: there is no -config FILE, so only the environment was read"
            ));
        }
        Err(errors) => return super::fail(&errors.to_string()),
    };
    let kept = Some(flags.text("last-known-good")).filter(|path| !path.is_empty()).map(PathBuf::from);
    loaded.config.last_known_good = kept.or(loaded.config.last_known_good);
    if loaded.config.management.is_some() && path.is_none() && managed.is_none() {
        return super::fail(
            "management.listen requires --config in standalone mode; /v1/reload has no file to re-read",
        );
    }
    // Values are in memory from now on: no core dumps, and no reading by processes of the same user.
    let hidden = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let sink = Sink::stderr();
    crate::log::init(loaded.config.log_level, sink.clone());
    if let Err(error) = hidden {
        tracing::warn!(error = %error, "the process stays readable by others of its user");
    }
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    crate::memory::give_back();
    // Connections have threads of their own (crate::workers); this one accepts, resolves names and reports.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(serve(loaded, path, managed, sink.clone())),
        Err(error) => {
            tracing::error!(error = %error, "starting the runtime");
            super::FAILURE
        }
    };
    sink.flush();
    ExitCode::from(code)
}

fn refuse_pipeline(errors: &ConfigErrors) -> ExitCode {
    let sink = Sink::stderr();
    crate::log::init(tracing::Level::INFO, sink.clone());
    tracing::error!(error = %errors.headline(), "building transform pipeline");
    for line in errors.lines().iter().skip(1) {
        tracing::error!(error = %line, "invalid configuration");
    }
    sink.flush();
    ExitCode::from(super::FAILURE)
}

async fn serve(loaded: Loaded, path: Option<PathBuf>, managed: Option<Settings>, sink: Sink) -> u8 {
    let (Ok(interrupt), Ok(terminate), Ok(hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        tracing::error!("signals cannot be handled");
        return super::FAILURE;
    };
    // The file is not read again in managed mode: most of what it says does not count there.
    let reread = path.filter(|_| managed.is_none()).map(|path| -> app::Reload {
        Box::new(move || {
            Config::reload(Some(&path), &env).map(|loaded| loaded.config).map_err(|errors| errors.headline())
        })
    });
    let options = Options {
        audit: sink,
        sockets: Sockets::default(),
        extra_roots: Vec::new(),
        metrics: true,
        reload: reread,
        sources: SourcePool::default(),
    };
    let started = match managed {
        None => {
            if loaded.config.last_known_good.is_some() {
                tracing::warn!("control_plane.last_known_good has no effect without a token");
            }
            app::start(loaded.config, options)
        }
        Some(settings) => {
            announce(&settings, &loaded);
            app::start_managed(loaded.config, options, settings)
        }
    };
    match started {
        Ok(running) => until_signal(running, interrupt, terminate, hangup).await,
        Err(error) => {
            let (message, error) = error.log_parts();
            tracing::error!(error = %error, "{message}");
            super::FAILURE
        }
    }
}

/// What should be said about managed mode before it begins.
fn announce(settings: &Settings, loaded: &Loaded) {
    tracing::info!(control_plane_url = %settings.base, "starting in managed mode");
    if settings.base.is_clear() {
        tracing::warn!(
            control_plane_url = %settings.base,
            "the control plane is reached without TLS: whoever is on the way can read the token and every credential"
        );
    }
    let names = loaded.config.transforms.iter().map(|(name, _)| name.as_str());
    let ignored: Vec<&str> = names.filter(|name| *name != "allowlist").collect();
    if !ignored.is_empty() {
        tracing::warn!(
            transforms = %ignored.join(", "),
            "transforms of the file have no effect in managed mode, except for allowlist"
        );
    }
}

async fn until_signal(
    mut running: Running,
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Signal,
) -> u8 {
    let reloader = running.reloader();
    let code = loop {
        tokio::select! {
            error = running.failed() => {
                tracing::error!(error = %error, "fatal error");
                break super::FAILURE;
            }
            _ = interrupt.recv() => {
                tracing::info!(signal = "interrupt", "received signal, shutting down");
                break 0;
            }
            _ = terminate.recv() => {
                tracing::info!(signal = "terminated", "received signal, shutting down");
                break 0;
            }
            _ = hangup.recv() => {
                if let Some(managed) = &running.app().managed {
                    tracing::info!("SIGHUP asks the control plane for its configuration");
                    managed.poke();
                    continue;
                }
                let reloader = reloader.clone();
                let _ = tokio::task::spawn_blocking(move || reloader.reload(app::Trigger::Hangup)).await;
            }
        }
    };
    tokio::select! {
        clean = running.shutdown() => {
            if !clean {
                tracing::error!(error = "requests were still under way at the deadline", "proxy shutdown error");
            }
            tracing::info!("iron-proxy stopped");
            code
        }
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => INTERRUPTED,
    }
}
