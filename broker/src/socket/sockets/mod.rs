//! Both sockets at a start: those that systemd passes on, and our own for what it does not.
//!
//! What systemd passes on is told apart by its address and not by its order, in which a unit may list
//! them as it likes. A unit from before there was a proxy lists one alone: then the other one is made
//! here if that is possible, and if not the broker starts without it, because an upgrade of the program
//! must not be what stops it.

#[cfg(test)]
mod tests;

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

    /// Makes both, and takes none that systemd passes on.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn own(paths: &Paths, config: &SocketConfig) -> Result<Self, SocketsError> {
        Self::with(Vec::new(), paths, config)
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
