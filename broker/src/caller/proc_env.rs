//! Where the broker itself runs, which decides how much it can learn of a caller.
//!
//! Numbers from the kernel mean something only within namespaces: a uid in the broker's user
//! namespace, a pid in the one that `/proc` shows, the path of a cgroup below the root of the
//! broker's cgroup namespace. In a container or a sandbox one or the other is missing; what depends
//! on it is then absent, and never guessed.

use std::ffi::OsString;
use std::fs;
use std::io;

use super::executable::Digests;
use super::process::{self, Process};
use super::subordinate::{self, Subordinates};

/// The broker's own account and namespaces, read once at start.
pub struct ProcEnv {
    pub(super) own_user: u32,
    /// The number that all accounts without one in the broker's user namespace share.
    pub(super) unmapped_user: Option<u32>,
    /// The same of groups.
    pub(super) unmapped_group: Option<u32>,
    /// `None` where `/proc` shows another pid namespace than the broker's.
    pid_namespace: Option<OsString>,
    /// Whether the path of a cgroup starts at the machine's root. In a cgroup namespace whose root
    /// is delegated to an account, that account's own units would look like the system's.
    pub(super) tells_units: bool,
    pub(super) digests: Digests,
    pub(super) subordinates: Subordinates,
}

impl ProcEnv {
    /// Reads them of the broker's own process.
    ///
    /// # Errors
    ///
    /// If `/proc` is not there.
    pub fn read() -> io::Result<Self> {
        Ok(Self {
            own_user: nix::unistd::geteuid().as_raw(),
            unmapped_user: unmapped("/proc/self/uid_map", "/proc/sys/kernel/overflowuid")?,
            unmapped_group: unmapped("/proc/self/gid_map", "/proc/sys/kernel/overflowgid")?,
            pid_namespace: if process::proc_is_of_own_namespace()? {
                Some(fs::read_link("/proc/self/ns/pid")?.into_os_string())
            } else {
                None
            },
            tells_units: fs::read_link("/proc/self/ns/cgroup")
                .is_ok_and(|link| link.as_os_str() == INITIAL_CGROUP_NAMESPACE),
            digests: Digests::default(),
            subordinates: Subordinates::at(subordinate::FILE.into()),
        })
    }

    /// The account whose limits this uid's doings count against, as far as it is known already. Blocks
    /// for nothing.
    #[must_use]
    pub fn account_of(&self, uid: u32) -> u32 {
        self.subordinates.known_owner(uid).unwrap_or(uid)
    }

    /// Whether a process goes by the number in `/proc` that the kernel gives for peers.
    pub(super) fn shows(&self, process: &Process) -> bool {
        self.pid_namespace
            .as_ref()
            .is_some_and(|own| process.is_in_namespace(own))
    }
}

/// The number of every account without one of its own, or `None` where the namespace
/// maps all of them. There, 65534 is an account like any other (`nobody`).
fn unmapped(map: &str, overflow: &str) -> io::Result<Option<u32>> {
    if maps_all(&fs::read_to_string(map)?) {
        return Ok(None);
    }
    let number = fs::read_to_string(overflow)?.trim().parse();
    number.map(Some).map_err(io::Error::other)
}

fn maps_all(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Fixed since namespaces for cgroups exist (`CGROUP_NS_INIT_INO` in the kernel's `nsfs.h`).
const INITIAL_CGROUP_NAMESPACE: &str = "cgroup:[4026531835]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_map_gives_every_account_a_number() {
        assert!(maps_all("         0          0 4294967295\n"));
        assert!(!maps_all("         0       1000          1\n"));
        assert!(!maps_all("0 100000 65536\n65536 0 1\n"));
        assert!(!maps_all(""));
    }

    #[test]
    fn an_account_without_a_number_here_is_known_by_the_overflow_number() {
        let map = tempfile::NamedTempFile::new().unwrap();
        fs::write(map.path(), "0 1000 1\n").unwrap();
        let overflow = "/proc/sys/kernel/overflowuid";
        let number = unmapped(map.path().to_str().unwrap(), overflow).unwrap();
        assert_eq!(number, Some(65534), "the kernel's default");
        assert_eq!(
            unmapped("/proc/self/uid_map", overflow).unwrap().is_none(),
            maps_all(&fs::read_to_string("/proc/self/uid_map").unwrap())
        );
    }
}
