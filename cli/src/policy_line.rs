//! Changes one line of a live policy file, as the broker named it, and takes the change back if the broker
//! refuses what comes of it.
//!
//! The file is replaced whole: one written beside it, made durable, then renamed. Mode and owner stay, and
//! so does every byte of every other line. A file that nobody may write is left alone, also by root, who
//! could: somebody made it so.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::moving::{PolicyChange, change_line};
use broker_protocol::whole_file::{self, NotAFile, WholeFile};

use crate::error::Failure;

/// A line that was changed.
pub(crate) struct Changed {
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Why a line was not changed.
pub(crate) enum NotChanged {
    /// This account may not, or the file is not to be seen from here.
    NotHere(io::Error),
    /// It is not what it was, or it went wrong.
    Failed(Failure),
}

/// Changes the line.
pub(crate) fn change(change: &PolicyChange) -> Result<Changed, NotChanged> {
    let named = Path::new(&change.file);
    let failed = |doing| move |error| NotChanged::Failed(Failure::file(doing, named)(error));
    // What a link leads to is changed, and the link stays.
    let path = fs::canonicalize(named).map_err(NotChanged::NotHere)?;
    let (before, meta) =
        read_to_write(&path).map_err(|error| match NotAFile::is_cause_of(&error) {
            true => failed("change")(error),
            false => NotChanged::NotHere(error),
        })?;
    let after = changed(&before, change).ok_or_else(|| {
        NotChanged::Failed(Failure::with_hint(
            format!(
                "{}:{} is not what it was a moment ago",
                change.file, change.line
            ),
            "somebody else changed the file; look at it, and run this again",
        ))
    })?;
    match replace(&path, &after, &meta) {
        Ok(()) => Ok(Changed {
            path,
            before,
            after,
        }),
        Err(error) if is_not_for_us(&error) => Err(NotChanged::NotHere(error)),
        Err(error) => Err(failed("write")(error)),
    }
}

/// Puts a new text in the place of one that this command wrote and that was not changed since.
pub(crate) fn rewrite(path: &Path, before: &str, after: String) -> Result<Changed, Failure> {
    let failed = Failure::file("write", path);
    let put = || {
        let (now, meta) = read_to_write(path)?;
        if now != before.as_bytes() {
            return Err(io::Error::other("somebody else changed it meanwhile"));
        }
        replace(path, after.as_bytes(), &meta)
    };
    put().map_err(failed)?;
    Ok(Changed {
        path: path.to_owned(),
        before: before.as_bytes().to_vec(),
        after: after.into_bytes(),
    })
}

impl Changed {
    /// Puts the file back as it was, unless somebody changed it meanwhile.
    pub(crate) fn take_back(self) -> Result<(), Failure> {
        let failed = Failure::file("restore", &self.path);
        let put_back = || {
            let (now, meta) = read_to_write(&self.path)?;
            if now != self.after {
                return Err(io::Error::other("somebody else changed it meanwhile"));
            }
            replace(&self.path, &self.before, &meta)
        };
        put_back().map_err(failed)
    }
}

/// The text with the line changed; `None` if the line is another.
fn changed(text: &[u8], change: &PolicyChange) -> Option<Vec<u8>> {
    let text = str::from_utf8(text).ok()?;
    let line = usize::try_from(change.line).ok()?;
    let changed = change_line(text, line, &change.before, &change.after)?;
    Some(changed.into_bytes())
}

/// What a regular file holds that this account may write, and how it is kept.
fn read_to_write(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let mut file = whole_file::open(path, OpenOptions::new().read(true))?;
    let meta = file.metadata()?;
    if meta.mode() & 0o222 == 0 {
        let why = "the file is read-only";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    whole_file::open(path, OpenOptions::new().write(true))?;
    // A file in its place would be without it. Not every file system has such lists.
    if matches!(xattr::get(path, ACCESS_LIST), Ok(Some(_))) {
        let why = "the file has an access list, which would be lost";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((text, meta))
}

/// `acl(5)`.
const ACCESS_LIST: &str = "system.posix_acl_access";

fn is_not_for_us(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Puts these bytes in the place of a file, whole or not at all.
fn replace(path: &Path, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    let mut file = WholeFile::beside(path, 0o600)?;
    file.keep_as(like)?;
    file.write_all(bytes)?;
    file.put()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TEXT: &str = "[secret.ci]\r\nsource = \"env:A\"  # \u{e9}\n\nkind = \"classic\"";

    fn asked(path: &Path) -> PolicyChange {
        PolicyChange {
            file: path.display().to_string(),
            line: 2,
            before: "source = \"env:A\"  # \u{e9}".to_owned(),
            after: "source = \"vault\"  # \u{e9}".to_owned(),
        }
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.toml");
        fs::write(&path, TEXT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        (dir, path)
    }

    #[test]
    fn one_line_is_changed_and_everything_else_stays_and_it_can_be_taken_back() {
        let (dir, path) = scratch();
        let Ok(done) = change(&asked(&path)) else {
            panic!("not changed");
        };
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, TEXT.replace("env:A", "vault"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        done.take_back().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing beside"
        );
    }

    #[test]
    fn a_link_stays_a_link() {
        let (dir, path) = scratch();
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(change(&asked(&link)).is_ok());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("vault"));
    }

    #[test]
    fn what_is_no_file_by_the_time_it_is_changed_is_neither_opened_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.toml");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let Err(NotChanged::Failed(failure)) = change(&asked(&path)) else {
            panic!("a FIFO was taken for a policy");
        };
        assert!(failure.to_string().contains("it is a FIFO"), "{failure}");
        assert!(!fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_line_that_is_another_is_left_alone() {
        let (_dir, path) = scratch();
        for text in ["", "\n\n", "[secret.ci]\r\nsource = \"env:B\"\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(change(&asked(&path)), Err(NotChanged::Failed(_))));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_is_read_only_or_not_there_is_for_somebody_else() {
        let (dir, path) = scratch();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let missing = dir.path().join("missing.toml");
        for path in [&path, &missing] {
            assert!(matches!(change(&asked(path)), Err(NotChanged::NotHere(_))));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_taken_back() {
        let (_dir, path) = scratch();
        let Ok(done) = change(&asked(&path)) else {
            panic!("not changed");
        };
        fs::write(&path, "# theirs").unwrap();
        assert!(done.take_back().is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "# theirs");
    }
}
