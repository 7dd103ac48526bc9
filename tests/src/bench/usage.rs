//! Memory and processor time of a process and everything it started, from `/proc`.

use std::collections::HashMap;
use std::fs;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Clock ticks per second of `/proc/PID/stat`; 100 on every Linux that Rust's tier 1 runs on.
const TICKS: u64 = 100;

/// Resident memory of `root` and its descendants, KiB. Pages that several of them share count for each.
pub fn rss_kib(root: u32) -> u64 {
    family(root).into_iter().filter_map(vm_rss).sum()
}

/// Processor time that `root` and its descendants used so far, in microseconds; resolution 10 ms.
pub fn cpu_us(root: u32) -> u64 {
    family(root).into_iter().filter_map(ticks).sum::<u64>() * (1_000_000 / TICKS)
}

/// The most that was resident of one process at any time, KiB.
pub fn peak_kib(pid: u32) -> u64 {
    status(pid, "VmHWM:").unwrap_or_default()
}

fn vm_rss(pid: u32) -> Option<u64> {
    status(pid, "VmRSS:")
}

fn status(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Allows this process, and what it starts from now on, as many descriptors as it may have; how many that is.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is refused, what needs them will tell.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn ticks(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    // utime and stime are fields 14 and 15 of the line, 12 and 13 of what follows the name.
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The fields after the program's name, which may itself hold blanks and brackets.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn family(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut family = vec![root];
    let mut at = 0;
    while at < family.len() {
        family.extend(children.remove(&family[at]).unwrap_or_default());
        at += 1;
    }
    family
}
