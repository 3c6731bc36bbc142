//! One request after another on a connection with streamed bodies, and whether its slot may go to another.
//!
//! A request counts from its head on, because its body may take minutes, and until its client has taken the
//! whole answer. The end of an answer's body is not that yet: what does not fit into the socket still waits,
//! and would be cut off with the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use super::slots::Slot;

/// All that happens on one connection is polled by one task.
const ORDER: Ordering = Ordering::Relaxed;

pub(super) struct Exchange {
    slot: Arc<Slot>,
    /// From a request's head to the end of its answer's body.
    under_way: AtomicBool,
}

impl Exchange {
    pub(super) const fn new(slot: Arc<Slot>) -> Self {
        Self {
            slot,
            under_way: AtomicBool::new(false),
        }
    }

    /// A request's head has arrived.
    pub(super) fn begin(&self) {
        self.under_way.store(true, ORDER);
        self.asks();
    }

    /// An answer waits for room in the socket.
    pub(super) fn blocked(&self) {
        if !self.under_way.load(ORDER) {
            self.asks();
        }
    }

    /// The client has taken what waited.
    pub(super) fn taken(&self) {
        if !self.under_way.load(ORDER) {
            self.slot.answered();
        }
    }

    fn end(&self) {
        self.under_way.store(false, ORDER);
        self.slot.answered();
    }

    fn asks(&self) {
        if !self.slot.asks() {
            tracing::debug!("a request came after its slot was given away");
        }
    }
}

/// An answer's body; when it is sent or dropped, its request is not under way any more.
pub(super) struct UntilSent {
    body: Body,
    exchange: Arc<Exchange>,
}

impl UntilSent {
    pub(super) const fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl hyper::body::Body for UntilSent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UntilSent {
    fn drop(&mut self) {
        self.exchange.end();
    }
}
