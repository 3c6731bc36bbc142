//! Keeps secrets out of core dumps.
//!
//! A soft limit of 1 byte: the kernel writes no core file that small, and it starts no program of a
//! piped `core_pattern` for a process with exactly this limit (a limit of 0 does not stop that; see
//! core(5) and `fs/coredump.c`). Where the hard limit is 0 there is no room for a 1, so the core is
//! also set to leave out all memory (`coredump_filter`).
//!
//! A command that takes a lease stays dumpable besides (`PR_SET_DUMPABLE`): a broker of the same
//! account could not read the program of one that is not, and rules may name it. All others that
//! hold a secret are not.
//!
//! Nothing here fails a command: without `/proc`, for example, it works as it would without this.

use std::fs;

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// What held before [`forbid`], for the command that `exec` becomes.
pub(crate) struct Before {
    limits: Option<(rlim_t, rlim_t)>,
    filter: Option<String>,
}

/// Forbids core dumps of this process. The hard limit stays, so that [`Before`] can be given back.
pub(crate) fn forbid() -> Before {
    let limits = getrlimit(Resource::RLIMIT_CORE).ok();
    if let Some((_, hard)) = limits {
        setrlimit(Resource::RLIMIT_CORE, hard.min(NO_CORE), hard).unwrap_or_default();
    }
    let filter = fs::read_to_string(FILTER).ok();
    fs::write(FILTER, NO_MEMORY).unwrap_or_default();
    Before { limits, filter }
}

impl Before {
    /// Restores what held before. Both are inherited by the program that this process becomes.
    pub(crate) fn give_back(&self) {
        if let Some((soft, hard)) = self.limits {
            setrlimit(Resource::RLIMIT_CORE, soft, hard).unwrap_or_default();
        }
        if let Some(filter) = &self.filter {
            // Read as hexadecimal digits alone, written with `0x` in front.
            fs::write(FILTER, format!("0x{}", filter.trim())).unwrap_or_default();
        }
    }
}

/// Closes this process to traces by its own account too. Not for a command that takes a lease.
pub(crate) fn forbid_traces() {
    // Fails for no process that there is: prctl(2).
    prctl::set_dumpable(false).unwrap_or_default();
}

/// Bytes.
const NO_CORE: rlim_t = 1;

const FILTER: &str = "/proc/self/coredump_filter";

/// No kind of mapping: core(5).
const NO_MEMORY: &str = "0";
