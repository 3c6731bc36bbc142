//! The sockets: bind them, check the result, accept on them, and keep them in place.

mod keep;
mod sockets;

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use broker_protocol::paths::{SocketTooLong, check_socket};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt,
};
use nix::unistd::Gid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use self::keep::{Lost, SocketGuard};
pub use self::sockets::{OpenSocket, Sockets, SocketsError, refuse_same_name};
use crate::config::SocketConfig;
use crate::connection::Connection;
use crate::readiness::watched;

/// A socket that callers connect to.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    callers: AsyncFd<OwnedFd>,
}

impl Listener {
    /// Watches a socket for callers; inside a runtime only.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(socket: UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let callers = watched(socket.try_clone()?.into(), Interest::READABLE)?;
        Ok(Self { socket, callers })
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// What the system says, such as too many open files.
    pub async fn accept(&self) -> io::Result<Connection> {
        let accept = |_: &OwnedFd| self.socket.accept();
        let (stream, _) = self.callers.async_io(Interest::READABLE, accept).await?;
        stream.set_nonblocking(true)?;
        Connection::new(stream.into())
    }
}

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another broker listens there.
    #[error(
        "{}: another broker is listening there{}; stop it first, or choose a socket in another \
         directory with `--socket`",
        path.display(), number(*pid)
    )]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The process that listens, where the kernel tells.
        pid: Option<i32>,
    },
    /// Something else is in the way.
    #[error("{}: exists and is not a socket; move it away", .0.display())]
    InTheWay(PathBuf),
    /// No socket can have that path.
    #[error(transparent)]
    TooLong(#[from] SocketTooLong),
    /// The directory may be changed by others.
    #[error("{}: others may put a socket there in our place; run `chmod go-w {}`", .0.display(), .0.display())]
    OpenDirectory(PathBuf),
    /// The socket's mode is not the configured one.
    #[error(
        "{}: the socket got mode {got:04o}, not {wanted:04o}; the file system does not keep modes",
        path.display()
    )]
    Mode {
        /// The socket.
        path: PathBuf,
        /// What was configured.
        wanted: u32,
        /// What it got.
        got: u32,
    },
    /// The system refused.
    #[error("{}: {what}", path.display())]
    System {
        /// The path.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

fn number(pid: Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// What connecting to a path shows.
pub(crate) enum SocketState {
    /// There is no file.
    Missing,
    /// A socket without a listener, or something else.
    NotListening,
    /// A program listens, and this is its number, where the kernel tells.
    Listening(Option<i32>),
}

/// Connects without waiting: a queue that is full is a sign of life too.
fn state_of(path: &Path) -> io::Result<SocketState> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    Ok(match connect(socket.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) => {
            let listening = getsockopt(&socket, sockopt::PeerCredentials);
            let pid = listening.ok().map(|listening| listening.pid());
            SocketState::Listening(pid.filter(|pid| *pid > 0))
        }
        Err(Errno::EAGAIN) => SocketState::Listening(None),
        Err(Errno::ENOENT) => SocketState::Missing,
        Err(_) => SocketState::NotListening,
    })
}

/// Makes the socket with its mode and group, and checks what it really got.
///
/// # Errors
///
/// [`BindError`], each with what to do.
pub fn make(path: &Path, config: &SocketConfig) -> Result<UnixListener, BindError> {
    let fail = |what| system(path, what);
    check_socket(path)?;
    if let Some(directory) = path.parent() {
        make_directory(directory, config)?;
    }
    match state_of(path).map_err(fail("cannot be checked"))? {
        SocketState::Missing => {}
        SocketState::Listening(pid) => {
            let path = path.to_owned();
            return Err(BindError::InUse { path, pid });
        }
        SocketState::NotListening => {
            // A socket without a listener is left over from a broker that was killed.
            use std::os::unix::fs::FileTypeExt;
            let metadata = std::fs::symlink_metadata(path).map_err(fail("cannot be checked"))?;
            if !metadata.file_type().is_socket() {
                return Err(BindError::InTheWay(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(fail("a stale socket cannot be removed"))?;
        }
    }
    // The umask makes it 0600 at birth, so there is no moment in which it is open to more.
    let listener = UnixListener::bind(path).map_err(fail("the socket cannot be created"))?;
    if let Some(group) = config.group {
        nix::unistd::chown(path, None, Some(Gid::from_raw(group)))
            .map_err(io::Error::from)
            .map_err(fail("the socket cannot be given to its group"))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(config.mode))
        .map_err(fail("the socket cannot be given its mode"))?;
    let got = std::fs::metadata(path)
        .map_err(fail("cannot be checked"))?
        .mode()
        & 0o777;
    if got != config.mode {
        return Err(BindError::Mode {
            path: path.to_owned(),
            wanted: config.mode,
            got,
        });
    }
    Ok(listener)
}

fn system(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |source| BindError::System { path, what, source }
}

/// The socket's directory: ours alone, unless the socket is for others, who must reach it.
fn make_directory(directory: &Path, config: &SocketConfig) -> Result<(), BindError> {
    let fail = |what| system(directory, what);
    if !directory.exists() {
        std::fs::create_dir_all(directory).map_err(fail("cannot be made"))?;
        let mode = if config.mode == 0o600 { 0o700 } else { 0o755 };
        std::fs::set_permissions(directory, Permissions::from_mode(mode))
            .map_err(fail("cannot be given its mode"))?;
    }
    let metadata = std::fs::metadata(directory).map_err(fail("cannot be checked"))?;
    if metadata.mode() & 0o022 != 0 {
        return Err(BindError::OpenDirectory(directory.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_gets_its_mode_and_replaces_one_left_over_but_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/tokend.sock");
        let config = SocketConfig {
            mode: 0o666,
            group: None,
        };
        let first = make(&path, &config).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        assert!(matches!(
            make(&path, &config),
            Err(BindError::InUse { pid: Some(_), .. })
        ));
        drop(first);
        assert!(
            make(&path, &config).is_ok(),
            "no process listens on it any more"
        );

        let file = home.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(make(&file, &config), Err(BindError::InTheWay(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_before_its_directory_is_made() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x".repeat(100)).join("s");
        let error = make(&path, &SocketConfig::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("Linux allows 107") && text.contains("--socket"),
            "{text}"
        );
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn a_directory_others_may_write_is_refused_with_the_chmod() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        let config = SocketConfig {
            mode: 0o600,
            group: None,
        };
        let error = make(&home.path().join("s"), &config).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
}
