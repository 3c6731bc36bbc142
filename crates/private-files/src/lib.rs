//! Files and directories that belong to the broker's account alone.
//!
//! Made so from the first moment, and refused, with the command that repairs it, if they are found
//! otherwise. Nothing here opens a database: closing a second descriptor would drop SQLite's locks.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use broker_protocol::whole_file::{self, NotAFile};
use nix::unistd::geteuid;

/// Why a file or directory cannot be trusted to hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Others may read or write it.
    #[error("{} is open to other accounts (mode {found:04o}); run: chmod {wanted:04o} {}", path.display(), quoted(path))]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
        /// What they should be.
        wanted: u32,
    },
    /// It belongs to another account.
    #[error("{} belongs to uid {found}, and this is uid {wanted}; run tokend as its owner, or as root: chown {wanted} {}", path.display(), quoted(path))]
    Owner {
        /// Which.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// The account tokend runs as.
        wanted: u32,
    },
    /// It is something else than it should be.
    #[error("{} is not a {wanted}; move it away", path.display())]
    Kind {
        /// Which.
        path: PathBuf,
        /// `file` or `directory`.
        wanted: &'static str,
    },
    /// The system refused.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl PrivateError {
    /// Names the place of an I/O error.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |cause| match NotAFile::is_cause_of(&cause) {
            true => Self::kind(&path, "file"),
            false => Self::Io { path, cause },
        }
    }

    fn kind(path: &Path, wanted: &'static str) -> Self {
        let path = path.to_owned();
        Self::Kind { path, wanted }
    }

    /// Whether nothing is there at all.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}

/// Checks that a directory belongs to this account and is closed to all others. Only passing through
/// is allowed, and only to the group: auditors reach the audit log that way.
///
/// # Errors
///
/// [`PrivateError`], not finding it included.
pub fn check_directory(path: &Path) -> Result<(), PrivateError> {
    let found = fs::metadata(path).map_err(PrivateError::io(path))?;
    if !found.is_dir() {
        return Err(PrivateError::kind(path, "directory"));
    }
    check(path, &found, 0o700, 0o067)
}

/// Checks that a file belongs to this account and is closed to all others.
///
/// # Errors
///
/// [`PrivateError`], not finding it included.
pub fn check_file(path: &Path) -> Result<(), PrivateError> {
    let found = fs::metadata(path).map_err(PrivateError::io(path))?;
    check_opened(path, &found)
}

/// Checks the same of a file that was opened.
///
/// # Errors
///
/// [`PrivateError`].
pub fn check_opened(path: &Path, found: &Metadata) -> Result<(), PrivateError> {
    check_is_file(path, found)?;
    check(path, found, 0o600, 0o077)
}

fn check_is_file(path: &Path, found: &Metadata) -> Result<(), PrivateError> {
    match found.is_file() {
        true => Ok(()),
        false => Err(PrivateError::kind(path, "file")),
    }
}

/// Checks the same of what must be a file.
///
/// # Errors
///
/// [`PrivateError`], not finding it included.
pub fn check_file_unwritable_by_others(path: &Path) -> Result<(), PrivateError> {
    check_unwritable_by_others(path)?;
    let found = fs::metadata(path).map_err(PrivateError::io(path))?;
    check_is_file(path, &found)
}

/// Checks that only this account or root may change a file or directory; others may read it.
///
/// # Errors
///
/// [`PrivateError`], not finding it included.
pub fn check_unwritable_by_others(path: &Path) -> Result<(), PrivateError> {
    let found = fs::metadata(path).map_err(PrivateError::io(path))?;
    if found.uid() != 0 {
        check_owner(path, &found)?;
    }
    check_mode(path, &found, found.mode() & 0o7755, 0o022)
}

fn check(path: &Path, found: &Metadata, wanted: u32, refused: u32) -> Result<(), PrivateError> {
    check_owner(path, found)?;
    check_mode(path, found, wanted, refused)
}

fn check_mode(
    path: &Path,
    found: &Metadata,
    wanted: u32,
    refused: u32,
) -> Result<(), PrivateError> {
    if found.mode() & refused != 0 {
        return Err(PrivateError::Mode {
            path: path.to_owned(),
            found: found.mode() & 0o7777,
            wanted,
        });
    }
    Ok(())
}

fn check_owner(path: &Path, found: &Metadata) -> Result<(), PrivateError> {
    let own = geteuid().as_raw();
    if found.uid() != own {
        return Err(PrivateError::Owner {
            path: path.to_owned(),
            found: found.uid(),
            wanted: own,
        });
    }
    Ok(())
}

/// Makes a directory, and those above it that are missing, with mode 0700. One that is there is
/// checked. Returns whether it was made.
///
/// # Errors
///
/// [`PrivateError`].
pub fn make_directory(path: &Path) -> Result<bool, PrivateError> {
    match check_directory(path) {
        Err(error) if error.is_not_found() => {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(path).map_err(PrivateError::io(path))?;
            Ok(true)
        }
        there => there.map(|()| false),
    }
}

/// Writes a new file with mode 0600 and makes it durable, its name included.
///
/// # Errors
///
/// [`PrivateError`]; a file that is there is left as it is and is an error.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), PrivateError> {
    let mut file = whole_file::create(path, 0o600).map_err(PrivateError::io(path))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(cause) = written {
        // Half a key is worse than none: the next attempt must find nothing there.
        drop(fs::remove_file(path));
        return Err(PrivateError::io(path)(cause));
    }
    sync_directory_of(path)
}

/// Writes a new file with mode 0600 so that it is there whole or not at all, also after a crash; what an
/// interrupted attempt left beside it is replaced.
///
/// # Errors
///
/// [`PrivateError`]; a file that is there is left as it is and is an error.
pub fn put_new(path: &Path, content: &[u8]) -> Result<(), PrivateError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    remove(&unfinished)?;
    write_new(&unfinished, content)?;
    let linked = whole_file::link(&unfinished, path).map_err(PrivateError::io(path));
    remove(&unfinished)?;
    linked?;
    sync_directory_of(path)
}

/// Removes a file, if it is there, and says whether it was.
///
/// # Errors
///
/// [`PrivateError::Io`].
pub fn remove(path: &Path) -> Result<bool, PrivateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(PrivateError::io(path)),
    }
}

/// Makes the name of a file durable.
///
/// # Errors
///
/// [`PrivateError::Io`].
pub fn sync_directory_of(path: &Path) -> Result<(), PrivateError> {
    let directory = whole_file::directory_of(path);
    File::open(directory)
        .and_then(|dir| dir.sync_all())
        .map_err(PrivateError::io(directory))
}

/// Returns a path as a shell takes it, for messages: what is not UTF-8 is shown replaced.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@%".contains(&b);
    if text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_made_here_is_closed_to_others_and_passes_the_check() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("a/b");
        assert!(make_directory(&directory).unwrap());
        assert!(!make_directory(&directory).unwrap());
        check_directory(&scratch.path().join("a")).unwrap();
        let file = directory.join("key");
        write_new(&file, b"x").unwrap();
        check_file(&file).unwrap();
        assert!(write_new(&file, b"y").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn a_mode_that_is_too_open_is_refused_with_the_command_that_fixes_it() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("my key");
        write_new(&file, b"x").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let error = check_file(&file).unwrap_err().to_string();
        assert!(error.contains("(mode 0640); run: chmod 0600 '/"), "{error}");
        check_unwritable_by_others(&file).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        let error = check_unwritable_by_others(&file).unwrap_err().to_string();
        assert!(error.contains("run: chmod 0644 "), "{error}");
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o710)).unwrap();
        check_directory(scratch.path()).unwrap();
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
        let error = check_directory(scratch.path()).unwrap_err().to_string();
        assert!(error.contains("run: chmod 0700 /"), "{error}");
    }

    #[test]
    fn another_accounts_file_is_refused() {
        let wanted = geteuid().as_raw();
        // A file of root's, or, for root, a made-up owner, through the same comparison.
        let found = fs::metadata("/proc/1").unwrap();
        if found.uid() == wanted {
            return check_as_root();
        }
        let error = check(Path::new("/proc/1"), &found, 0o700, 0o077).unwrap_err();
        assert!(matches!(error, PrivateError::Owner { .. }), "{error}");
    }

    fn check_as_root() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("key");
        write_new(&file, b"x").unwrap();
        std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
        let error = check_file(&file).unwrap_err().to_string();
        assert!(error.contains("belongs to uid 65534"), "{error}");
        assert!(error.contains("chown 0 /"), "{error}");
    }

    #[test]
    fn a_directory_in_the_place_of_a_file_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let error = check_file(scratch.path()).unwrap_err();
        assert!(matches!(error, PrivateError::Kind { wanted: "file", .. }));
    }
}
