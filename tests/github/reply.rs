//! An answer as it is sent: whole, cut off, or with its rest held back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body as HttpBody, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};

use super::answer::{Answer, Body};

/// All of it.
pub(crate) fn response(answer: &Answer) -> hyper::Response<HttpBody> {
    let mut builder = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(HttpBody::from(bytes(answer))).unwrap()
}

fn bytes(answer: &Answer) -> Bytes {
    match &answer.body {
        Body::None => Bytes::new(),
        Body::Json(json) => Bytes::from(json.to_string()),
        Body::Text(text) => Bytes::from(text.clone()),
    }
}

/// Half of its body, and then the connection is closed.
pub(crate) fn truncated(answer: &Answer) -> hyper::Response<HttpBody> {
    let bytes = bytes(answer);
    let half = bytes.slice(..bytes.len() / 2);
    with_body(answer, bytes.len(), Truncated(Some(half), false))
}

/// In place of its body so many bytes, whose second half waits until `released` changes.
pub(crate) fn held_rest(
    answer: &Answer,
    length: usize,
    mut released: watch::Receiver<u64>,
) -> hyper::Response<HttpBody> {
    let (piece, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        let some = |length| Bytes::from(vec![b'x'; length]);
        // Who asked may have gone meanwhile.
        piece.send(some(length / 2)).await.ok();
        released.changed().await.ok();
        piece.send(some(length - length / 2)).await.ok();
    });
    with_body(answer, length, Pieces(pieces))
}

fn with_body(
    answer: &Answer,
    length: usize,
    body: impl hyper::body::Body<Data = Bytes, Error = Closed> + Send + 'static,
) -> hyper::Response<HttpBody> {
    let mut response = response(answer);
    let length = HeaderValue::from(length);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = HttpBody::new(body);
    response
}

/// A body as it is sent.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The connection is closed instead of an answer.
#[derive(Debug)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

/// Half a body, then nothing.
struct Truncated(Option<Bytes>, bool);

impl hyper::body::Body for Truncated {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        match (self.0.take(), self.1) {
            (Some(half), _) => Poll::Ready(Some(Ok(Frame::data(half)))),
            // Waiting once lets the half go out before the connection is closed.
            (None, false) => {
                self.1 = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            (None, true) => Poll::Ready(Some(Err(Closed))),
        }
    }
}
