//! One process in `/proc`, through a directory opened once.
//!
//! The directory belongs to the process it was opened for. When that process is gone, reading
//! through it fails, also after its number has gone to another.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::str::SplitAsciiWhitespace;

use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;

/// A process's directory in `/proc`.
pub(super) struct Process {
    directory: OwnedFd,
    /// Kept open: reading it again from the start tells where the process is by then.
    cgroup: File,
}

impl Process {
    /// `None` if `/proc` does not show a process of this number to the broker.
    pub(super) fn open(pid: i32) -> Option<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let path = format!("/proc/{pid}");
        let directory = open(path.as_str(), flags, Mode::empty()).ok()?;
        let cgroup = open_below(&directory, "cgroup").ok()?;
        Some(Self { directory, cgroup })
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether the process belongs to the very pid namespace that `/proc` shows, which is `own`,
    /// and not to one nested in it.
    pub(super) fn is_in_namespace(&self, own: &OsStr) -> bool {
        // One short call for the broker's own account; the kernel shows others' links to no one.
        if let Ok(link) = readlinkat(&self.directory, "ns/pid") {
            return link == own;
        }
        let status = self.read("status");
        status.is_some_and(|status| namespace_pids(&status).len() == 1)
    }

    /// Whether the process runs: neither gone nor a zombie.
    pub(super) fn is_running(&self) -> bool {
        let stat = self.read("stat");
        stat.is_some_and(|stat| matches!(state(&stat), Some(letter) if !b"ZXx".contains(&letter)))
    }

    /// When the process started, in clock ticks since boot.
    pub(super) fn started(&self) -> Option<u64> {
        started(&self.read("stat")?)
    }

    /// The account, group and supplementary groups the process acts with.
    pub(super) fn account(&self) -> Option<(u32, u32, Vec<u32>)> {
        let status = self.read("status")?;
        let numbers = |key: &[u8]| -> Option<Vec<u32>> {
            let line = status
                .split(|byte| *byte == b'\n')
                .find_map(|line| line.strip_prefix(key))?;
            let words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
            words.map(|word| word.parse().ok()).collect()
        };
        // Real, effective, saved, file system: the kernel gives a socket's peer the effective one.
        let (uid, gid) = (*numbers(b"Uid:")?.get(1)?, *numbers(b"Gid:")?.get(1)?);
        Some((uid, gid, numbers(b"Groups:")?))
    }

    /// What `/proc/PID/cgroup` says now.
    pub(super) fn cgroup(&self) -> Option<Vec<u8>> {
        let mut text = vec![0; MAX_CGROUP];
        let length = self.cgroup.read_at(&mut text, 0).ok()?;
        // A full buffer may hold a cut line, and an empty one is what a process that ended leaves.
        if length == 0 || length == text.len() {
            return None;
        }
        text.truncate(length);
        Some(text)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = open_below(&self.directory, name).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Whether `/proc` shows the broker's own pid namespace, rather than one around it.
pub(super) fn proc_is_of_own_namespace() -> io::Result<bool> {
    let status = fs::read("/proc/self/status")?;
    Ok(namespace_pids(&status) == [std::process::id().to_string().as_bytes()])
}

/// The numbers of a process, from the namespace of `/proc` inwards. Empty on kernels that do not
/// say (before 4.1). A name cannot forge the line: the kernel escapes line ends in it.
fn namespace_pids(status: &[u8]) -> Vec<&[u8]> {
    let mut lines = status.split(|byte| *byte == b'\n');
    let numbers = lines.find_map(|line| line.strip_prefix(b"NSpid:"));
    let words = numbers.unwrap_or_default().split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty()).collect()
}

/// Field 3 of `/proc/PID/stat`.
fn state(stat: &[u8]) -> Option<u8> {
    after_name(stat)?.next()?.bytes().next()
}

/// Field 22 of `/proc/PID/stat`.
fn started(stat: &[u8]) -> Option<u64> {
    after_name(stat)?.nth(22 - 3)?.parse().ok()
}

/// The fields from the third on. The name, field 2, ends at the last parenthesis: it may hold some itself.
fn after_name(stat: &[u8]) -> Option<SplitAsciiWhitespace<'_>> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let after = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    Some(after.split_ascii_whitespace())
}

fn open_below(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let fd = openat(
        directory,
        name,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    Ok(File::from(fd))
}

/// Bytes. A dozen hierarchies of the old kind with deep paths stay below it.
const MAX_CGROUP: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_namespace_has_one_number() {
        assert_eq!(
            namespace_pids(b"Name:\tsh\nNSpid:\t17\nVmPeak:\t1 kB\n"),
            [b"17"]
        );
        assert_eq!(namespace_pids(b"NSpid:\t17\t1\n"), [&b"17"[..], b"1"]);
        assert!(namespace_pids(b"Name:\tsh\n").is_empty());
        assert!(namespace_pids(b"Name:\t\\nNSpid:\t1\n").is_empty());
    }

    #[test]
    fn the_state_stands_after_the_last_parenthesis() {
        assert_eq!(state(b"17 (sh) S 1 17"), Some(b'S'));
        assert_eq!(state(b"17 (a) R (b) Z 1 17"), Some(b'Z'));
        assert_eq!(state(b"17 (sh)"), None);
        assert_eq!(state(b""), None);
    }

    #[test]
    fn the_start_is_the_twenty_second_field_whatever_the_name() {
        let stat = b"7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0";
        assert_eq!(started(stat), Some(98765));
        assert_eq!(started(b"7 (a) S 1"), None);
    }

    #[test]
    fn a_process_that_ended_does_not_run_and_has_no_cgroup() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let process = Process::open(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(process.is_running());
        assert!(process.cgroup().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_running());
        assert_eq!(process.cgroup(), None);
    }
}
