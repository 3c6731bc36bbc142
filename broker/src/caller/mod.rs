//! Who is on the other end of the socket, and how far each attribute can be trusted.
//!
//! Nothing a caller says of itself is read here. The account comes from `SO_PEERCRED` and
//! `SO_PEERGROUPS`, fixed by the kernel when the socket was connected. The rest hangs on the
//! process, and `SO_PEERPIDFD` is what ties a process to the connection: `/proc/PID` is opened
//! once, and if the pidfd says afterwards that its process still lives, the number cannot have been
//! given to another in between. So no start time is compared. Where the kernel has no such pidfd
//! (Linux before 6.5), every attribute that hangs on the process is absent.
//!
//! Attributes are read at accept and compared on each request; one that changed stays absent for
//! the rest of the connection. A connection whose opener has ended is refused altogether: a process
//! that inherited it would speak with a dead process's name.
//!
//! What remains possible, and why `exe` and `user_unit` are no boundary: a process may connect, run
//! another program before the broker accepts, and leave a child that speaks for it; it may pass the
//! open socket to any process it likes; and processes of one account may trace each other. So
//! between accounts `user`, `group` and `unit` hold; within one account nothing does.
//!
//! Not here: what a rule asks of a caller (that is `policy`), and names of accounts.

mod executable;
mod kernel;
mod proc_env;
mod process;
mod subordinate;
mod unit;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use broker_policy::Caller;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use self::executable::Program;
use self::process::Process;
use crate::readiness::watched;

pub use self::proc_env::ProcEnv;

/// The other end of one accepted connection.
pub struct Peer {
    witness: Witness,
    /// What the attributes were read from; `None` where there are none to compare.
    seen: Option<Seen>,
    caller: Mutex<Arc<Caller>>,
}

/// How much is read about the program on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// Its path.
    Path,
    /// Its path and its SHA-256, for policies that ask for it. The first connection of each program
    /// waits until the file has been read.
    PathAndDigest,
}

/// Why a connection cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// See [`Gone`].
    #[error(transparent)]
    Gone(#[from] Gone),
    /// All accounts without a number in the broker's user namespace share one, and cannot be told
    /// apart.
    #[error("the caller's account or group has no number in the broker's user namespace")]
    NoAccount,
    /// The kernel answered with an error.
    #[error("the kernel does not say who connected")]
    Unidentified(#[source] io::Error),
}

/// The process that opened the connection has ended; no other may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process that opened this connection has ended; connect again")]
pub struct Gone;

/// An account and its groups, as they were at connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
}

/// The account that connected, and nothing else of it.
///
/// # Errors
///
/// What the kernel says.
pub fn account(stream: &impl AsFd) -> io::Result<Account> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials);
    let credentials = credentials.map_err(io::Error::from)?;
    Ok(Account {
        uid: credentials.uid(),
        gid: credentials.gid(),
        groups: kernel::peer_groups(stream.as_fd())?,
    })
}

impl Peer {
    /// Reads who connected. Call it once, right after accept: the earlier, the truer.
    ///
    /// # Errors
    ///
    /// If the opener has ended already, has no account here, or the kernel does not answer.
    pub fn of(
        stream: &impl AsFd,
        proc_env: &ProcEnv,
        programs: Programs,
    ) -> Result<Self, PeerError> {
        let stream = stream.as_fd();
        let pidfd = match getsockopt(&stream, sockopt::PeerPidfd) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::ENOPROTOOPT) => None,
            // What kernels up to 6.15 say of an opener that has been reaped.
            Err(Errno::ESRCH | Errno::EINVAL) => return Err(Gone.into()),
            Err(errno) => return Err(PeerError::Unidentified(errno.into())),
        };
        Self::with_pidfd(stream, pidfd, proc_env, programs)
    }

    fn with_pidfd(
        stream: BorrowedFd<'_>,
        pidfd: Option<OwnedFd>,
        proc_env: &ProcEnv,
        programs: Programs,
    ) -> Result<Self, PeerError> {
        let unidentified = |errno: Errno| PeerError::Unidentified(errno.into());
        let credentials = getsockopt(&stream, sockopt::PeerCredentials).map_err(unidentified)?;
        let groups = kernel::peer_groups(stream).map_err(PeerError::Unidentified)?;
        let (uid, gid) = (credentials.uid(), credentials.gid());
        if proc_env.unmapped_user == Some(uid) || proc_env.unmapped_group == Some(gid) {
            return Err(PeerError::NoAccount);
        }
        let mut caller = Caller {
            uid,
            gid,
            groups: groups
                .into_iter()
                .filter(|group| proc_env.unmapped_group != Some(*group))
                .collect(),
            subordinate_of: proc_env.subordinates.owner(uid),
            ..Caller::default()
        };

        let process = Process::open(credentials.pid());
        let (witness, process) = match pidfd {
            Some(pidfd) => (Witness::Pidfd(pidfd), process),
            // Nothing ties the number to the connection: it serves to see the opener end.
            None => (process.map_or(Witness::None, Witness::Directory), None),
        };
        let mut seen = None;
        if let Some(process) = process
            && proc_env.shows(&process)
        {
            caller.pid = Some(credentials.pid());
            caller.started = process.started();
            seen = Some(Seen::read(process, &mut caller, proc_env, programs));
        }
        // Last: what was read before is the opener's only if the opener is still there.
        if !witness.alive() {
            return Err(Gone.into());
        }
        Ok(Self {
            witness,
            seen,
            caller: Mutex::new(Arc::new(caller)),
        })
    }

    /// Who speaks now. Call it for every request: it costs a few system calls.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the opener has ended since.
    pub fn identify(&self) -> Result<Arc<Caller>, Gone> {
        // A panic in between leaves a whole caller behind, with no attribute too many.
        let mut caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        // What runs a program has not ended, so where that was just seen nothing else need be asked.
        let runs = self
            .seen
            .as_ref()
            .is_some_and(|seen| seen.drop_what_changed(&mut caller));
        if runs || self.witness.alive() {
            Ok(Arc::clone(&caller))
        } else {
            Err(Gone)
        }
    }

    /// The account that opened the connection, if the opener is still there. It never changes, and costs one
    /// system call.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the opener has ended since.
    pub fn uid(&self) -> Result<u32, Gone> {
        let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        if self.witness.alive() {
            Ok(caller.uid)
        } else {
            Err(Gone)
        }
    }

    /// Who opened the connection, as far as that still holds, for a record.
    pub fn described(&self) -> Arc<Caller> {
        let mut caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &self.seen {
            seen.drop_what_changed(&mut caller);
        }
        Arc::clone(&caller)
    }

    /// Something that can wait for the opener's end after the connection has closed. Needs a tokio
    /// runtime with I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel gives no pidfd for the peer (Linux before 6.5); otherwise
    /// what the kernel says, such as too many open files.
    pub fn exit_watch(&self) -> io::Result<ExitWatch> {
        let Witness::Pidfd(pidfd) = &self.witness else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let pidfd = watched(pidfd.try_clone()?, Interest::READABLE)?;
        Ok(ExitWatch { pidfd })
    }
}

/// What a running process would be told apart by if it connected now: for `policy explain`, which
/// decides nothing.
///
/// # Errors
///
/// `NotFound` if `/proc` shows no such process to this account.
pub fn of_running(pid: i32, proc_env: &ProcEnv) -> io::Result<Caller> {
    let found = Process::open(pid).and_then(|process| Some((process.account()?, process)));
    let Some(((uid, gid, groups), process)) = found else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let mut caller = Caller {
        uid,
        gid,
        groups,
        subordinate_of: proc_env.subordinates.owner(uid),
        ..Caller::default()
    };
    if proc_env.shows(&process) {
        caller.pid = Some(pid);
        drop(Seen::read(
            process,
            &mut caller,
            proc_env,
            Programs::PathAndDigest,
        ));
    }
    Ok(caller)
}

/// Waits for the end of the process that opened a connection.
#[derive(Debug)]
pub struct ExitWatch {
    pidfd: AsyncFd<OwnedFd>,
}

impl ExitWatch {
    /// A watch over a process known from before the broker's restart. `None` if it has ended, or if
    /// its number has gone to another since.
    ///
    /// # Errors
    ///
    /// What the kernel says, such as too many open files.
    pub fn of_process(pid: i32, started: u64) -> io::Result<Option<Self>> {
        let pidfd = match kernel::open_pidfd(pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The number is this process's as long as the descriptor's process lives.
        let same = Process::open(pid).and_then(|process| process.started()) == Some(started);
        if !same || !Witness::Pidfd(pidfd.try_clone()?).alive() {
            return Ok(None);
        }
        Ok(Some(Self {
            pidfd: watched(pidfd, Interest::READABLE)?,
        }))
    }

    /// Returns when the process has ended, at once if it already has, and also when the runtime
    /// shuts down.
    pub async fn exited(self) {
        // An error means the runtime is going away, and its leases are checked again at start.
        drop(self.pidfd.readable().await);
    }
}

/// What tells whether the opener still lives.
enum Witness {
    Pidfd(OwnedFd),
    /// A directory in `/proc` outlives its process as an empty shell, and is never another's.
    Directory(Process),
    /// An old kernel, and a process that this `/proc` does not show.
    None,
}

impl Witness {
    fn alive(&self) -> bool {
        match self {
            Self::Pidfd(pidfd) => {
                let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::ZERO) == Ok(0)
            }
            Self::Directory(process) => process.is_running(),
            Self::None => true,
        }
    }
}

/// The facts behind the attributes, as they were at accept.
struct Seen {
    process: Process,
    cgroup: Option<Vec<u8>>,
    program: Option<Program>,
}

impl Seen {
    fn read(process: Process, caller: &mut Caller, proc_env: &ProcEnv, programs: Programs) -> Self {
        let cgroup = proc_env.tells_units.then(|| process.cgroup()).flatten();
        if let Some(text) = &cgroup {
            let units = unit::units(text, caller.uid);
            caller.unit = units.system;
            caller.user_unit = units.user;
        }
        let program = Program::of(process.directory());
        if let Some(program) = &program {
            caller.exe = program.trusted_path(proc_env.own_user);
            if caller.exe.is_some() && programs == Programs::PathAndDigest {
                caller.sha256 = proc_env.digests.of(program, process.directory());
            }
        }
        Self {
            process,
            cgroup,
            program,
        }
    }

    /// Whether the process was seen to run the program it connected with; then it has not ended.
    fn drop_what_changed(&self, caller: &mut Arc<Caller>) -> bool {
        if (caller.unit.is_some() || caller.user_unit.is_some())
            && self.process.cgroup() != self.cgroup
        {
            let caller = Arc::make_mut(caller);
            caller.unit = None;
            caller.user_unit = None;
        }
        if caller.exe.is_none() {
            return false;
        }
        let still_runs = |program: &Program| program.still_runs(self.process.directory());
        let runs = self.program.as_ref().is_some_and(still_runs);
        if !runs {
            let caller = Arc::make_mut(caller);
            caller.exe = None;
            caller.sha256 = None;
        }
        runs
    }
}

#[cfg(test)]
mod tests;
