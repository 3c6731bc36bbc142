//! Who has a store open: noted beside it by a broker that has locked it, for one that comes second, and for a
//! command line that waits while the broker starts.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// A broker that has a store open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pid: i32,
    socket: PathBuf,
}

impl Holder {
    /// This process, with its socket.
    #[must_use]
    pub fn this(socket: &Path) -> Self {
        Self {
            pid: Pid::this().as_raw(),
            socket: socket.to_owned(),
        }
    }

    /// The socket on which it listens, or will.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Writes the note; for the process that has locked the store. What an earlier broker noted
    /// goes in any case.
    ///
    /// # Errors
    ///
    /// What the system says; a full disk for one. There is no note then.
    pub fn note(&self, data: &Path) -> io::Result<()> {
        let note = data.join(NOTE);
        match fs::remove_file(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&note);
        let socket = self.socket.as_os_str().as_encoded_bytes();
        let text = [self.pid.to_string().as_bytes(), b"\n", socket, b"\n"].concat();
        new?.write_all(&text)
            .inspect_err(|_cut| drop(fs::remove_file(&note)))
    }

    /// Who noted itself last, if it still runs; for a process that finds the store locked.
    #[must_use]
    pub fn noted(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join(NOTE)).ok()?;
        let (pid, socket) = text.strip_suffix('\n')?.split_once('\n')?;
        let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
        let runs = kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH);
        runs.then(|| Self {
            pid,
            socket: socket.into(),
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}, socket {}", self.pid, self.socket.display())
    }
}

const NOTE: &str = "running";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_who_noted_itself_is_read_back_while_it_runs() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Holder::noted(data.path()), None);
        let first = Holder::this(Path::new("/run/one/tokend.sock"));
        first.note(data.path()).unwrap();
        let second = Holder::this(Path::new("/run/other/tokend.sock"));
        second.note(data.path()).unwrap();
        assert_eq!(Holder::noted(data.path()), Some(second.clone()));
        let gone = Holder {
            pid: i32::MAX,
            ..second
        };
        gone.note(data.path()).unwrap();
        assert_eq!(Holder::noted(data.path()), None);
    }
}
