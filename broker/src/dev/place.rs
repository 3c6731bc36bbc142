//! The scratch place of `tokend --dev`: a directory of its own, closed to others, locked while it is used, and
//! removed at the end.
//!
//! What a killed one left is removed by the next one. That is a directory that can be nothing else: by its name, its
//! owner, its mode and a file in it with a known text, which whoever uses the place holds locked. The file appears
//! locked, so a place that is being made is never taken for one that was left.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use broker_protocol::paths::{Paths, check_socket};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use crate::commands::init::PLACE_OF_DEV;

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    home: PathBuf,
    _held: Flock<File>,
}

/// Why there is no place.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: the scratch place cannot be made; free some space there, or set TMPDIR to another directory of yours, \
     with a short path",
    path.display()
)]
pub struct PlaceError {
    path: PathBuf,
    source: io::Error,
}

impl Place {
    /// Removes what killed ones left, and makes a new one: below `XDG_RUNTIME_DIR` if that is this account's alone,
    /// else below `TMPDIR`, else below `/tmp`. Where one has no room, or its path is too long for the sockets, the
    /// next one is tried, so `TMPDIR` helps whatever the others are. `env` looks up one environment variable.
    ///
    /// # Errors
    ///
    /// [`PlaceError`], with the last directory that was tried.
    pub(crate) fn make(env: impl Fn(&str) -> Option<OsString>) -> Result<Self, PlaceError> {
        let absolute = |name: &str| {
            env(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let own = absolute("XDG_RUNTIME_DIR").filter(|directory| is_own_alone(directory));
        let others = own.into_iter().chain(absolute("TMPDIR"));
        Self::in_one_of(others, PathBuf::from("/tmp"))
    }

    fn in_one_of(
        bases: impl IntoIterator<Item = PathBuf>,
        last: PathBuf,
    ) -> Result<Self, PlaceError> {
        for base in bases {
            match Self::make_in(&base) {
                Ok(place) => return Ok(place),
                Err(error) => {
                    let base = base.display();
                    tracing::warn!(cause = %error, %base, "the scratch place cannot be made there");
                }
            }
        }
        Self::make_in(&last).map_err(|source| PlaceError { path: last, source })
    }

    fn make_in(base: &Path) -> io::Result<Self> {
        remove_left(base);
        let mut number = [0; 4];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let number = u32::from_ne_bytes(number);
        let home = base.join(format!("{PLACE_OF_DEV}{number:08x}"));
        let paths = Paths::below(&home);
        let sockets = [&paths.socket, &paths.proxy_socket];
        if sockets.into_iter().any(|path| check_socket(path).is_err()) {
            let why = "its path is too long for a socket below it";
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        Self::make_at(home)
    }

    fn make_at(home: PathBuf) -> io::Result<Self> {
        // Not one that is there: in a directory that all may write, it could be another account's.
        DirBuilder::new().mode(0o700).create(&home)?;
        let held = hold(&home).inspect_err(|_full| drop(fs::remove_dir_all(&home)))?;
        Ok(Self { home, _held: held })
    }

    /// The directory.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.home) {
            let place = self.home.display();
            tracing::error!(cause = %error, %place, "the scratch place could not be removed");
        }
    }
}

/// Writes the file that marks a place, locked before it has its name.
fn hold(home: &Path) -> io::Result<Flock<File>> {
    let unnamed = home.join("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unnamed)?;
    file.write_all(MARK.as_bytes())?;
    let held = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    let held = held.map_err(|(_file, errno)| io::Error::from(errno))?;
    fs::rename(&unnamed, home.join(MARKER))?;
    Ok(held)
}

/// Removes every place there that no process holds. What cannot be read is left.
fn remove_left(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(_held) = left(&path) else {
            continue;
        };
        let place = path.display();
        match remove(&path) {
            Ok(()) => tracing::info!(%place, "removed what a killed `tokend --dev` left"),
            Err(error) => {
                tracing::warn!(cause = %error, %place, "what a killed `tokend --dev` left cannot be removed");
            }
        }
    }
}

/// The marker of a place that was left, now held, if it is provably one.
fn left(path: &Path) -> Option<Flock<File>> {
    let number = path.file_name()?.to_str()?.strip_prefix(PLACE_OF_DEV)?;
    let is_number = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_number || !is_own_alone(path) {
        return None;
    }
    let mut marker = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path.join(MARKER))
        .ok()?;
    let found = marker.metadata().ok()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return None;
    }
    let mut text = String::new();
    let length = MARK.len() as u64 + 1;
    (&mut marker).take(length).read_to_string(&mut text).ok()?;
    let held = Flock::lock(marker, FlockArg::LockExclusiveNonblock).ok()?;
    (text == MARK).then_some(held)
}

/// Whether this is a directory, and this account's alone.
fn is_own_alone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o7777 == 0o700
    })
}

/// Removes a place, the marker last: what a kill leaves of it is still known for one.
fn remove(home: &Path) -> io::Result<()> {
    // A thread that is ending may still write.
    let mut result = Ok(());
    for _ in 0..3 {
        result = emptied(home).and_then(|()| fs::remove_dir_all(home));
        if result.is_ok() {
            break;
        }
    }
    result
}

fn emptied(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        let removed = match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

const MARKER: &str = "made-by-tokend-dev";
const MARK: &str = "A scratch place of `tokend --dev`. Nothing in it is real, and it is removed.\n";

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn base() -> tempfile::TempDir {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o700)).unwrap();
        base
    }

    fn make(base: &Path) -> Place {
        Place::make(|name| (name == "XDG_RUNTIME_DIR").then(|| base.into())).unwrap()
    }

    fn entries(base: &Path) -> usize {
        fs::read_dir(base).unwrap().count()
    }

    /// A place whose process was killed.
    fn killed(base: &Path) -> PathBuf {
        let place = make(base);
        fs::create_dir(place.home().join("audit")).unwrap();
        fs::write(place.home().join("audit/x"), "y").unwrap();
        let home = place.home().to_owned();
        let aside = base.join("aside");
        fs::rename(&home, &aside).unwrap();
        drop(place);
        fs::rename(&aside, &home).unwrap();
        home
    }

    #[test]
    fn a_place_is_its_accounts_alone_and_gone_when_it_is_dropped() {
        let base = base();
        let place = make(base.path());
        assert!(place.home().starts_with(base.path()));
        let mode = fs::metadata(place.home()).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
        fs::write(place.home().join("file"), "x").unwrap();
        fs::create_dir_all(place.home().join("a/b")).unwrap();
        drop(place);
        assert_eq!(entries(base.path()), 0);
    }

    #[test]
    fn a_runtime_directory_that_others_may_use_is_not_used() {
        let (open, temporary) = (base(), base());
        fs::set_permissions(open.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Place::make(|name| match name {
            "XDG_RUNTIME_DIR" => Some(open.path().into()),
            "TMPDIR" => Some(temporary.path().into()),
            _ => None,
        });
        assert!(place.unwrap().home().starts_with(temporary.path()));
    }

    #[test]
    fn where_a_sockets_path_would_be_too_long_the_next_directory_is_taken() {
        let (long, temporary) = (base(), base());
        let deep = long.path().join("d".repeat(90));
        DirBuilder::new().mode(0o700).create(&deep).unwrap();
        let place = Place::make(|name| match name {
            "XDG_RUNTIME_DIR" => Some(deep.clone().into()),
            "TMPDIR" => Some(temporary.path().into()),
            _ => None,
        });
        assert!(place.unwrap().home().starts_with(temporary.path()));
        assert_eq!(entries(&deep), 0);
        let refused = Place::in_one_of([], deep).unwrap_err();
        assert!(refused.to_string().contains("set TMPDIR"), "{refused}");
        let why = refused.source.to_string();
        assert_eq!(why, "its path is too long for a socket below it");
    }

    #[test]
    fn where_a_directory_takes_no_place_the_next_one_does() {
        let good = base();
        let file = good.path().join("file");
        fs::write(&file, "").unwrap();
        let place = Place::in_one_of([file.clone()], good.path().to_owned()).unwrap();
        assert!(place.home().starts_with(good.path()));
        let refused = Place::in_one_of([file.clone()], file.clone()).unwrap_err();
        assert!(refused.to_string().starts_with(file.to_str().unwrap()));
    }

    #[test]
    fn what_a_killed_one_left_is_removed_by_the_next_and_a_place_in_use_is_not() {
        let base = base();
        let used = make(base.path());
        let left = killed(base.path());
        let next = make(base.path());
        assert!(!left.exists());
        assert!(used.home().exists() && next.home().exists());
        assert_eq!(entries(base.path()), 2);
    }

    #[test]
    fn what_is_not_provably_such_a_place_stays() {
        let base = base();
        let home = killed(base.path());
        let rename = |name: &str| {
            let to = base.path().join(name);
            fs::rename(&home, &to).unwrap();
            drop(make(base.path()));
            assert!(to.join("audit/x").exists(), "{name}");
            fs::rename(&to, &home).unwrap();
        };
        rename("tokend-dev-mine");
        rename("tokend-dev-0123456");
        rename("tokend-dev-012345678");
        let stays = |why: &str| {
            drop(make(base.path()));
            assert!(home.join("audit/x").exists(), "{why}");
        };
        fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
        stays("others may read it");
        fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
        let marker = home.join(MARKER);
        fs::write(&marker, format!("{MARK}and more")).unwrap();
        stays("another text");
        fs::rename(&marker, base.path().join("mark")).unwrap();
        stays("no marker");
        fs::write(base.path().join("mark"), MARK).unwrap();
        symlink(base.path().join("mark"), &marker).unwrap();
        stays("a link for a marker");
        fs::remove_file(&marker).unwrap();
        nix::unistd::mkfifo(&marker, nix::sys::stat::Mode::S_IRWXU).unwrap();
        stays("a FIFO for a marker");
        fs::remove_file(&marker).unwrap();
        fs::write(&marker, MARK).unwrap();
        let link = base.path().join("tokend-dev-01234567");
        let aside = base.path().join("aside");
        fs::rename(&home, &aside).unwrap();
        symlink(&aside, &link).unwrap();
        drop(make(base.path()));
        assert!(aside.join("audit/x").exists(), "a link to one");
        fs::rename(&aside, &home).unwrap();
        drop(make(base.path()));
        assert!(!home.exists(), "and now it is one");
    }

    #[test]
    fn what_a_kill_leaves_of_a_removal_is_still_known_for_a_place() {
        let base = base();
        let home = killed(base.path());
        emptied(&home).unwrap();
        assert_eq!(entries(&home), 1);
        drop(make(base.path()));
        assert!(!home.exists());
    }
}
