//! What the program's file system does not show: the host's sockets, the files secrets come from, and, for root, the
//! kernel's controls. And what it shows instead: resolver files that lead to the proxy.

mod devices;
mod resolver;
mod runtime;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::{IsolationError, procfs};

/// How deep and how wide a temporary directory is searched for sockets of other network namespaces.
const SEARCH_DEPTH: usize = 2;
const SEARCH_ENTRIES: usize = 5_000;

/// Paths that are covered inside.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Masks {
    /// Files and sockets, each covered by an empty file.
    cover: BTreeSet<PathBuf>,
    /// Directories that are empty inside, such as `XDG_RUNTIME_DIR`.
    fresh: BTreeSet<PathBuf>,
}

impl Masks {
    /// Looks the host over: every UNIX socket with a path, every socket that a variable of `env` names, the runtime
    /// directory, and `secret_files`.
    pub fn gather<'a>(
        env: impl IntoIterator<Item = (&'a OsString, &'a OsString)>,
        secret_files: impl IntoIterator<Item = PathBuf>,
    ) -> Self {
        let mut masks = Self::default();
        masks.cover.extend(secret_files.into_iter().filter_map(|path| fs::canonicalize(path).ok()));
        let bound = procfs::unix_sockets().into_iter();
        masks.cover.extend(bound.filter(|path| is_socket(path)));
        for directory in ["/tmp", "/var/tmp"] {
            let mut budget = SEARCH_ENTRIES;
            search(Path::new(directory), SEARCH_DEPTH, &mut budget, &mut masks.cover);
        }
        for (name, value) in env {
            masks.cover.extend(paths_in(value).into_iter().filter(|path| is_socket(path)));
            if name == "XDG_RUNTIME_DIR" && Path::new(value).is_absolute() {
                masks.fresh.insert(PathBuf::from(value));
            }
        }
        masks
    }

    /// Shows a directory as an empty one. What is not there needs no cover.
    pub fn hide(&mut self, directory: &Path) {
        self.fresh.extend(fs::canonicalize(directory).ok().filter(|path| path.is_dir()));
    }

    /// Covers one more file.
    pub fn cover(&mut self, path: PathBuf) {
        self.cover.insert(path);
    }

    /// The command line form, for a stage.
    pub(super) fn to_args(&self, scratch: &Path) -> Vec<OsString> {
        let mut args = vec![scratch.as_os_str().to_owned()];
        for (tag, paths) in [("cover", &self.cover), ("fresh", &self.fresh)] {
            for path in paths {
                args.push(tag.into());
                args.push(path.as_os_str().to_owned());
            }
        }
        args
    }

    /// Reads [`Self::to_args`] back, up to and including the `--` behind it.
    pub(super) fn from_args(args: &mut dyn Iterator<Item = OsString>) -> Option<(Self, PathBuf)> {
        let scratch = PathBuf::from(args.next()?);
        let mut masks = Self::default();
        loop {
            match args.next()?.to_str()? {
                "--" => return Some((masks, scratch)),
                "cover" => masks.cover.insert(PathBuf::from(args.next()?)),
                "fresh" => masks.fresh.insert(PathBuf::from(args.next()?)),
                _ => return None,
            };
        }
    }
}

/// Makes the mount namespace of the calling process the program's. `scratch` is an empty directory.
pub(super) fn apply(masks: &Masks, scratch: &Path) -> Result<(), IsolationError> {
    // Where the program starts; entered again at the end, so that it stands on the new mounts.
    let directory =
        std::env::current_dir().map_err(|e| IsolationError::new("find the working directory", e))?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|e| IsolationError::new("make the mounts private", e))?;
    fresh_proc()?;
    let stage = Staging::open(scratch)?;
    runtime::replace(&stage, &masks.fresh)?;
    resolver::replace(&stage)?;
    for path in &masks.cover {
        cover(&stage, path)?;
    }
    if rustix::process::geteuid().is_root() {
        devices::restrict(&stage)?;
    }
    stage.close()?;
    std::env::set_current_dir(&directory).map_err(|e| {
        IsolationError::new(format!("enter the working directory {}", directory.display()), e).hint(
            "it lies in a directory that is empty inside: /run, a runtime directory, or the data directory",
        )
    })
}

/// A `/proc` that shows the processes inside and no others.
fn fresh_proc() -> Result<(), IsolationError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", "/proc", "proc", flags, None).map_err(|e| {
        IsolationError::new("mount a fresh /proc", e).hint(
            "inside a container the kernel allows this only if no part of the container's own /proc is covered \
             (docker: --security-opt systempaths=unconfined)",
        )
    })
}

/// A file system in memory, mounted for as long as its parts are put in place.
struct Staging(PathBuf);

impl Staging {
    fn open(scratch: &Path) -> Result<Self, IsolationError> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount("centaur", scratch, "tmpfs", flags, Some(c"mode=0755"))
            .map_err(|e| IsolationError::new("mount a file system in memory", e))?;
        let stage = Self(scratch.to_owned());
        stage.file("empty", b"")?;
        Ok(stage)
    }

    /// A file with this content.
    fn file(&self, name: &str, content: &[u8]) -> Result<PathBuf, IsolationError> {
        let path = self.0.join(name);
        fs::write(&path, content).map_err(|e| IsolationError::new(format!("write {name}"), e))?;
        Ok(path)
    }

    /// An empty directory.
    fn directory(&self, name: &str) -> Result<PathBuf, IsolationError> {
        let path = self.0.join(name);
        fs::create_dir(&path).map_err(|e| IsolationError::new(format!("make the directory {name}"), e))?;
        Ok(path)
    }

    fn empty(&self) -> PathBuf {
        self.0.join("empty")
    }

    /// Takes the staging place away; what was bound from it stays.
    fn close(self) -> Result<(), IsolationError> {
        rustix::mount::unmount(&self.0, UnmountFlags::DETACH)
            .map_err(|e| IsolationError::new("unmount the staging place", e))
    }
}

fn cover(stage: &Staging, path: &Path) -> Result<(), IsolationError> {
    // What cannot be seen needs no cover: the program has no more rights than we have here.
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    match bind(&stage.empty(), path) {
        // Gone since it was looked at.
        Err(_) if fs::symlink_metadata(path).is_err() => Ok(()),
        bound => bound,
    }
}

fn bind(from: &Path, onto: &Path) -> Result<(), IsolationError> {
    rustix::mount::mount_bind_recursive(from, onto)
        .map_err(|e| IsolationError::new(format!("mount over {}", onto.display()), e))
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Absolute paths inside a variable's value: `/a`, `unix:///a`, `unix:path=/a,guid=…`, `/a,1,0`, `/a:/b`.
fn paths_in(value: &OsString) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from(value)];
    for part in value.as_bytes().split(|b| b",;:=".contains(b)) {
        if let Some(at) = part.iter().position(|b| *b == b'/') {
            let path = part[at..].strip_prefix(b"//").unwrap_or(&part[at..]);
            paths.push(PathBuf::from(OsString::from_vec(path.to_vec())));
        }
    }
    paths.retain(|path| path.is_absolute());
    paths
}

fn search(directory: &Path, depth: usize, budget: &mut usize, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        match entry.file_type() {
            Ok(kind) if kind.is_socket() => {
                found.insert(entry.path());
            }
            Ok(kind) if kind.is_dir() && depth > 0 => search(&entry.path(), depth - 1, budget, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_survive_the_command_line() {
        let mut masks = Masks::default();
        masks.cover(PathBuf::from("/run/a b"));
        masks.fresh.insert(PathBuf::from("--"));
        let mut args = masks.to_args(Path::new("/tmp/s"));
        args.extend(["--", "sh"].map(OsString::from));
        let mut args = args.into_iter();
        let (back, scratch) = Masks::from_args(&mut args).unwrap();
        assert_eq!((back, scratch), (masks, PathBuf::from("/tmp/s")));
        assert_eq!(args.next().unwrap(), "sh");
    }

    #[test]
    fn socket_paths_are_found_in_every_spelling_variables_use() {
        for (value, path) in [
            ("/tmp/ssh-x/agent.1", "/tmp/ssh-x/agent.1"),
            ("unix:///run/docker.sock", "/run/docker.sock"),
            ("unix:path=/run/user/1/bus,guid=0", "/run/user/1/bus"),
            ("/tmp/tmux-1/default,12,0", "/tmp/tmux-1/default"),
        ] {
            assert!(paths_in(&value.into()).contains(&PathBuf::from(path)), "{value}");
        }
        assert_eq!(paths_in(&"plain text".into()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_socket_named_by_a_variable_is_covered_and_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, file) = (directory.path().join("s"), directory.path().join("f"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::write(&file, "x").unwrap();
        let env = [("A".into(), socket.clone().into()), ("B".into(), file.clone().into_os_string())];
        let masks = Masks::gather(env.iter().map(|(name, value)| (name, value)), []);
        assert!(masks.cover.contains(&socket) && !masks.cover.contains(&file));
    }
}
