//! One connection that has its slot: its requests, one after another.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::exchange::{Exchange, UntilSent};
use super::half_sent::HalfSent;
use super::outgoing::Outgoing;
use super::service::{Bodies, Service};
use super::slots::Slot;
use super::upload::Upload;
use super::{Waits, no_slot, until_stopped};
use crate::caller::Peer;
use crate::connection::{Connection, READ_OF_STREAMS};

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
    /// Answers its requests until it ends, loses its slot, or `stop` says so.
    pub(super) async fn serve<S: Service>(
        self,
        service: S,
        waits: Waits,
        mut stop: watch::Receiver<bool>,
    ) {
        let Self { stream, peer, slot } = self;
        let slot = Arc::new(slot);
        let exchange = Arc::new(Exchange::new(Arc::clone(&slot)));
        let stream = match S::BODIES {
            Bodies::Short => Outgoing::short(stream),
            Bodies::Streamed => Outgoing::streamed(stream, Arc::clone(&exchange), waits.idle),
        };
        let of_requests = Arc::clone(&slot);
        let answers = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&peer));
            let (service, slot) = (service.clone(), Arc::clone(&of_requests));
            let exchange = Arc::clone(&exchange);
            async move {
                if slot.kept && !S::is_for_kept_slots(&request) {
                    return Ok::<_, Infallible>(no_slot::<S>());
                }
                Ok(match S::BODIES {
                    Bodies::Short => whole(&service, request, slot).await,
                    Bodies::Streamed => streamed(&service, request, exchange, waits.idle).await,
                })
            }
        });
        let serving = http(S::BODIES, waits.head).serve_connection(TokioIo::new(stream), answers);
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
        // A client that closes its side has left: nothing goes on for it.
        .half_close(false);
    http
}
