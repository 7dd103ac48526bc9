//! Who is measured.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::fleet::say;

/// One column of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Contender {
    /// The client talks TLS to the origin.
    Direct,
    /// A hop that only copies bytes; the client's TLS ends at the origin.
    Relay,
    /// Our program, with the reference's YAML.
    Ours(PathBuf),
    /// Another program that takes the reference's YAML.
    Peer(String, PathBuf),
    /// `mitmdump` with an add-on that swaps.
    Mitmproxy(PathBuf),
    /// Squid with `ssl_bump bump`; it swaps nothing, so the client sends the real key.
    Squid(PathBuf),
}

impl Contender {
    /// Name in the table and on the command line.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Ours(_) => "ours",
            Self::Peer(name, _) => name,
            Self::Mitmproxy(_) => "mitmproxy",
            Self::Squid(_) => "squid",
        }
    }

    /// Whether the client holds the placeholder and the proxy the key.
    pub(crate) fn swaps(&self) -> bool {
        !matches!(self, Self::Direct | Self::Relay | Self::Squid(_))
    }

    /// Whether there is a proxy at all.
    pub(crate) fn is_proxy(&self) -> bool {
        !matches!(self, Self::Direct)
    }

    /// Whether it ends TLS and looks at requests.
    pub(crate) fn intercepts(&self) -> bool {
        !matches!(self, Self::Direct | Self::Relay)
    }

    /// Whether it is configured with the reference's YAML.
    pub(crate) fn takes_yaml(&self) -> bool {
        matches!(self, Self::Ours(_) | Self::Peer(..))
    }

    /// Everyone who takes part, `direct` first.
    ///
    /// # Errors
    ///
    /// A contender that was asked for by name is not there, or with `--strict` any is not.
    pub(crate) fn select(args: &Args) -> anyhow::Result<Vec<Self>> {
        let mut chosen = Vec::new();
        if args.wants("direct") {
            chosen.push(Self::Direct);
        }
        if args.wants("relay") {
            chosen.push(Self::Relay);
        }
        let fixed: [(&str, Option<&PathBuf>, Make); 3] = [
            ("ours", args.ours.as_ref(), Self::Ours),
            ("mitmproxy", args.mitmproxy.as_ref(), Self::Mitmproxy),
            ("squid", args.squid.as_ref(), Self::Squid),
        ];
        for (name, path, make) in fixed.into_iter().filter(|(name, ..)| args.wants(name)) {
            match path {
                Some(path) if path.is_file() => chosen.push(make(absolute(path)?)),
                _ if args.strict || args.contenders.iter().any(|wanted| wanted == name) => {
                    bail!("{name}: no such program; give it with --{name} PATH");
                }
                _ => say(&format!("{name}: not there, left out")),
            }
        }
        for peer in args.peer.iter().filter(|peer| args.wants(&peer.name)) {
            if !peer.path.is_file() {
                bail!("{}: no such program: {}", peer.name, peer.path.display());
            }
            chosen.push(Self::Peer(peer.name.clone(), absolute(&peer.path)?));
        }
        for wanted in &args.contenders {
            if !chosen.iter().any(|contender| contender.name() == wanted) {
                bail!("no contender is called {wanted}");
            }
        }
        Ok(chosen)
    }
}

/// Variant of a program.
type Make = fn(PathBuf) -> Contender;

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}
