//! The program on the socket.
//!
//! `/proc/PID/exe` names a path in the caller's own view of the file system, which may show another
//! file there than ours does. So the path counts only where the broker, opening it, finds the very
//! file that runs, and where only root and the broker's account can have put it there or
//! change it. The kernel lets the broker look at programs of its own account only.
//!
//! For a script this is the interpreter.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, stat};
use sha2::{Digest, Sha256};

use super::kernel;

/// What a process runs.
pub(super) struct Program {
    path: OsString,
    file: FileId,
    owner: u32,
    mode: u32,
}

/// One state of one file: another content has another of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Program {
    /// `None` if the broker may not look, as with other accounts.
    pub(super) fn of(process: BorrowedFd<'_>) -> Option<Self> {
        // The file first: if the process runs another program in between, the two do not fit, and
        // the path is not trusted.
        let status = fstatat(process, "exe", AtFlags::empty()).ok()?;
        let path = readlinkat(process, "exe").ok()?;
        Some(Self {
            path,
            file: FileId::of(&status),
            owner: status.st_uid,
            mode: status.st_mode,
        })
    }

    /// Whether the process still runs the very file, unchanged: a new name changes it too.
    pub(super) fn still_runs(&self, process: BorrowedFd<'_>) -> bool {
        let status = kernel::running_file(process);
        status.is_ok_and(|status| FileId::remembered(&status) == self.file)
    }

    /// The path, if it is the same file for the broker and out of others' reach. A file that was
    /// deleted or replaced has no path any more.
    pub(super) fn trusted_path(&self, own_user: u32) -> Option<String> {
        let path = self.path.to_str().filter(|path| path.starts_with('/'))?;
        let ours = stat(path).ok()?;
        let owned = self.owner == 0 || self.owner == own_user;
        let writable = self.mode & 0o022 != 0;
        (FileId::of(&ours) == self.file && owned && !writable).then(|| path.to_owned())
    }
}

impl FileId {
    pub(super) const fn of(status: &FileStat) -> Self {
        Self {
            device: status.st_dev,
            inode: status.st_ino,
            size: status.st_size,
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
        }
    }

    fn remembered(status: &libc::statx) -> Self {
        let at = |time: libc::statx_timestamp| (time.tv_sec, i64::from(time.tv_nsec));
        Self {
            device: libc::makedev(status.stx_dev_major, status.stx_dev_minor),
            inode: status.stx_ino,
            size: i64::try_from(status.stx_size).unwrap_or(i64::MAX),
            modified: at(status.stx_mtime),
            changed: at(status.stx_ctime),
        }
    }
}

/// SHA-256 of programs, each read once.
#[derive(Default)]
pub(super) struct Digests(Mutex<BTreeMap<FileId, [u8; 32]>>);

impl Digests {
    /// `None` if the file cannot be read, is too large, or changes while it is read.
    pub(super) fn of(&self, program: &Program, process: BorrowedFd<'_>) -> Option<[u8; 32]> {
        // Nothing in here panics while it holds the lock, and a map entry is whole or absent.
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&program.file)
            .copied();
        if known.is_some() {
            return known;
        }
        // Not under the lock: other callers need not wait for this file.
        let digest = digest(program, process)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_DIGESTS {
            known.clear();
        }
        known.insert(program.file, digest);
        Some(digest)
    }
}

fn digest(program: &Program, process: BorrowedFd<'_>) -> Option<[u8; 32]> {
    if program.file.size > MAX_PROGRAM {
        return None;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(process, "exe", flags, Mode::empty()).ok()?);
    let digest = hash(&mut file).ok()?;
    let after = fstat(file.as_fd()).ok()?;
    (FileId::of(&after) == program.file).then_some(digest)
}

fn hash(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => hasher.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes. About half a second of hashing; a larger file may be an attempt to keep us busy.
const MAX_PROGRAM: i64 = 512 * 1024 * 1024;

/// Programs. With more than these, the cache starts over.
const MAX_DIGESTS: usize = 256;
