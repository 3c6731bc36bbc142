//! Connections: accept, limit, drain. One way for both sockets, which share every limit.
//!
//! Limits hold before a caller is known to be allowed anything, and before more than the account is
//! asked of the kernel: open connections in all and per account, the size of headers, the time to send
//! them. Over a limit the connection is closed with a short answer, so that a client sees why.

mod admission;
mod exchange;
mod figures;
mod half_sent;
mod identify;
mod outgoing;
mod patience;
mod requests;
mod service;
mod slots;
#[cfg(test)]
mod tests;
mod upload;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use broker_clock::Clock;
use broker_protocol::causes;
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use self::admission::KEPT;
pub(crate) use self::figures::serve_metrics;
pub(crate) use self::identify::Identify;
use self::requests::Admitted;
use self::service::Service;
use self::slots::Slots;
use crate::caller::{self, PeerError};
use crate::config::Limits;
use crate::connection::Connection;
use crate::socket::Listener;

/// How long a client may take to send its request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long the client of a streamed body may neither send nor take a byte of it.
const IDLE_LIMIT: Duration = Duration::from_secs(5 * 60);
/// How long requests under way may take once the broker is stopping.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Descriptors that one connection takes, at most: five of its own, and one to GitHub.
const DESCRIPTORS: usize = 6;
/// Descriptors for everything else: files, GitHub, scrapers.
const OTHER_DESCRIPTORS: usize = 128;

/// What all sockets share.
pub(crate) struct Server {
    slots: Arc<Slots>,
    identify: Identify,
    waits: Waits,
}

/// How long is waited for a client, and for all of them at a stop.
#[derive(Debug, Clone, Copy)]
struct Waits {
    head: Duration,
    idle: Duration,
    drain: Duration,
}

/// A socket, and what is served on it.
pub(crate) struct Served<S> {
    pub(crate) listening: Listening,
    pub(crate) service: S,
}

/// The socket, and those that come in its place when it had to be made again.
pub(crate) struct Listening {
    pub(crate) now: Listener,
    pub(crate) next: mpsc::Receiver<Listener>,
}

impl Listening {
    /// The next connection. Those that wait on a socket that was replaced have come already, or come
    /// from it first.
    async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            tokio::select! {
                biased;
                accepted = self.now.accept() => return accepted,
                Some(next) = self.next.recv() => self.now = next,
            }
        }
    }
}

impl Server {
    pub(crate) fn new(limits: Limits, identify: Identify, clock: Arc<dyn Clock>) -> Self {
        let slots = Slots::new(within_descriptors(limits), clock);
        Self {
            slots: Arc::new(slots),
            identify,
            waits: Waits {
                head: HEAD_LIMIT,
                idle: IDLE_LIMIT,
                drain: DRAIN_LIMIT,
            },
        }
    }

    /// Serves connections until `stop` says so, then lets requests under way finish.
    pub(crate) async fn serve(
        self,
        api: Served<impl Service>,
        proxy: Option<Served<impl Service>>,
        stop: watch::Receiver<bool>,
    ) {
        let server = Arc::new(self);
        let on_proxy = async {
            if let Some(proxy) = proxy {
                server.serve_socket(proxy, stop.clone()).await;
            }
        };
        tokio::join!(server.serve_socket(api, stop.clone()), on_proxy);
    }

    async fn serve_socket<S: Service>(
        self: &Arc<Self>,
        mut served: Served<S>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut open = JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = served.listening.accept() => match accepted {
                    Ok(stream) => stream,
                    Err(error) => {
                        // Out of descriptors: connections that end will free some.
                        tracing::error!(cause = %error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                Some(ended) = open.join_next() => {
                    note_panic(ended);
                    continue;
                }
                () = until_stopped(&mut stop) => break,
            };
            let service = served.service.clone();
            open.spawn(Arc::clone(self).serve_connection(stream, service, stop.clone()));
        }
        let drained = async {
            while let Some(ended) = open.join_next().await {
                note_panic(ended);
            }
        };
        let drained = tokio::time::timeout(self.waits.drain, drained).await;
        if drained.is_err() {
            let after = self.waits.drain.as_secs();
            tracing::warn!("requests still under way after {after} s are cut off");
            open.shutdown().await;
        }
    }

    async fn serve_connection<S: Service>(
        self: Arc<Self>,
        stream: Connection,
        service: S,
        stop: watch::Receiver<bool>,
    ) {
        let account = match caller::account(&stream) {
            Ok(account) => account,
            Err(error) => {
                return tracing::warn!(cause = %error, "a caller's account is not known");
            }
        };
        let rank = self.identify.rank(&account);
        let whose = self.identify.proc_env.account_of(account.uid);
        let Some(slot) = self.slots.enter(whose, rank) else {
            return turn_away::<S>(stream).await;
        };
        let identified = tokio::select! {
            identified = self.identify.peer(&stream, rank) => identified,
            () = slot.lost() => return turn_away::<S>(stream).await,
        };
        let peer = match identified {
            Ok(peer) => Arc::new(peer),
            Err(PeerError::Gone(gone)) => {
                tracing::debug!(cause = %gone, "a caller did not wait");
                return;
            }
            Err(error) => {
                let cause = causes::describe(&error);
                tracing::warn!(cause, "a caller could not be identified");
                return;
            }
        };
        let admitted = Admitted { stream, peer, slot };
        admitted.serve(service, self.waits, stop).await;
    }
}

/// No more connections than there are descriptors for: otherwise none could be accepted, operators'
/// not either, and no file opened.
fn within_descriptors(limits: Limits) -> Limits {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let most = (most.saturating_sub(OTHER_DESCRIPTORS) / DESCRIPTORS).saturating_sub(KEPT);
    let connections = limits.connections.min(most.max(1));
    if connections < limits.connections {
        tracing::warn!(
            connections,
            configured = limits.connections,
            "fewer connections than `[limits] connections` says: the limit of open files \
             (`ulimit -n`, `LimitNOFILE=`) allows no more"
        );
    }
    Limits {
        connections,
        ..limits
    }
}

/// Returns when the broker is to stop, or is gone.
pub(crate) async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn note_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(cause = %error, "a connection ended in a panic");
    }
}

/// Answers before anything was read, and closes the connection.
async fn turn_away<S: Service>(mut stream: Connection) {
    let (head, body) = no_slot::<S>().into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    let length = format!("content-length: {}\r\n\r\n", body.len());
    answer.extend_from_slice(length.as_bytes());
    answer.extend_from_slice(&body);
    if let Err(error) = stream.write_all(&answer).await {
        tracing::debug!(cause = %error, "a caller turned away did not wait for the answer");
    }
}

/// The connection ends with it.
fn no_slot<S: Service>() -> Response {
    let mut answer = S::no_slot();
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    answer
}
