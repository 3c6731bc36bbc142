//! One connection that has its slot: its requests, one after another.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::{Exchange, UntilSent};
use super::half_sent::HalfSent;
use super::outgoing::Outgoing;
use super::service::{Bodies, Service};
use super::slots::Slot;
use super::upload::Upload;
use super::{Waits, no_slot, until_stopped};
use crate::caller::Peer;
use crate::connection::{Client, Connection, READ_OF_STREAMS};
use crate::proxy::Tunnel;

/// The largest head, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// The most headers.
const HEAD_COUNT: usize = 64;

/// A connection with its slot, and who is on the other end.
pub(super) struct Admitted {
    pub(super) stream: Connection,
    pub(super) peer: Arc<Peer>,
    pub(super) slot: Slot,
}

impl Admitted {
    /// Answers its requests until it ends, loses its slot, or `stop` says so. A `CONNECT` makes the rest of it a
    /// tunnel, in which TLS ends here and requests go on.
    pub(super) async fn serve<S: Service>(
        self,
        service: S,
        waits: Waits,
        stop: watch::Receiver<bool>,
    ) {
        let Self { stream, peer, slot } = self;
        let slot = Arc::new(slot);
        let exchange = Arc::new(Exchange::new(Arc::clone(&slot)));
        let client = stream.client();
        let stream = match S::BODIES {
            Bodies::Short => Outgoing::short(stream),
            Bodies::Streamed => Outgoing::streamed(stream, Arc::clone(&exchange), waits.idle),
        };
        let mut requests = Requests {
            service,
            peer,
            client,
            slot,
            exchange,
            waits,
            stop,
        };
        let Some((tunnel, upgrade)) = requests.serve(TokioIo::new(stream), None).await else {
            return;
        };
        match requests.end_tls(&tunnel, upgrade).await {
            Ok(stream) => {
                requests.serve(TokioIo::new(stream), Some(tunnel)).await;
            }
            Err(error) => tracing::debug!(cause = %error, "a tunnel ended before a request"),
        }
    }
}

/// All that the requests on one connection have in common.
struct Requests<S> {
    service: S,
    peer: Arc<Peer>,
    client: Client,
    slot: Arc<Slot>,
    exchange: Arc<Exchange>,
    waits: Waits,
    stop: watch::Receiver<bool>,
}

/// A tunnel that was granted, and the connection that is to become it.
type Opening = (Arc<Tunnel>, OnUpgrade);

impl<S: Service> Requests<S> {
    /// Answers those on a stream, which is in a tunnel or not. Returns the tunnel that one of them opened.
    async fn serve<I>(&mut self, stream: I, within: Option<Arc<Tunnel>>) -> Option<Opening>
    where
        I: Read + Write + Unpin + Send + 'static,
    {
        let opened = Arc::new(Mutex::new(None));
        let answers = service_fn(|mut request: Request<Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(Arc::clone(&self.peer));
            if let Some(tunnel) = &within {
                extensions.insert(Arc::clone(tunnel));
            }
            let (service, slot) = (self.service.clone(), Arc::clone(&self.slot));
            let (exchange, idle) = (Arc::clone(&self.exchange), self.waits.idle);
            let opened = Arc::clone(&opened);
            async move {
                if slot.kept && !S::is_for_kept_slots(&request) {
                    return Ok::<_, Infallible>(no_slot::<S>());
                }
                let connect = request.method() == Method::CONNECT;
                let upgrade = connect.then(|| hyper::upgrade::on(&mut request));
                let mut answer = match S::BODIES {
                    Bodies::Short => whole(&service, request, slot).await,
                    Bodies::Streamed => streamed(&service, request, exchange, idle).await,
                };
                let tunnel = answer.extensions_mut().remove::<Arc<Tunnel>>();
                if let (Some(tunnel), Some(upgrade)) = (tunnel, upgrade) {
                    let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
                    *opened = Some((tunnel, upgrade));
                }
                Ok(answer)
            }
        });
        let mut http = http(S::BODIES, self.waits.head);
        if within.is_some() {
            // A relay cannot tell the end of what its client sends from the end of its client.
            http.half_close(false);
        }
        let serving = http.serve_connection(stream, answers).with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let left = "a client left before its answer";
        let result = tokio::select! {
            // First: what a client sent before it left is begun.
            biased;
            result = serving.as_mut() => result,
            () = self.client.left() => {
                tracing::debug!("{left}");
                return None;
            }
            () = self.slot.lost() => {
                tracing::debug!("a connection without a request made room for another");
                return None;
            }
            () = until_stopped(&mut self.stop) => {
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    result = serving => result,
                    () = self.client.left() => {
                        tracing::debug!("{left}");
                        return None;
                    }
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(cause = %error, "a connection ended early");
            return None;
        }
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.take()
    }

    /// Ends TLS on a connection that became a tunnel, with a client that means the tunnel's host.
    async fn end_tls(
        &mut self,
        tunnel: &Tunnel,
        upgrade: OnUpgrade,
    ) -> io::Result<TlsStream<Outgoing>> {
        let upgraded = upgrade.await.map_err(io::Error::other)?;
        let Ok(parts) = upgraded.downcast::<TokioIo<Outgoing>>() else {
            return Err(io::Error::other("not a connection of this server's"));
        };
        if !parts.read_buf.is_empty() {
            return Err(io::Error::other("the client did not wait for the answer"));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&tunnel.server));
        let handshake = acceptor.accept(parts.io.into_inner());
        let stream = tokio::select! {
            done = timeout(self.waits.head, handshake) => done??,
            () = self.slot.lost() => return Err(io::Error::other("it made room for another")),
            () = until_stopped(&mut self.stop) => return Err(io::Error::other("the broker stops")),
        };
        let meant = stream.get_ref().1.server_name();
        match meant {
            Some(name) if !name.eq_ignore_ascii_case(tunnel.host()) => {
                Err(io::Error::other("its TLS means another host"))
            }
            _ => Ok(stream),
        }
    }
}

async fn whole<S: Service>(service: &S, request: Request<Incoming>, slot: Arc<Slot>) -> Response {
    let half_sent = |body| Body::new(HalfSent::new(body, Arc::clone(&slot)));
    let answer = service.answer(request.map(half_sent)).await;
    slot.answered();
    answer
}

async fn streamed<S: Service>(
    service: &S,
    request: Request<Incoming>,
    exchange: Arc<Exchange>,
    idle_limit: Duration,
) -> Response {
    exchange.begin();
    let upload = |body: Incoming| {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Upload::new(body, idle_limit))
        }
    };
    let answer = service.answer(request.map(upload)).await;
    answer.map(|body| Body::new(UntilSent::new(body, exchange)))
}

pub(super) fn http(bodies: Bodies, head_limit: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_limit)
        .max_header_size(HEAD_SIZE)
        .max_headers(HEAD_COUNT)
        .max_buf_size(match bodies {
            Bodies::Short => HEAD_SIZE,
            Bodies::Streamed => READ_OF_STREAMS,
        })
        // A client may close its side after its request, and read on.
        .half_close(true);
    http
}
