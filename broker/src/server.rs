//! The socket: bind, accept, limit, drain.
//!
//! Limits hold before a caller is known to be allowed anything: open connections in all and per
//! account, the size of headers, the time to send them. Over a limit the connection is closed with
//! a short answer, so that a client sees why.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use broker_protocol::error::{ErrorCode, Problem};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::unistd::Gid;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::api::Api;
use crate::caller::{Peer, PeerError};
use crate::config::{Limits, SocketConfig};

/// How long a client may take to send its request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// The most headers.
const HEAD_COUNT: usize = 64;
/// How long requests under way may take once the broker is stopping.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another broker listens there.
    #[error("{}: another broker is listening there; stop it first", .0.display())]
    InUse(PathBuf),
    /// Something else is in the way.
    #[error("{}: is there and is no socket; move it away", .0.display())]
    InTheWay(PathBuf),
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

/// Makes the socket with its mode and group, and checks what it really got.
///
/// # Errors
///
/// [`BindError`], each saying what mends it.
pub fn bind(path: &Path, config: &SocketConfig) -> Result<UnixListener, BindError> {
    let fail = |what| {
        let path = path.to_owned();
        move |source| BindError::System { path, what, source }
    };
    if let Some(directory) = path.parent() {
        make_directory(directory, config)?;
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => {
            // A socket nobody listens on is left over from a broker that was killed.
            use std::os::unix::fs::FileTypeExt;
            let metadata = std::fs::symlink_metadata(path).map_err(fail("cannot be looked at"))?;
            if !metadata.file_type().is_socket() {
                return Err(BindError::InTheWay(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(fail("a stale socket cannot be removed"))?;
        }
    }
    // The umask makes it 0600 at birth, so there is no moment in which it is open to more.
    let listener = UnixListener::bind(path).map_err(fail("the socket cannot be made"))?;
    if let Some(group) = config.group {
        nix::unistd::chown(path, None, Some(Gid::from_raw(group)))
            .map_err(io::Error::from)
            .map_err(fail("the socket cannot be given to its group"))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(config.mode))
        .map_err(fail("the socket cannot be given its mode"))?;
    let got = std::fs::metadata(path)
        .map_err(fail("cannot be looked at"))?
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

/// The socket's directory: ours alone, unless the socket is for others, who must reach it.
fn make_directory(directory: &Path, config: &SocketConfig) -> Result<(), BindError> {
    let fail = |what| {
        let path = directory.to_owned();
        move |source| BindError::System { path, what, source }
    };
    if !directory.exists() {
        std::fs::create_dir_all(directory).map_err(fail("cannot be made"))?;
        let mode = if config.mode == 0o600 { 0o700 } else { 0o755 };
        std::fs::set_permissions(directory, Permissions::from_mode(mode))
            .map_err(fail("cannot be given its mode"))?;
    }
    let metadata = std::fs::metadata(directory).map_err(fail("cannot be looked at"))?;
    if metadata.mode() & 0o022 != 0 {
        return Err(BindError::OpenDirectory(directory.to_owned()));
    }
    Ok(())
}

/// Says who is on the other end of a connection just accepted.
pub type Identify = Arc<dyn Fn(&UnixStream) -> Result<Peer, PeerError> + Send + Sync>;

/// Serves connections until `stop` says so, then lets requests under way finish.
pub async fn serve(
    listener: UnixListener,
    api: Api,
    limits: Limits,
    identify: Identify,
    mut stop: watch::Receiver<bool>,
) {
    let open = Arc::new(Connections::new(limits));
    let (all_done, mut wait_all) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors: connections that end will free some.
                    tracing::error!(cause = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = told_to(&mut stop) => break,
        };
        let (api, open, stop, done) = (
            api.clone(),
            Arc::clone(&open),
            stop.clone(),
            all_done.clone(),
        );
        let identify = Arc::clone(&identify);
        tokio::spawn(async move {
            let peer = match identify(&stream) {
                Ok(peer) => Arc::new(peer),
                Err(PeerError::Gone(gone)) => {
                    tracing::debug!(cause = %gone, "a caller did not wait");
                    return;
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "a caller could not be identified");
                    return;
                }
            };
            match open.enter(peer.uid()) {
                Some(_place) => connection(stream, peer, api, stop).await,
                None => turn_away(stream).await,
            }
            drop(done);
        });
    }
    drop(all_done);
    // Every connection holds a sender; when the last one ends, the channel closes.
    if tokio::time::timeout(DRAIN_LIMIT, wait_all.recv())
        .await
        .is_err()
    {
        tracing::warn!(
            "requests still under way after {} s are cut off",
            DRAIN_LIMIT.as_secs()
        );
    }
}

async fn connection(
    stream: UnixStream,
    peer: Arc<Peer>,
    api: Api,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(request.map(Body::new)).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEAD_COUNT)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = told_to(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

/// Returns when the broker is told to stop, or is gone.
pub(crate) async fn told_to(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn turn_away(mut stream: UnixStream) {
    let problem = Problem::new(
        ErrorCode::RateLimited,
        "too many open connections; close some first",
    );
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    if let Err(error) = stream.write_all(answer.as_bytes()).await {
        tracing::debug!(cause = %error, "a caller turned away did not wait for the answer");
    }
}

/// Open connections, in all and by account.
struct Connections {
    limits: Limits,
    open: Mutex<(usize, HashMap<u32, usize>)>,
}

struct Place {
    connections: Arc<Connections>,
    uid: u32,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
        }
    }

    fn enter(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, accounts) = &mut *open;
        let own = accounts.entry(uid).or_default();
        if *all >= self.limits.connections || *own >= self.limits.connections_per_account {
            return None;
        }
        *all += 1;
        *own += 1;
        Some(Place {
            connections: Arc::clone(self),
            uid,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (all, accounts) = &mut *open;
        *all -= 1;
        if let Some(own) = accounts.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                accounts.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_cannot_take_every_connection() {
        let limits = Limits {
            connections: 3,
            connections_per_account: 2,
            ..Limits::default()
        };
        let open = Arc::new(Connections::new(limits));
        let first = open.enter(7);
        let _second = open.enter(7);
        assert!(open.enter(7).is_none());
        let _other = open.enter(8);
        assert!(open.enter(9).is_none(), "the limit over all accounts");
        drop(first);
        assert!(open.enter(9).is_some());
    }

    #[tokio::test]
    async fn a_socket_gets_its_mode_and_replaces_one_left_over_but_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/tokend.sock");
        let config = SocketConfig {
            mode: 0o666,
            group: None,
        };
        let first = bind(&path, &config).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        assert!(matches!(bind(&path, &config), Err(BindError::InUse(_))));
        drop(first);
        assert!(
            bind(&path, &config).is_ok(),
            "nobody listens on it any more"
        );

        let file = home.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(bind(&file, &config), Err(BindError::InTheWay(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }

    #[tokio::test]
    async fn a_directory_others_may_write_is_refused_with_the_mend() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        let config = SocketConfig {
            mode: 0o600,
            group: None,
        };
        let error = bind(&home.path().join("s"), &config).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
}
