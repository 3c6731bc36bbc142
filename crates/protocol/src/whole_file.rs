//! Atomic writes: a new file, or one that replaces a regular file, and whole or not at all.
//!
//! A device, a FIFO, a socket, a directory or a symbolic link is never replaced. The file that was opened or
//! the entry itself decides, never the target of a link. Nothing here blocks on a FIFO or opens a device.

use std::fs::{self, File, FileType, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Something other than a regular file. The inner error of the errors of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {0} and not a regular file")]
pub struct NotAFile(&'static str);

impl NotAFile {
    fn of(found: FileType) -> Self {
        let kinds = [
            (found.is_symlink(), "a symbolic link"),
            (found.is_dir(), "a directory"),
            (found.is_fifo(), "a FIFO"),
            (found.is_socket(), "a socket"),
            (found.is_char_device(), "a character device"),
        ];
        let kind = kinds.into_iter().find(|(is, _)| *is);
        Self(kind.map_or("a block device", |(_, name)| name))
    }

    /// Whether an error of this module says that something else than a file is there.
    #[must_use]
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// Reads the metadata of an entry, not of the target of a link; `None` if there is none.
///
/// # Errors
///
/// [`NotAFile`], or what the system says.
pub fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => regular(found?).map(Some),
    }
}

/// Opens an existing file. The last part of its path must not be a link.
///
/// # Errors
///
/// [`NotAFile`], or what the system says.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Opening some devices does something, so the name is checked first.
    regular(fs::symlink_metadata(path)?)?;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

/// Opens a file to read it, as [`open`], but follows links.
///
/// # Errors
///
/// [`NotAFile`], or what the system says.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    regular(fs::metadata(path)?)?;
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags.bits()).open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

/// Creates a file where there is none.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] for a regular file, [`NotAFile`] for anything else, or what the system
/// says.
pub fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    options.open(path).map_err(|error| taken(path, error))
}

/// Links a finished file to a path where there is none; it keeps its old name too.
///
/// # Errors
///
/// As [`create`].
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    // Unlike a rename, a link does not replace what is there.
    fs::hard_link(from, to).map_err(|error| taken(to, error))
}

/// Moves a finished file to a path where there is nothing, or a regular file, which it replaces.
///
/// # Errors
///
/// [`NotAFile`], or what the system says.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    look(to)?;
    // A rename opens and follows nothing: whoever is quicker than this loses an entry and gains no writer.
    fs::rename(from, to)
}

/// A file that is being written next to its destination, and removed unless it gets there.
#[derive(Debug)]
pub struct WholeFile {
    place: PathBuf,
    beside: PathBuf,
    file: File,
    /// Open from the start, so that nothing fails after the file is in its place that could before.
    directory: File,
}

impl WholeFile {
    /// Begins to write a file for `place`, under a passing name that only this process uses.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn beside(place: &Path, mode: u32) -> io::Result<Self> {
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".unfinished-{}", std::process::id()));
        let beside = PathBuf::from(name);
        Ok(Self {
            place: place.to_owned(),
            directory: File::open(directory_of(place))?,
            file: create(&beside, mode)?,
            beside,
        })
    }

    /// Gives it the owner, group and mode of the file whose place it takes.
    ///
    /// # Errors
    ///
    /// What the system says: only root gives a file to another account.
    pub fn keep_as(&self, like: &Metadata) -> io::Result<()> {
        let made = self.file.metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            fchown(&self.file, Some(like.uid()), Some(like.gid()))?;
        }
        self.file
            .set_permissions(Permissions::from_mode(like.mode() & 0o7777))
    }

    /// Makes it durable and puts it in its place, where nothing may be.
    ///
    /// # Errors
    ///
    /// As [`create`].
    pub fn put_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        link(&self.beside, &self.place)?;
        self.directory.sync_all()
    }

    /// Makes it durable and puts it in its place, where nothing may be or a regular file.
    ///
    /// # Errors
    ///
    /// As [`replace`].
    pub fn put(self) -> io::Result<()> {
        self.file.sync_all()?;
        replace(&self.beside, &self.place)?;
        self.directory.sync_all()
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        drop(fs::remove_file(&self.beside));
    }
}

/// The directory that holds the entry of that name.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    directory.unwrap_or_else(|| Path::new("."))
}

fn regular(found: Metadata) -> io::Result<Metadata> {
    if found.is_file() {
        return Ok(found);
    }
    let what = NotAFile::of(found.file_type());
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Says of an entry in the way whether it is a file.
fn taken(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::AlreadyExists {
        return error;
    }
    match look(path) {
        Err(other) if NotAFile::is_cause_of(&other) => other,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// One of everything that a name can lead to and that is not a regular file.
    fn not_files(dir: &Path) -> Vec<(PathBuf, &'static str)> {
        let at = |name: &str| dir.join(name);
        fs::create_dir(at("directory")).unwrap();
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::write(at("file"), "theirs").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        vec![
            (at("directory"), "a directory"),
            (at("fifo"), "a FIFO"),
            (at("socket"), "a socket"),
            (at("link"), "a symbolic link"),
            (at("dangling"), "a symbolic link"),
            (at("null"), "a symbolic link"),
            (PathBuf::from("/dev/null"), "a character device"),
        ]
    }

    #[test]
    fn what_is_no_regular_file_is_neither_written_nor_replaced_nor_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let new = scratch.path().join("new");
        for (path, what) in not_files(scratch.path()) {
            let before = fs::symlink_metadata(&path).unwrap().file_type();
            fs::write(&new, "ours").unwrap();
            let refused = [
                look(&path).map(drop),
                replace(&new, &path),
                link(&new, &path).or_else(|error| match error.kind() {
                    // Another file system than the scratch directory's.
                    io::ErrorKind::CrossesDevices => look(&path).map(drop),
                    _ => Err(error),
                }),
                create(&path, 0o600).map(drop),
                open(&path, OpenOptions::new().write(true)).map(drop),
                open(&path, OpenOptions::new().read(true)).map(drop),
            ];
            for refused in refused {
                let error = refused.unwrap_err();
                assert!(NotAFile::is_cause_of(&error), "{path:?}: {error}");
                assert!(error.to_string().contains(what), "{path:?}: {error}");
            }
            assert_eq!(fs::symlink_metadata(&path).unwrap().file_type(), before);
        }
        let theirs = fs::read_to_string(scratch.path().join("file")).unwrap();
        assert_eq!(theirs, "theirs");
        assert!(!scratch.path().join("nothing").exists());
    }

    #[test]
    fn reading_follows_links_and_waits_for_no_fifo() {
        let scratch = tempfile::tempdir().unwrap();
        for (path, what) in not_files(scratch.path()) {
            match open_to_read(&path) {
                Ok(_) => assert!(path.ends_with("link"), "{path:?}"),
                Err(error) if path.ends_with("dangling") => {
                    assert_eq!(error.kind(), io::ErrorKind::NotFound);
                }
                Err(error) if path.ends_with("null") => {
                    assert!(error.to_string().contains("character device"), "{error}");
                }
                Err(error) => assert!(error.to_string().contains(what), "{error}"),
            }
        }
    }

    #[test]
    fn a_file_arrives_whole_and_replaces_one_only_if_it_is_told_to() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("file");
        let written = |text: &str| {
            let mut file = WholeFile::beside(&place, 0o600).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        drop(written("given up"));
        assert!(!place.exists());
        written("first").put_new().unwrap();
        let error = written("second").put_new().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(!NotAFile::is_cause_of(&error));
        assert_eq!(fs::read_to_string(&place).unwrap(), "first");
        written("second").put().unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "second");
        let left = fs::read_dir(scratch.path()).unwrap().count();
        assert_eq!(left, 1, "nothing beside it");
    }

    #[test]
    fn the_directory_of_a_bare_name_is_this_one() {
        assert_eq!(directory_of(Path::new("file")), Path::new("."));
        assert_eq!(directory_of(Path::new("/a/file")), Path::new("/a"));
    }
}
