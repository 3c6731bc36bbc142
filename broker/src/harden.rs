//! What the process does to itself before the first secret is read.
//!
//! No core dump can hold a key, and no process of the same account can trace the daemon or read
//! its memory through `/proc` (both end with `PR_SET_DUMPABLE`, which also hands `/proc/PID` to
//! root). A child is dumpable again, and `op` is given a key: it inherits a limit of 1 byte, which
//! also stops a piped `core_pattern`, as a limit of 0 does not (core(5)), and a core without any
//! memory where there was no room for a 1. Files are made for the owner only. A full file
//! (`RLIMIT_FSIZE`) is an error to answer and not a signal to die of. A child (`op`) gains no
//! privileges, and nothing leaks in from the program that started us.
//!
//! Root can undo all of this, and so can whatever may act as root; SECURITY.md says so.
//!
//! Not here: which memory is locked (`secret-memory`), and what the service manager adds from
//! outside (`packaging/systemd`).

use std::fs;
use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};

/// Proof that the process is hardened.
#[derive(Debug)]
#[must_use = "secrets are read only by what holds this"]
pub struct Hardened(());

/// What the kernel refused. The daemon does not start then.
#[derive(Debug, thiserror::Error)]
#[error("the process cannot be hardened: {step} failed")]
pub struct HardenError {
    step: &'static str,
    #[source]
    cause: io::Error,
}

/// Hardens the process. Call it first in `main`, while there is one thread: some of this is handed
/// on to threads only when they are made.
///
/// Closes every inherited descriptor but the standard three and the sockets that the service
/// manager passes on (`LISTEN_FDS`).
///
/// # Errors
///
/// If the kernel refuses a step that secrecy depends on.
pub fn before_any_secret() -> Result<Hardened, HardenError> {
    let step = |step: &'static str| {
        move |errno: Errno| HardenError {
            step,
            cause: errno.into(),
        }
    };
    // Before the next step, after which the file is root's. Children alone depend on it.
    fs::write("/proc/self/coredump_filter", "0").unwrap_or_default();
    prctl::set_dumpable(false).map_err(step("forbidding traces (PR_SET_DUMPABLE)"))?;
    forbid_cores().map_err(step("forbidding core dumps (RLIMIT_CORE)"))?;
    prctl::set_no_new_privs().map_err(step("giving up new privileges (PR_SET_NO_NEW_PRIVS)"))?;
    umask(Mode::from_bits_truncate(0o077));
    raise(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY).map_err(step("raising RLIMIT_MEMLOCK"))?;
    raise(Resource::RLIMIT_NOFILE, MAX_FILES).map_err(step("raising RLIMIT_NOFILE"))?;
    // The write that exceeds the limit fails with EFBIG; the signal stays pending for ever.
    let mut full_file = SigSet::empty();
    full_file.add(Signal::SIGXFSZ);
    // Nothing else stays blocked: the program that started us may have blocked SIGTERM.
    full_file
        .thread_set_mask()
        .map_err(step("blocking SIGXFSZ alone"))?;
    close_inherited().map_err(|cause| HardenError {
        step: "closing inherited files (/proc/self/fd)",
        cause,
    })?;
    Ok(Hardened(()))
}

/// Lowers both limits to 1 byte, or leaves them at 0.
fn forbid_cores() -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    let most = hard.min(NO_CORE);
    setrlimit(Resource::RLIMIT_CORE, most, most)
}

/// Raises a soft limit to the hard one, or to `most` where that is less. Never lowers it.
fn raise(resource: Resource, most: rlim_t) -> Result<(), Errno> {
    let (soft, hard) = getrlimit(resource)?;
    let wanted = hard.min(most);
    if wanted > soft {
        setrlimit(resource, wanted, hard)
    } else {
        Ok(())
    }
}

fn close_inherited() -> io::Result<()> {
    let passed = passed_sockets();
    // Collected first: the listing itself is a descriptor, closed by then.
    let mut inherited = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        inherited.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for fd in inherited
        .into_iter()
        .filter(|fd| *fd >= FIRST_PASSED + passed)
    {
        // The descriptor is gone whatever `close` returns, and EBADF is the listing itself.
        nix::unistd::close(fd).unwrap_or_default();
    }
    Ok(())
}

/// How many sockets the service manager passes to this very process, from descriptor 3 on
/// (`sd_listen_fds(3)`).
fn passed_sockets() -> RawFd {
    let number = |name| std::env::var(name).ok()?.parse::<RawFd>().ok();
    let ours = number("LISTEN_PID").is_some_and(|pid| pid.cast_unsigned() == std::process::id());
    if ours {
        number("LISTEN_FDS").unwrap_or(0).clamp(0, MAX_PASSED)
    } else {
        0
    }
}

/// Bytes: too few for a core file, and the one number for which no piped `core_pattern` is run.
const NO_CORE: rlim_t = 1;

/// After standard input, output and error.
const FIRST_PASSED: RawFd = 3;

/// Sockets. We take two; more is a mistake, and must not overflow the sum.
const MAX_PASSED: RawFd = 64;

/// Descriptors. Six for each of some thousands of connections; beyond that a limit of its own
/// refuses connections anyway.
const MAX_FILES: rlim_t = 65_536;
