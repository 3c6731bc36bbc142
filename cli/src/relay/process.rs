//! How the relay becomes a process of its own: forked twice, and holding nothing of the command's.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{chdir, close, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

/// Starts this program once more, with `--detached` added, and does not wait for it. This process ends, so
/// the other is not the command's child.
pub(super) fn start_again() -> io::Result<()> {
    let mut again = Command::new(OWN_PROGRAM);
    again
        .arg0("tokenctl")
        .args(env::args_os().skip(1))
        .arg("--detached");
    again.spawn().map(drop)
}

/// Leaves the command's session, directory, and all of its files but standard input, output and error.
pub(super) fn leave() -> io::Result<()> {
    setsid()?;
    chdir("/")?;
    // Otherwise it is named after the link.
    prctl::set_name(c"tokenctl-relay")?;
    let mut open: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        match close(fd) {
            // What the directory was read through.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Blocks the signals that ask for an end, in this thread and those that it starts.
///
/// `systemctl stop` and the like signal every process of a group. A command that then finishes its work
/// still needs its connections, and the relay ends with it in any case.
pub(super) fn block_signals() -> io::Result<()> {
    let mut blocked = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ] {
        blocked.add(signal);
    }
    Ok(blocked.thread_block()?)
}

/// Opens what [`fall_silent`] points at.
pub(super) fn open_nothing() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}

/// Points standard input, output and error at nothing.
pub(super) fn fall_silent(nothing: &File) -> io::Result<()> {
    dup2_stdin(nothing)?;
    dup2_stdout(nothing)?;
    dup2_stderr(nothing)?;
    Ok(())
}

/// The program that runs, also after its file was replaced or removed.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";
