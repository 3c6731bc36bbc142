//! Both sockets at a start: those that systemd passes on, and our own for what it does not.
//!
//! What systemd passes on is told apart by its address and not by its order, in which a unit may list
//! them as it likes. A unit from before there was a proxy lists one alone: then the other one is made
//! here if that is possible, and if not the broker starts without it, because an upgrade of the program
//! must not be what stops it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use broker_protocol::causes;
use broker_protocol::paths::{PROXY_SOCKET, Paths};
use listenfd::ListenFd;

use super::{BindError, Listener, SocketGuard, make};
use crate::config::SocketConfig;

/// Both sockets, each with what is needed to keep it in place.
#[derive(Debug)]
pub struct Sockets {
    /// For callers and operators.
    pub api: OpenSocket,
    /// For requests to GitHub. `None` if an older unit of systemd's does not have it.
    pub proxy: Option<OpenSocket>,
}

/// A socket that callers can connect to.
#[derive(Debug)]
pub struct OpenSocket {
    /// Accepts on it.
    pub listener: Listener,
    /// `None` where its end would not be seen.
    pub guard: Option<SocketGuard>,
}

/// Why the sockets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// The name of the one is that of the other.
    #[error(
        "{}: the proxy's socket has that name; choose another one with `--socket` or `TOKEND_SOCKET`",
        .0.display()
    )]
    SameName(PathBuf),
    /// One could not be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Something else than a socket was passed on.
    #[error("a socket that systemd passed cannot be used")]
    Passed(#[source] io::Error),
    /// The runtime refused.
    #[error("a socket cannot be watched")]
    Watch(#[source] io::Error),
}

impl Sockets {
    /// Takes those that systemd passes on, and makes the others; inside a runtime only.
    ///
    /// # Errors
    ///
    /// [`SocketsError`], each with what to do.
    pub fn open(paths: &Paths, config: &SocketConfig) -> Result<Self, SocketsError> {
        Self::with(passed()?, paths, config)
    }

    fn with(
        passed: Vec<UnixListener>,
        paths: &Paths,
        config: &SocketConfig,
    ) -> Result<Self, SocketsError> {
        let (proxys, apis): (Vec<_>, Vec<_>) = passed.into_iter().partition(is_proxys);
        let make = |path: &Path| OpenSocket::make(path, config);
        let (api, proxy) = match (first(apis), first(proxys)) {
            (None, None) => (make(&paths.socket)?, Some(make(&paths.proxy_socket)?)),
            (None, Some(proxy)) => (make(&paths.socket)?, Some(OpenSocket::passed(proxy)?)),
            (Some(api), Some(proxy)) => {
                let proxy = OpenSocket::passed(proxy)?;
                (OpenSocket::passed(api)?, Some(proxy))
            }
            (Some(api), None) => {
                let api = OpenSocket::passed(api)?;
                let proxy = beside(&api, paths, config);
                (api, proxy)
            }
        };
        Ok(Self { api, proxy })
    }
}

/// Refuses paths by which the one socket would be the other.
///
/// # Errors
///
/// [`SocketsError::SameName`].
pub fn refuse_same_name(paths: &Paths) -> Result<(), SocketsError> {
    if paths.socket == paths.proxy_socket {
        return Err(SocketsError::SameName(paths.socket.clone()));
    }
    Ok(())
}

impl OpenSocket {
    fn make(path: &Path, config: &SocketConfig) -> Result<Self, SocketsError> {
        let socket = make(path, config)?;
        let guard = SocketGuard::ours(path.to_owned(), config.clone());
        Self::watch(socket, Some(guard))
    }

    fn passed(socket: UnixListener) -> Result<Self, SocketsError> {
        let guard = SocketGuard::systemds(&socket);
        Self::watch(socket, guard)
    }

    fn watch(socket: UnixListener, guard: Option<SocketGuard>) -> Result<Self, SocketsError> {
        let listener = Listener::new(socket).map_err(SocketsError::Watch)?;
        Ok(Self { listener, guard })
    }
}

/// What the service manager passes on (`sd_listen_fds(3)`).
fn passed() -> Result<Vec<UnixListener>, SocketsError> {
    let mut passed = ListenFd::from_env();
    let all =
        (0..passed.len()).map(|at| passed.take_unix_listener(at).map_err(SocketsError::Passed));
    all.filter_map(Result::transpose).collect()
}

fn is_proxys(socket: &UnixListener) -> bool {
    address(socket).is_some_and(|path| path.file_name().is_some_and(|name| name == PROXY_SOCKET))
}

fn address(socket: &UnixListener) -> Option<PathBuf> {
    Some(socket.local_addr().ok()?.as_pathname()?.to_owned())
}

fn first(passed: Vec<UnixListener>) -> Option<UnixListener> {
    let mut passed = passed.into_iter();
    let first = passed.next();
    for other in passed {
        let socket = address(&other).unwrap_or_default();
        tracing::warn!(socket = %socket.display(), "systemd passed one socket too many; it is not served");
    }
    first
}

/// The proxy's socket beside one that systemd made, open to the same accounts.
fn beside(api: &OpenSocket, paths: &Paths, config: &SocketConfig) -> Option<OpenSocket> {
    let (path, config) = match api.guard.as_ref().map(SocketGuard::path) {
        Some(api) => (
            api.with_file_name(PROXY_SOCKET),
            open_like(api).unwrap_or_else(|| config.clone()),
        ),
        None => (paths.proxy_socket.clone(), config.clone()),
    };
    match OpenSocket::make(&path, &config) {
        Ok(proxy) => {
            tracing::info!(
                socket = %path.display(),
                "tokend.socket does not list the proxy's socket; the broker made it"
            );
            Some(proxy)
        }
        Err(error) => {
            tracing::warn!(
                cause = causes::describe(&error),
                "there is no proxy: tokend.socket does not list its socket, which cannot be made either; \
                 install the newer tokend.socket, and run `systemctl daemon-reload` and `systemctl restart \
                 tokend.socket tokend.service`"
            );
            None
        }
    }
}

fn open_like(socket: &Path) -> Option<SocketConfig> {
    let made = std::fs::symlink_metadata(socket).ok()?;
    Some(SocketConfig {
        mode: made.mode() & 0o777,
        group: Some(made.gid()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    use tempfile::TempDir;

    use super::*;

    fn home() -> (TempDir, Paths) {
        let home = tempfile::tempdir().unwrap();
        let mut paths = Paths::below(home.path());
        paths.set_socket(home.path().join("x.sock"));
        (home, paths)
    }

    fn config(mode: u32) -> SocketConfig {
        SocketConfig { mode, group: None }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// As systemd makes it.
    fn made(path: &Path, mode: u32) -> UnixListener {
        let socket = UnixListener::bind(path).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        socket
    }

    /// Whether what connects to the path arrives at this socket.
    async fn leads_to(path: &Path, socket: &OpenSocket) -> bool {
        let Ok(_client) = UnixStream::connect(path) else {
            return false;
        };
        socket.listener.accept().await.is_ok()
    }

    #[tokio::test]
    async fn both_are_made_with_one_mode_and_each_replaces_one_left_over() {
        let (_home, paths) = home();
        drop(made(&paths.socket, 0o600));
        drop(made(&paths.proxy_socket, 0o600));
        let both = Sockets::with(Vec::new(), &paths, &config(0o666)).unwrap();
        let proxy = both.proxy.unwrap();
        for (path, socket) in [(&paths.socket, &both.api), (&paths.proxy_socket, &proxy)] {
            assert_eq!(mode(path), 0o666);
            assert_eq!(socket.guard.as_ref().unwrap().path(), path);
            assert!(leads_to(path, socket).await);
        }
    }

    #[tokio::test]
    async fn those_that_are_passed_on_are_told_apart_in_either_order() {
        for proxy_first in [false, true] {
            let (_home, paths) = home();
            let api = made(&paths.socket, 0o660);
            let proxy = made(&paths.proxy_socket, 0o660);
            let passed = if proxy_first {
                vec![proxy, api]
            } else {
                vec![api, proxy]
            };
            let both = Sockets::with(passed, &paths, &config(0o600)).unwrap();
            let proxy = both.proxy.unwrap();
            assert!(leads_to(&paths.socket, &both.api).await);
            assert!(leads_to(&paths.proxy_socket, &proxy).await);
            assert_eq!(mode(&paths.proxy_socket), 0o660, "left as systemd made it");
            fs::remove_file(&paths.proxy_socket).unwrap();
            let lost = proxy.guard.unwrap().look().unwrap_err().to_string();
            assert!(lost.contains("proxy.sock, which is gone"), "{lost}");
        }
    }

    #[tokio::test]
    async fn beside_one_from_an_older_unit_the_proxys_is_made_for_the_same_accounts() {
        let (home, paths) = home();
        // A unit may put it where the configuration does not say.
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let passed = made(&elsewhere.join("any.sock"), 0o660);
        let both = Sockets::with(vec![passed], &paths, &config(0o600)).unwrap();
        let mut proxy = both.proxy.unwrap();
        let path = elsewhere.join("proxy.sock");
        assert!(leads_to(&path, &proxy).await);
        assert_eq!(mode(&path), 0o660);
        fs::remove_file(&path).unwrap();
        let again = proxy.guard.as_mut().unwrap().look().unwrap();
        assert!(again.is_some() && mode(&path) == 0o660);
    }

    #[tokio::test]
    async fn where_that_cannot_be_made_the_broker_starts_without_it() {
        let (_home, paths) = home();
        let api = made(&paths.socket, 0o660);
        fs::write(&paths.proxy_socket, "a file").unwrap();
        let both = Sockets::with(vec![api], &paths, &config(0o600)).unwrap();
        assert!(both.proxy.is_none());
        assert!(leads_to(&paths.socket, &both.api).await);
        assert_eq!(fs::read_to_string(&paths.proxy_socket).unwrap(), "a file");
        // Without systemd it is an error, which says what to do.
        fs::remove_file(&paths.socket).unwrap();
        let error = Sockets::with(Vec::new(), &paths, &config(0o600)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("proxy.sock: exists and is not a socket"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_proxys_alone_may_be_passed_on_and_one_too_many_is_not_served() {
        let (home, paths) = home();
        let proxy = made(&paths.proxy_socket, 0o660);
        let both = Sockets::with(vec![proxy], &paths, &config(0o600)).unwrap();
        assert!(leads_to(&paths.socket, &both.api).await);
        assert!(leads_to(&paths.proxy_socket, &both.proxy.unwrap()).await);

        let one = made(&home.path().join("1.sock"), 0o660);
        let other = made(&home.path().join("2.sock"), 0o660);
        let both = Sockets::with(vec![one, other], &paths, &config(0o600)).unwrap();
        assert!(leads_to(&home.path().join("1.sock"), &both.api).await);
        assert!(UnixStream::connect(home.path().join("2.sock")).is_err());
    }

    #[test]
    fn the_other_socket_may_not_have_the_proxys_name() {
        let (home, mut paths) = home();
        refuse_same_name(&paths).unwrap();
        paths.set_socket(home.path().join("proxy.sock"));
        let error = refuse_same_name(&paths).unwrap_err().to_string();
        assert!(
            error.contains("choose another one with `--socket`"),
            "{error}"
        );
    }
}
