//! Why the audit log cannot be opened or appended to, and what fixes it.
//!
//! Two readers: at start the operator sees the variant's own text; while the broker runs the same
//! text is carried, as `why`, by [`AuditLogError::Unavailable`] to everyone whose record was
//! refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a record is not durable, or why the log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    /// The running log refuses to append. Nothing was recorded.
    #[error("the audit log cannot be written: {why}")]
    Unavailable {
        /// In plain words, with what to do.
        why: String,
    },

    /// The system refused an operation on a file.
    #[error("cannot {what} {path}: {}", IoReason { error: source, path })]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Others may read or change the log.
    #[error("{path} has mode {mode:04o}, which lets others in; run `chmod -R {allowed} {dir}`")]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What to allow, in the words of `chmod`.
        allowed: &'static str,
        /// The log's directory.
        dir: PathBuf,
    },

    /// Someone else's file.
    #[error(
        "{path} belongs to uid {owner}, not to the broker's own account (uid {wanted}); \
         run `chown -R {wanted} {dir}` if it is really this broker's log"
    )]
    NotOurs {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        wanted: u32,
        /// The log's directory.
        dir: PathBuf,
    },

    /// A symbolic link, a pipe or a directory where a segment should be.
    #[error("{path} is not a plain file; move it out of the audit log's directory")]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },

    /// The log was made by another vault.
    #[error(
        "{path} belongs to another vault (its log id is {found}, this vault's is {wanted}); \
         point the broker at its own audit directory, or put back the vault that belongs to it"
    )]
    Foreign {
        /// The first segment.
        path: PathBuf,
        /// The log id in its first record.
        found: String,
        /// The vault's.
        wanted: String,
    },

    /// Segments that must be there are not.
    #[error("{path} is missing: records from {from} on were deleted or moved away; {REMEDY}")]
    Missing {
        /// The segment, or the directory where all are gone.
        path: PathBuf,
        /// First record that is missing.
        from: u64,
    },

    /// The log ends before the last record that the vault or the running broker knows of.
    #[error(
        "{path} was cut, or segments after it removed: the log holds {found} records and must hold \
         {wanted}; {REMEDY}"
    )]
    Truncated {
        /// The last segment.
        path: PathBuf,
        /// Records in the log.
        found: u64,
        /// Records there must be.
        wanted: u64,
    },

    /// The segment was deleted, or another file put in its place, under the running broker.
    #[error(
        "{path} was deleted or replaced while the broker runs; put that very file back, or keep \
         what is left aside and begin a new log with `tokend init --new-audit-log`"
    )]
    Deleted {
        /// The segment.
        path: PathBuf,
    },

    /// The segment changed its length under the running broker.
    #[error("{path} was changed by another program: it is {found} bytes long and must be {wanted}")]
    Resized {
        /// The segment.
        path: PathBuf,
        /// Its size, in bytes.
        found: u64,
        /// The size the broker made it.
        wanted: u64,
    },

    /// Something else than zeros stands where the broker writes next.
    #[error(
        "{path} was changed by another program: at byte {offset}, behind the last record, are bytes that the broker \
         did not write"
    )]
    Overwritten {
        /// The segment.
        path: PathBuf,
        /// Of the first of them.
        offset: u64,
    },

    /// A line that is no record stands before others that must be there.
    #[error("{path} is damaged at byte {offset}, record {seq}; {REMEDY}")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Start of the first bad line.
        offset: u64,
        /// The record that should be there.
        seq: u64,
    },

    /// The records are well formed and are not those the vault or the running broker knows.
    #[error("{path} was rewritten: record {seq} is not the one that was written; {REMEDY}")]
    Rewritten {
        /// The segment.
        path: PathBuf,
        /// The record whose hash differs.
        seq: u64,
    },

    /// A record could not be put into JSON.
    #[error("cannot put a record into JSON")]
    Unwritable(#[from] serde_json::Error),
}

const REMEDY: &str = "put the audit log back from a backup, or keep what is left aside and begin a \
                    new log with `tokend init --new-audit-log`";

impl AuditLogError {
    /// For `map_err` after an operation on the file at `path`.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// An I/O error in words that say what to do, where there is something.
struct IoReason<'a> {
    error: &'a io::Error,
    path: &'a Path,
}

impl fmt::Display for IoReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.path.parent().unwrap_or(self.path).display();
        match self.error.raw_os_error() {
            Some(libc::ENOSPC) => write!(
                f,
                "no space left on the device that holds {dir}; free some space there"
            ),
            Some(libc::EDQUOT) => write!(
                f,
                "the disk quota for {dir} is used up; free some space there or raise the quota"
            ),
            Some(libc::EFBIG) => f.write_str(
                "the process may not write larger files; raise its limit (`ulimit -f`, LimitFSIZE=)",
            ),
            Some(libc::EROFS) => {
                write!(f, "{dir} is on a read-only file system; mount it writable")
            }
            Some(libc::EIO) => write!(
                f,
                "the device that holds {dir} reports an I/O error; look at the kernel's messages \
                 and replace the device"
            ),
            _ => fmt::Display::fmt(self.error, f),
        }
    }
}
