//! A program that the broker runs, and all that it started: ended together.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// Killed when this is dropped, unless it was dismissed. Drop it before the child: until that is waited for,
/// the number is surely the group's own.
pub struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of a child that leads one (`process_group(0)`) and was not waited for yet.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self(leader.map(Pid::from_raw))
    }

    /// Its first process; `None` once that was waited for.
    #[must_use]
    pub const fn leader(&self) -> Option<Pid> {
        self.0
    }

    /// Kills what is left of it.
    pub fn end(&self) {
        if let Some(group) = self.0
            && let Err(error) = killpg(group, Signal::SIGKILL)
            && error != Errno::ESRCH
        {
            tracing::warn!(group = group.as_raw(), cause = %error, "a program could not be killed");
        }
    }

    /// The child was waited for: the number may become another's.
    pub const fn dismiss(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}
