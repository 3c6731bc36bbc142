//! Values in files: `source = "file:PATH"`, such as a secret that a deployment mounts.
//!
//! Read for each use, so that a file that is replaced is seen at once. It must belong to the broker's
//! account and be closed to all others, with two exceptions for files that a deployment provides: below the
//! broker's own `$CREDENTIALS_DIRECTORY`, and where a policy says `mounted = true`, one that belongs to root
//! or is on a read-only mount. Those may be readable by others. What others may write is never used.
//!
//! The checks are made on the opened file, after all links.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_private_files::{self as private, PrivateError, quoted};
use broker_protocol::source::{Location, SourceSpec};
use broker_protocol::{as_read, whole_file};
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::geteuid;

use super::{Fetched, ReadError, Source, SourceContext, SourceError};

/// Files, and which of them may be readable by others.
pub struct FileSource {
    /// The broker's own `$CREDENTIALS_DIRECTORY`.
    credentials: Option<PathBuf>,
    mounted: Mutex<BTreeSet<PathBuf>>,
}

impl FileSource {
    pub(super) const fn new(credentials: Option<PathBuf>) -> Self {
        Self {
            credentials,
            mounted: Mutex::new(BTreeSet::new()),
        }
    }

    /// Sets the files of which policies say `mounted = true`.
    pub fn set_mounted(&self, files: BTreeSet<PathBuf>) {
        *self.mounted() = files;
    }

    /// Adds one more, until policies are loaded again.
    pub fn add_mounted(&self, file: &Path) {
        self.mounted().insert(file.to_owned());
    }

    /// The file of a credential; `None` if systemd gave the broker none.
    pub(super) fn credential(&self, name: &str) -> Option<PathBuf> {
        Some(self.credentials.as_ref()?.join(name))
    }

    /// Reads a file, if its owner and mode permit that.
    pub(super) async fn read_at(&self, path: &Path) -> Result<AccessToken, SourceError> {
        let reading = self.reading(path);
        let read = tokio::task::spawn_blocking(move || reading.read()).await;
        read.unwrap_or_else(|panic| {
            tracing::error!(path = %path.display(), cause = %panic, "a file could not be read");
            Err(SourceError::NotHere)
        })
    }

    fn reading(&self, path: &Path) -> Reading {
        Reading {
            path: path.to_owned(),
            credentials: self.credentials.clone(),
            mounted: self.mounted().contains(path),
        }
    }

    fn mounted(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for FileSource {
    fn scheme(&self) -> &'static str {
        "file"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        async { Ok(self.read_at(place.name().as_ref()).await?.into()) }.boxed()
    }

    fn how_to_put(&self, place: &Location, value: &str) -> String {
        let path = place.name();
        format!("put {value} into {path}, alone, with mode 0600 and tokend's account as its owner")
    }

    fn how_to_remove(&self, place: &Location, new: &SourceSpec) -> String {
        let path = place.name().replace('\'', r"'\''");
        let remove = format!("remove the old copy: shred -u '{path}'");
        match new.scheme() {
            "file" | "credential" => {
                format!("make sure that it is another file than {new}, and {remove}")
            }
            _ => remove,
        }
    }
}

/// One file and what it may be.
struct Reading {
    path: PathBuf,
    credentials: Option<PathBuf>,
    mounted: bool,
}

impl Reading {
    /// Blocks for as long as the disk does, and for nothing else.
    fn read(&self) -> Result<AccessToken, SourceError> {
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => SourceError::NoFile(self.says(error)),
            _ => SourceError::File(self.says(error)),
        };
        let file = whole_file::open_to_read(&self.path).map_err(io)?;
        let found = file.metadata().map_err(io)?;
        self.refuse_exposed(&file, &found)
            .map_err(SourceError::File)?;
        let content = as_read::read_to_end(file).map_err(io)?;
        AccessToken::read_bytes(content).map_err(|fault| SourceError::NotAValue {
            place: self.path.display().to_string().into(),
            fault,
        })
    }

    fn says(&self, error: io::Error) -> Box<str> {
        PrivateError::io(&self.path)(error).to_string().into()
    }

    fn refuse_exposed(&self, file: &File, found: &Metadata) -> Result<(), Box<str>> {
        let Err(too_open) = private::check_opened(&self.path, found) else {
            return Ok(());
        };
        if self.is_credential(file) {
            return match [0, geteuid().as_raw()].contains(&found.uid()) {
                true => self.refuse_written_by_others(found),
                false => Err(too_open.to_string().into()),
            };
        }
        if found.uid() != 0 && !is_on_a_read_only_mount(file) {
            return Err(too_open.to_string().into());
        }
        if self.mounted {
            return self.refuse_written_by_others(found);
        }
        let hint = "or, if that is how a deployment mounts it, write `mounted = true` beside `source` in the policy";
        Err(format!("{too_open}; {hint}").into())
    }

    fn refuse_written_by_others(&self, found: &Metadata) -> Result<(), Box<str>> {
        if found.mode() & 0o022 == 0 {
            return Ok(());
        }
        let (path, mode) = (self.path.display(), found.mode() & 0o7777);
        let chmod = quoted(&self.path);
        Err(format!(
            "others may write {path} (mode {mode:04o}); change its mode where it comes from (in Kubernetes: \
             `defaultMode: 0444`), or run: chmod go-w {chmod}"
        )
        .into())
    }

    /// Whether links led below the directory of credentials.
    fn is_credential(&self, file: &File) -> bool {
        let Some(directory) = &self.credentials else {
            return false;
        };
        let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let directory = fs::canonicalize(directory);
        matches!((opened, directory), (Ok(file), Ok(directory)) if file.starts_with(&directory))
    }
}

fn is_on_a_read_only_mount(file: &File) -> bool {
    fstatvfs(file).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn put(path: &Path, mode: u32) {
        drop(fs::remove_file(path));
        fs::write(path, "ghp_one\n").unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn read(files: &FileSource, path: &Path) -> Result<String, String> {
        let read = files.reading(path).read();
        read.map(|value| value.expose().to_owned())
            .map_err(|error| error.to_string())
    }

    /// As systemd makes them: 0440, where an access list lets in the one account.
    #[test]
    fn a_credential_of_this_service_may_be_open_to_readers_and_not_to_writers() {
        let scratch = tempfile::tempdir().unwrap();
        let credentials = scratch.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        let path = credentials.join("token");
        let files = FileSource::new(Some(credentials));
        for mode in [0o400, 0o440, 0o444, 0o600] {
            put(&path, mode);
            assert_eq!(read(&files, &path), Ok("ghp_one".to_owned()), "{mode:o}");
        }
        for mode in [0o660, 0o646] {
            put(&path, mode);
            let refused = read(&files, &path).unwrap_err();
            assert!(refused.contains("others may write"), "{refused}");
        }
        // By way of a link into it, too; the target of a link out of it is checked by itself.
        put(&path, 0o440);
        let outside = scratch.path().join("outside");
        symlink(&path, &outside).unwrap();
        assert_eq!(read(&files, &outside), Ok("ghp_one".to_owned()));
        fs::remove_file(&outside).unwrap();
        put(&outside, 0o440);
        fs::remove_file(&path).unwrap();
        symlink(&outside, &path).unwrap();
        assert!(read(&files, &path).unwrap_err().contains("chmod 0600"));
        assert!(read(&FileSource::new(None), &path).is_err());
        // Another service's credentials are not this one's.
        let other = scratch.path().join("credentials-of-another");
        fs::create_dir(&other).unwrap();
        put(&other.join("token"), 0o440);
        assert!(read(&files, &other.join("token")).is_err());
    }

    /// As Docker makes them: root's, 0444. Without root there is `/etc/hostname` and the like to try.
    #[test]
    fn roots_file_may_be_open_to_readers_once_the_policy_says_mounted() {
        let scratch = tempfile::tempdir().unwrap();
        let path = match geteuid().is_root() {
            true => scratch.path().join("token"),
            false => PathBuf::from("/proc/sys/kernel/ostype"),
        };
        if geteuid().is_root() {
            put(&path, 0o444);
        }
        let files = FileSource::new(None);
        let refused = read(&files, &path).unwrap_err();
        assert!(refused.contains("`mounted = true`"), "{refused}");
        files.set_mounted(BTreeSet::from([path.clone()]));
        assert!(read(&files, &path).is_ok());
        if geteuid().is_root() {
            for mode in [0o464, 0o446] {
                put(&path, mode);
                let refused = read(&files, &path).unwrap_err();
                assert!(refused.contains("defaultMode"), "{refused}");
            }
            put(&path, 0o444);
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            let refused = read(&files, &path).unwrap_err();
            assert!(refused.contains("belongs to uid 65534"), "{refused}");
        }
        files.set_mounted(BTreeSet::new());
        assert!(read(&files, &path).is_err());
    }

    #[test]
    fn a_mount_is_read_only_where_the_kernel_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(!is_on_a_read_only_mount(
            &File::open(scratch.path()).unwrap()
        ));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let read_only = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, options) = (fields.next()?, fields.nth(1)?);
            let is_read_only = options.split(',').any(|option| option == "ro");
            is_read_only.then(|| File::open(place).ok()).flatten()
        });
        let read_only: Vec<_> = read_only.collect();
        // One of them may be covered by another mount.
        assert!(read_only.is_empty() || read_only.iter().any(is_on_a_read_only_mount));
    }

    /// As Kubernetes makes them: 0644 behind `token -> ..data/token` and `..data -> ..2026_11_29`.
    #[test]
    fn a_chain_of_links_is_followed_and_its_end_is_what_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir(at("..2026_11_29")).unwrap();
        symlink("..2026_11_29", at("..data")).unwrap();
        symlink("..data/token", at("token")).unwrap();
        put(&at("..2026_11_29/token"), 0o600);
        let files = FileSource::new(None);
        assert_eq!(read(&files, &at("token")), Ok("ghp_one".to_owned()));
        put(&at("..2026_11_29/token"), 0o644);
        assert!(read(&files, &at("token")).is_err());
        files.set_mounted(BTreeSet::from([at("token")]));
        // Of this account, on a mount that may be written: it could simply be closed.
        let read = read(&files, &at("token"));
        assert_eq!(read.is_ok(), geteuid().is_root(), "{read:?}");
    }
}
