//! Connections: accept, limit, drain.
//!
//! Limits hold before a caller is known to be allowed anything, and before more than the account is
//! asked of the kernel: open connections in all and per account, the size of headers, the time to send
//! them. Over a limit the connection is closed with a short answer, so that a client sees why.

mod admission;
mod figures;
mod half_sent;
mod identify;
mod slots;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use broker_clock::Clock;
use broker_protocol::causes;
use broker_protocol::error::{ErrorCode, Problem};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};

use self::admission::KEPT;
pub(crate) use self::figures::serve_metrics;
use self::half_sent::HalfSent;
pub(crate) use self::identify::Identify;
use self::slots::{Slot, Slots};
use crate::api::Api;
use crate::caller::{self, Peer, PeerError};
use crate::config::Limits;
use crate::connection::Connection;
use crate::socket::Listener;

/// How long a client may take to send its request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// The largest head, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// The most headers.
const HEAD_COUNT: usize = 64;
/// Descriptors that one connection takes, at most.
const DESCRIPTORS: usize = 5;
/// Descriptors for everything else: files, GitHub, scrapers.
const OTHER_DESCRIPTORS: usize = 128;
/// How long requests under way may take once the broker is stopping.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

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

/// Serves connections until `stop` says so, then lets requests under way finish.
pub(crate) async fn serve(
    mut listening: Listening,
    api: Api,
    limits: Limits,
    (identify, clock): (Arc<Identify>, Arc<dyn Clock>),
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Slots::new(within_descriptors(limits), clock));
    let (all_done, mut wait_all) = mpsc::channel::<()>(1);
    loop {
        let stream = tokio::select! {
            accepted = listening.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    // Out of descriptors: connections that end will free some.
                    tracing::error!(cause = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = until_stopped(&mut stop) => break,
        };
        let (api, slots, stop, done) = (
            api.clone(),
            Arc::clone(&slots),
            stop.clone(),
            all_done.clone(),
        );
        let identify = Arc::clone(&identify);
        tokio::spawn(async move {
            let account = match caller::account(&stream) {
                Ok(account) => account,
                Err(error) => {
                    return tracing::warn!(cause = %error, "a caller's account is not known");
                }
            };
            let rank = identify.rank(&account);
            let whose = identify.proc_env.account_of(account.uid);
            let Some(slot) = slots.enter(whose, rank) else {
                return turn_away(stream).await;
            };
            let identified = tokio::select! {
                identified = identify.peer(&stream, rank) => identified,
                () = slot.lost() => return turn_away(stream).await,
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
            connection(stream, peer, api, slot, stop).await;
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

async fn connection(
    stream: Connection,
    peer: Arc<Peer>,
    api: Api,
    slot: Slot,
    mut stop: watch::Receiver<bool>,
) {
    let slot = Arc::new(slot);
    let of_requests = Arc::clone(&slot);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        let (api, slot) = (api.clone(), Arc::clone(&of_requests));
        async move {
            if slot.kept && takes_a_lease(&request) {
                return Ok::<_, Infallible>(no_room());
            }
            let whole = |body| Body::new(HalfSent::new(body, Arc::clone(&slot)));
            let answer = api.answer(request.map(whole)).await;
            slot.answered();
            Ok(answer)
        }
    });
    let serving = http().serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = slot.lost() => {
            tracing::debug!("a connection without a request made room for another");
            return;
        }
        () = until_stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(cause = %error, "a connection ended early");
    }
}

/// What would soon take up the slots that are kept for operators, asked for by their own scripts.
fn takes_a_lease(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST && request.uri().path().starts_with("/v1/leases")
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEAD_COUNT);
    http
}

/// Returns when the broker is to stop, or is gone.
pub(crate) async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn turn_away(mut stream: Connection) {
    let body = too_many();
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    if let Err(error) = stream.write_all(answer.as_bytes()).await {
        tracing::debug!(cause = %error, "a caller turned away did not wait for the answer");
    }
}

fn no_room() -> Response {
    let headers = [
        (CONTENT_TYPE, "application/problem+json"),
        (RETRY_AFTER, "1"),
        (CONNECTION, "close"),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, too_many()).into_response()
}

fn too_many() -> String {
    let problem = Problem::new(
        ErrorCode::RateLimited,
        "too many open connections; close some first",
    );
    serde_json::to_string(&problem).unwrap_or_default()
}
