//! Connections: accept, limit, drain.
//!
//! Limits hold before a caller is known to be allowed anything, and before more than the account is
//! asked of the kernel: open connections in all and per account, the size of headers, the time to send
//! them. Over a limit the connection is closed with a short answer, so that a client sees why.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use broker_protocol::error::{ErrorCode, Problem};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::api::Api;
use crate::broker::Broker;
use crate::caller::{self, Peer, PeerError, Surroundings};
use crate::causes;
use crate::config::Limits;
use crate::connection::Connection;
use crate::socket::Listener;

/// How long a client may take to send its request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// The most headers.
const HEAD_COUNT: usize = 64;
/// Connections to the figures over TCP.
const SCRAPERS: usize = 16;
/// How long one of them lasts.
const SCRAPE_LIMIT: Duration = Duration::from_secs(60);
/// How many callers are identified at once.
const TURNS: usize = 8;
/// How long requests under way may take once the broker is stopping.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Says who is on the other end of a connection just accepted.
pub(crate) struct Identify {
    broker: Arc<Broker>,
    surroundings: Arc<Surroundings>,
    /// So many at once; connections of one program mostly wait for the first to have read it.
    turns: Semaphore,
}

impl Identify {
    pub(crate) fn new(broker: Arc<Broker>, surroundings: Surroundings) -> Self {
        Self {
            broker,
            surroundings: Arc::new(surroundings),
            turns: Semaphore::new(TURNS),
        }
    }

    /// In a thread of its own: a program may lie on a file server that does not answer, and the first
    /// connection of each program may have to wait until its file has been read.
    async fn peer(&self, connection: &Connection) -> Result<Peer, PeerError> {
        let unidentified = PeerError::Unidentified;
        let programs = self.broker.programs();
        let socket = connection.as_fd().try_clone_to_owned();
        let socket = socket.map_err(unidentified)?;
        let surroundings = Arc::clone(&self.surroundings);
        let identified = async {
            let _turn = self.turns.acquire().await;
            let identify = move || Peer::of(&socket, &surroundings, programs);
            tokio::task::spawn_blocking(identify).await
        };
        match tokio::time::timeout(HEAD_LIMIT, identified).await {
            Ok(Ok(peer)) => peer,
            Ok(Err(panic)) => Err(unidentified(panic.into())),
            Err(_elapsed) => {
                let why =
                    "looking at its program took too long; does the file server it lies on answer?";
                Err(unidentified(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        }
    }
}

/// Serves connections until `stop` says so, then lets requests under way finish.
pub(crate) async fn serve(
    listener: Listener,
    api: Api,
    limits: Limits,
    identify: Arc<Identify>,
    mut stop: watch::Receiver<bool>,
) {
    let open = Arc::new(Connections::new(limits));
    let (all_done, mut wait_all) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
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
            let place = match caller::account(&stream) {
                Ok(uid) => open.enter(uid),
                Err(error) => {
                    return tracing::warn!(cause = %error, "a caller's account is not known");
                }
            };
            let Some(_place) = place else {
                return turn_away(stream).await;
            };
            let peer = match identify.peer(&stream).await {
                Ok(peer) => Arc::new(peer),
                Err(PeerError::Gone(gone)) => {
                    tracing::debug!(cause = %gone, "a caller did not wait");
                    return;
                }
                Err(error) => {
                    let cause = causes::in_words(&error);
                    tracing::warn!(cause, "a caller could not be identified");
                    return;
                }
            };
            connection(stream, peer, api, stop).await;
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
    stream: Connection,
    peer: Arc<Peer>,
    api: Api,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(request.map(Body::new)).await) }
    });
    let serving = http().serve_connection(TokioIo::new(stream), service);
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

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEAD_COUNT);
    http
}

/// Serves the figures over TCP, to whoever can connect: few at once, each for a minute at most.
pub(crate) async fn serve_figures(
    listener: TcpListener,
    figures: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(SCRAPERS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = told_to(&mut stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(cause = %error, "a scraper's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let figures = figures.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                figures.clone().oneshot(request.map(Body::new))
            });
            let serving = http().serve_connection(TokioIo::new(stream), service);
            if tokio::time::timeout(SCRAPE_LIMIT, serving).await.is_err() {
                tracing::debug!("a scraper's connection was closed after its minute");
            }
            drop(place);
        });
    }
}

/// Returns when the broker is told to stop, or is gone.
pub(crate) async fn told_to(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn turn_away(mut stream: Connection) {
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
}
