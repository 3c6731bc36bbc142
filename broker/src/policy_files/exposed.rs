//! Who else could change a file or directory than root and the broker's account.
//!
//! Not here: what is read, and what is refused for it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

/// What lets others than root and the broker's account say who gets a token. Displays with what to
/// do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    /// The file or directory.
    pub path: PathBuf,
    /// How it is open to others.
    pub how: Exposure,
}

/// How a file or directory is open to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    /// Group or others may write it.
    Writable,
    /// It belongs to this account.
    Owned(u32),
    /// It belongs to this account, and what matters is somewhere below it.
    OwnedAbove(u32),
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.how {
            Exposure::Writable => write!(
                f,
                "{path} may be written by group or others, who could allow themselves anything; \
                 run `chmod go-w '{path}'`"
            ),
            Exposure::Owned(uid) => write!(
                f,
                "{path} belongs to uid {uid}, which could allow itself anything; run \
                 `chown root '{path}'`"
            ),
            // No `chown` here: a home directory that becomes root's locks its owner out.
            Exposure::OwnedAbove(uid) => write!(
                f,
                "{path} belongs to uid {uid}, which could put anything in the place of what is \
                 below it; keep a copy that is root's where every directory above is root's too"
            ),
        }
    }
}

/// The accounts whose files and directories are trusted.
#[derive(Debug, Clone)]
pub struct Owners(Vec<u32>);

impl Owners {
    /// Root, and the account of this process.
    ///
    /// In a user namespace that has no number for the machine's root, the kernel shows what belongs to
    /// root as another account's (user_namespaces(7)). `/proc/sys` is always root's, so it tells which.
    #[must_use]
    pub fn of_this_process() -> Self {
        let root = fs::metadata("/proc/sys").map(|metadata| metadata.uid());
        let owners = [0, geteuid().as_raw()].into_iter().chain(root);
        Self(owners.collect())
    }

    /// This account too.
    #[must_use]
    pub fn and(mut self, uid: u32) -> Self {
        self.0.push(uid);
        self
    }
}

/// Collects what is exposed.
pub(super) struct ExposureScan<'o> {
    /// `None`: who owns a checkout says nothing of the machine that will use it.
    owners: Option<&'o Owners>,
    /// The directory that holds policies alone, and may become root's.
    dedicated: Option<&'o Path>,
    found: BTreeSet<Exposed>,
}

impl<'o> ExposureScan<'o> {
    pub(super) fn new(owners: Option<&'o Owners>, dedicated: Option<&'o Path>) -> Self {
        Self {
            owners,
            dedicated,
            found: BTreeSet::new(),
        }
    }

    /// Checks a file. `path` is what the message names.
    pub(super) fn at(&mut self, path: &Path, metadata: &Metadata) {
        if others_may_write(metadata) {
            self.add(path, Exposure::Writable);
        }
        if let Some(uid) = self.foreign(metadata) {
            self.add(path, Exposure::Owned(uid));
        }
    }

    /// Checks the directories above a canonical path.
    ///
    /// Above the one that holds the file, a sticky directory of root's, such as `/tmp`, is no danger:
    /// in it only the owner can rename or remove a file.
    pub(super) fn above(&mut self, path: &Path) -> io::Result<()> {
        for (above, dir) in path.ancestors().skip(1).enumerate() {
            let metadata = fs::metadata(dir)?;
            let shared = above > 0 && metadata.uid() == 0 && metadata.mode() & 0o1000 != 0;
            if others_may_write(&metadata) && !shared {
                self.add(dir, Exposure::Writable);
            }
            match self.foreign(&metadata) {
                Some(uid) if self.dedicated == Some(dir) => self.add(dir, Exposure::Owned(uid)),
                Some(uid) => self.add(dir, Exposure::OwnedAbove(uid)),
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn found(self) -> Vec<Exposed> {
        self.found.into_iter().collect()
    }

    fn foreign(&self, metadata: &Metadata) -> Option<u32> {
        let owners = self.owners?;
        let uid = metadata.uid();
        (!owners.0.contains(&uid)).then_some(uid)
    }

    fn add(&mut self, path: &Path, how: Exposure) {
        self.found.insert(Exposed {
            path: path.to_owned(),
            how,
        });
    }
}

fn others_may_write(metadata: &Metadata) -> bool {
    metadata.mode() & 0o022 != 0
}
