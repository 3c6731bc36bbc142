//! The few file operations the log is made of, so that tests can use a disk that fails,
//! forgets, and reports what is not so.
//!
//! A `Disk` is one directory; files are named by their bare names. Nothing here retries, and
//! nothing knows what a record is.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use broker_protocol::whole_file;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::unistd::{Gid, fchown, geteuid};

use super::error::AuditLogError;
use super::segment;

/// One directory and what the log does in it.
pub(super) trait Disk: Clone + Send + 'static {
    /// An open file.
    type File: Send + 'static;

    /// The path of a file of this name, for messages. An empty name means the directory.
    fn path(&self, name: &str) -> PathBuf;
    /// The names in the directory; none if the directory is gone.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The bytes of a file from `from` on, at most so many.
    fn read(&self, name: &str, from: u64, at_most: u64) -> io::Result<Vec<u8>>;
    /// How long a file is; `None` if there is none.
    fn size(&self, name: &str) -> io::Result<Option<u64>>;
    /// Makes a file that must not be there yet.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file that is there, for writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file that is open once more; `None` if `name` no longer names it.
    fn open_again(&self, name: &str, file: &Self::File) -> io::Result<Option<Self::File>>;
    /// The bytes of an open file at `at`; fails where it ends before so many.
    fn read_at(&self, file: &Self::File, at: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `at`, or fails having written any part of them.
    fn write_at(&self, file: &Self::File, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file.
    fn truncate(&self, file: &Self::File, size: u64) -> io::Result<()>;
    /// Makes what was written durable, and the size needed to read it back.
    fn sync_data(&self, file: &Self::File) -> io::Result<()>;
    /// Makes a file durable, everything about it included.
    fn sync_all(&self, file: &Self::File) -> io::Result<()>;
    /// Makes the names in the directory durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Renames a file to a name that is free.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// How long an open file is, if `name` still names it.
    fn look(&self, name: &str, file: &Self::File) -> io::Result<Option<u64>>;
    /// Lets the next read come from the device and not from memory.
    fn forget_cached(&self, name: &str) -> io::Result<()>;
}

/// The real thing.
#[derive(Debug, Clone)]
pub(super) struct OsDisk {
    dir: PathBuf,
    read_group: Option<Gid>,
}

/// A file open for writing, and which one it is.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    /// Device and inode.
    id: (u64, u64),
}

impl OpenFile {
    fn of(file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let id = (meta.dev(), meta.ino());
        Ok(Self { file, id })
    }
}

/// Nothing the broker writes comes near this; a file that does is not read into memory. Earlier builds
/// put all live leases into one segment, however many, and theirs are still opened.
const LARGEST: u64 = 4 << 30;

impl OsDisk {
    /// Makes the directory if need be. Refuses one, or segments in it, that others could change, or
    /// could read beyond what `read_group` allows. Gives that group what was made before it was named.
    pub(super) fn new(dir: &Path, read_group: Option<Gid>) -> Result<Self, AuditLogError> {
        let disk = Self {
            dir: dir.to_owned(),
            read_group,
        };
        if !dir
            .try_exists()
            .map_err(AuditLogError::io("look for", dir))?
        {
            disk.make_directory()
                .map_err(AuditLogError::io("make", dir))?;
        }
        disk.refuse_exposed(dir, 0o750)?;
        disk.share(dir, 0o050)?;
        for name in disk.list().map_err(AuditLogError::io("list", dir))? {
            if segment::first_record(&name).is_some() {
                let path = dir.join(name);
                disk.refuse_exposed(&path, 0o640)?;
                disk.share(&path, 0o040)?;
            }
        }
        Ok(disk)
    }

    fn make_directory(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.dir)?;
        if let Some(gid) = self.read_group {
            fchown(File::open(&self.dir)?, None, Some(gid))?;
            std::fs::set_permissions(&self.dir, Permissions::from_mode(0o750))?;
        }
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    /// Lets the read group, where there is one, do this with what is there. The group first: the one before has no
    /// business with it.
    fn share(&self, path: &Path, bits: u32) -> Result<(), AuditLogError> {
        let Some(gid) = self.read_group else {
            return Ok(());
        };
        let share = || {
            let file = match path == self.dir {
                true => File::open(path)?,
                false => whole_file::open(path, OpenOptions::new().read(true))?,
            };
            let meta = file.metadata()?;
            if meta.gid() != gid.as_raw() {
                fchown(&file, None, Some(gid))?;
            }
            // Without the set-group-ID bit, which `RestrictSUIDSGID=` of the unit keeps from being set.
            let mode = meta.mode() & 0o777;
            match mode & bits == bits {
                true => Ok(()),
                false => file.set_permissions(Permissions::from_mode(mode | bits)),
            }
        };
        share().map_err(AuditLogError::io("let `[audit] read_group` read", path))
    }

    /// `widest` is the mode with a read group; without one, the group gets nothing.
    fn refuse_exposed(&self, path: &Path, widest: u32) -> Result<(), AuditLogError> {
        let (widest, allowed) = match self.read_group {
            Some(_) => (widest, "u=rwX,g=rX,o="),
            None => (widest & 0o700, "u=rwX,go="),
        };
        let look = AuditLogError::io("look at", path);
        let is_dir = path == self.dir;
        // The directory may be a link that an operator made; a segment may not.
        let meta = match is_dir {
            true => path.metadata(),
            false => path.symlink_metadata(),
        };
        let meta = meta.map_err(look)?;
        let path = path.to_owned();
        if meta.is_dir() != is_dir || meta.is_file() == is_dir {
            return Err(AuditLogError::NotAFile { path });
        }
        let dir = self.dir.clone();
        let (owner, wanted) = (meta.uid(), geteuid().as_raw());
        if owner != wanted {
            return Err(AuditLogError::NotOurs {
                path,
                owner,
                wanted,
                dir,
            });
        }
        let mode = meta.mode() & 0o7777;
        if mode & 0o777 & !widest != 0 {
            return Err(AuditLogError::Exposed {
                path,
                mode,
                allowed,
                dir,
            });
        }
        Ok(())
    }
}

impl Disk for OsDisk {
    type File = OpenFile;

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.dir.clone()
        } else {
            self.dir.join(name)
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A name that is not UTF-8 is none of ours.
        entries
            .filter_map(|entry| {
                entry
                    .map(|entry| entry.file_name().into_string().ok())
                    .transpose()
            })
            .collect()
    }

    fn read(&self, name: &str, from: u64, at_most: u64) -> io::Result<Vec<u8>> {
        let mut file = whole_file::open(&self.path(name), OpenOptions::new().read(true))?;
        let length = file.metadata()?.len().saturating_sub(from).min(at_most);
        if length > LARGEST {
            return Err(io::Error::other(format!(
                "it is {length} bytes long, and no segment is"
            )));
        }
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(at_most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        match self.path(name).symlink_metadata() {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<OpenFile> {
        let file = whole_file::create(&self.path(name), 0o600)?;
        if let Some(gid) = self.read_group {
            fchown(&file, None, Some(gid))?;
            file.set_permissions(Permissions::from_mode(0o640))?;
        }
        OpenFile::of(file)
    }

    fn open(&self, name: &str) -> io::Result<OpenFile> {
        let file = whole_file::open(&self.path(name), OpenOptions::new().read(true).write(true))?;
        OpenFile::of(file)
    }

    fn open_again(&self, name: &str, file: &OpenFile) -> io::Result<Option<OpenFile>> {
        let again = self.open(name)?;
        Ok((again.id == file.id).then_some(again))
    }

    fn read_at(&self, file: &OpenFile, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        file.file.read_exact_at(bytes, at)
    }

    fn write_at(&self, file: &OpenFile, at: u64, bytes: &[u8]) -> io::Result<()> {
        file.file.write_all_at(bytes, at)
    }

    fn truncate(&self, file: &OpenFile, size: u64) -> io::Result<()> {
        file.file.set_len(size)
    }

    fn sync_data(&self, file: &OpenFile) -> io::Result<()> {
        file.file.sync_data()
    }

    fn sync_all(&self, file: &OpenFile) -> io::Result<()> {
        file.file.sync_all()
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn look(&self, name: &str, file: &OpenFile) -> io::Result<Option<u64>> {
        // While it is open its number goes to no other file, so looking at the name is enough.
        match self.path(name).symlink_metadata() {
            Ok(named) => Ok(((named.dev(), named.ino()) == file.id).then_some(named.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let file = whole_file::open(&self.path(name), OpenOptions::new().read(true))?;
        Ok(posix_fadvise(
            file.as_fd(),
            0,
            0,
            PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )?)
    }
}
