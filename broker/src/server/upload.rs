//! A request's body that is passed on as it comes, from a client that may not stop sending.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::patience::Patience;

/// Nothing is waited for while no one asks for more: then it is not the client that is slow.
pub(super) struct Upload {
    body: Incoming,
    patience: Patience,
}

impl Upload {
    pub(super) const fn new(body: Incoming, limit: Duration) -> Self {
        Self {
            body,
            patience: Patience::new(limit),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.patience.restore();
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::other)));
        }
        this.patience.poll_over(cx).map(|()| {
            let limit = this.patience.limit.as_secs();
            let why = format!("the client sent nothing more of its request for {limit} s");
            Some(Err(Error::new(ErrorKind::TimedOut, why)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
