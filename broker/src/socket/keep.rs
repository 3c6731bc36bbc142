//! A socket that callers connect to: checked regularly, and made again if it is gone.
//!
//! Cleaners of temporary directories remove it, and the end of a login session removes its directory.
//! Connections that are open go on, and no new one comes. So it is bound again where it was, by the rules
//! of a start: never in the place of another program's socket, and never in that of one that systemd
//! made, which only systemd can make again.

use std::fs::symlink_metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{BindError, SocketState, make, state_of};
use crate::config::SocketConfig;

/// A socket that callers connect to, and what is needed to make it again.
#[derive(Debug)]
pub struct SocketGuard {
    path: PathBuf,
    made: Option<Identity>,
    /// `None` if systemd made it, which alone can make it again.
    config: Option<SocketConfig>,
}

/// Why callers cannot connect to a socket, until it is fixed.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// It cannot be made again.
    #[error("no caller can connect to a socket that is gone and cannot be created again: {0}")]
    NotMade(#[from] BindError),
    /// It is not ours to make.
    #[error(
        "no caller can connect to {}, which is gone, and systemd made it; run `systemctl restart \
         tokend.socket tokend.service`; live leases go on, and where the root key is a passphrase the store \
         has to be unlocked again", .0.display()
    )]
    Systemd(PathBuf),
}

impl SocketGuard {
    /// A socket that [`super::make`] has just made.
    #[must_use]
    pub fn ours(path: PathBuf, config: SocketConfig) -> Self {
        Self {
            made: Identity::at(&path),
            path,
            config: Some(config),
        }
    }

    /// A socket that systemd passed on. `None` if it is not seen where it says it is: then nothing can
    /// be seen of its end either.
    #[must_use]
    pub fn systemds(socket: &UnixListener) -> Option<Self> {
        let address = socket.local_addr().ok()?;
        let path = address.as_pathname()?.to_owned();
        Some(Self {
            made: Some(Identity::at(&path)?),
            path,
            config: None,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the socket again if it is gone. `None` while it is where it was.
    ///
    /// Asks the file system: for a thread that may wait.
    ///
    /// # Errors
    ///
    /// [`Lost`]; nothing was changed.
    pub fn look(&mut self) -> Result<Option<UnixListener>, Lost> {
        if self.made.is_some() && Identity::at(&self.path) == self.made {
            return Ok(None);
        }
        let Some(config) = &self.config else {
            return Err(Lost::Systemd(self.path.clone()));
        };
        // Some file systems number their files as they please.
        let own = nix::unistd::getpid().as_raw();
        if matches!(state_of(&self.path), Ok(SocketState::Listening(Some(pid))) if pid == own) {
            self.made = Identity::at(&self.path);
            return Ok(None);
        }
        let again = make(&self.path, config)?;
        self.made = Identity::at(&self.path);
        Ok(Some(again))
    }
}

/// Which socket it is: a number may go to another file, but not with the same birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    fn at(path: &Path) -> Option<Self> {
        let found = symlink_metadata(path).ok()?;
        let found = Some(found).filter(|found| found.file_type().is_socket())?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            born: found.created().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn config() -> SocketConfig {
        SocketConfig {
            mode: 0o600,
            group: None,
        }
    }

    fn kept(path: &Path) -> (UnixListener, SocketGuard) {
        let socket = make(path, &config()).unwrap();
        (socket, SocketGuard::ours(path.to_owned(), config()))
    }

    #[test]
    fn a_socket_that_is_gone_is_made_again_with_its_directory() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/tokend.sock");
        let (_first, mut kept) = kept(&path);
        assert!(kept.look().unwrap().is_none(), "it is there");
        fs::remove_file(&path).unwrap();
        let again = kept.look().unwrap().unwrap();
        UnixStream::connect(&path).unwrap();
        again.accept().unwrap();
        assert!(kept.look().unwrap().is_none());

        fs::remove_dir_all(home.path().join("run")).unwrap();
        let again = kept.look().unwrap().unwrap();
        UnixStream::connect(&path).unwrap();
        again.accept().unwrap();
        let mode = fs::metadata(home.path().join("run")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_socket_of_another_program_is_left_alone_and_taken_back_once_it_is_free() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tokend.sock");
        let (_first, mut kept) = kept(&path);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        let lost = kept.look().unwrap_err();
        assert!(
            matches!(lost, Lost::NotMade(BindError::InTheWay(_))),
            "{lost}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        fs::remove_file(&path).unwrap();
        assert!(kept.look().unwrap().is_some());
    }

    #[test]
    fn a_socket_that_systemd_made_is_not_made_by_us() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tokend.sock");
        let socket = UnixListener::bind(&path).unwrap();
        let mut kept = SocketGuard::systemds(&socket).unwrap();
        assert!(kept.look().unwrap().is_none());
        fs::rename(&path, home.path().join("aside")).unwrap();
        let lost = kept.look().unwrap_err().to_string();
        assert!(lost.contains("systemctl restart tokend.socket"), "{lost}");
        assert!(!path.exists());
        fs::rename(home.path().join("aside"), &path).unwrap();
        assert!(kept.look().unwrap().is_none(), "it is there again");
    }

    #[test]
    fn where_the_directory_cannot_be_made_it_says_so_and_tries_again() {
        let home = tempfile::tempdir().unwrap();
        let run = home.path().join("run");
        let path = run.join("tokend.sock");
        let (_first, mut kept) = kept(&path);
        fs::remove_dir_all(&run).unwrap();
        fs::write(&run, "no directory").unwrap();
        let lost = kept.look().unwrap_err().to_string();
        assert!(lost.contains(&*run.to_string_lossy()), "{lost}");
        fs::remove_file(&run).unwrap();
        assert!(kept.look().unwrap().is_some());
    }
}
