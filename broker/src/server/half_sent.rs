//! A request's body that says when it has arrived whole. Until then its connection asks for nothing: a
//! head alone is sent in an instant, and would hold a place for as long as a request may take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::slots::Slot;

pub(super) struct HalfSent {
    body: Incoming,
    place: Arc<Slot>,
}

impl HalfSent {
    pub(super) fn new(body: Incoming, place: Arc<Slot>) -> Self {
        let half_sent = Self { body, place };
        if half_sent.body.is_end_stream() {
            half_sent.is_whole();
        }
        half_sent
    }

    fn is_whole(&self) {
        if !self.place.asks() {
            tracing::debug!("a request came after its slot was given away");
        }
    }
}

impl Body for HalfSent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.is_whole();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
