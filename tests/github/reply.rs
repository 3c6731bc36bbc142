//! An answer as it is sent: whole, cut off, or with its rest held back.

use std::fmt;
use std::mem;
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
        Body::Bytes(bytes) => bytes.clone(),
    }
}

/// Half of its body, and then the connection is closed.
pub(crate) fn truncated(answer: &Answer) -> hyper::Response<HttpBody> {
    let bytes = bytes(answer);
    let mut half = Some(bytes.slice(..bytes.len() / 2));
    let mut has_waited = false;
    with_body(answer, bytes.len(), move |context| {
        if let Some(half) = half.take() {
            return Poll::Ready(Some(Ok(half)));
        }
        if mem::replace(&mut has_waited, true) {
            return Poll::Ready(Some(Err(Closed)));
        }
        // Waiting once lets the half go out before the connection is closed.
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// In place of its body so many bytes, whose second half waits until `released` changes.
pub(crate) fn held_rest(
    answer: &Answer,
    length: usize,
    mut released: watch::Receiver<u64>,
) -> hyper::Response<HttpBody> {
    let (piece, mut pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        let some = |length| Bytes::from(vec![b'x'; length]);
        // Who asked may have gone meanwhile.
        piece.send(some(length / 2)).await.ok();
        released.changed().await.ok();
        piece.send(some(length - length / 2)).await.ok();
    });
    with_body(answer, length, move |context| {
        pieces.poll_recv(context).map(|piece| piece.map(Ok))
    })
}

type NextPiece = Poll<Option<Result<Bytes, Closed>>>;

fn with_body(
    answer: &Answer,
    length: usize,
    next: impl FnMut(&mut Context<'_>) -> NextPiece + Send + Unpin + 'static,
) -> hyper::Response<HttpBody> {
    let mut response = response(answer);
    let length = HeaderValue::from(length);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    *response.body_mut() = HttpBody::new(Pieces(next));
    response
}

/// A body, of the pieces that this gives one after the other.
struct Pieces<F>(F);

impl<F> hyper::body::Body for Pieces<F>
where
    F: FnMut(&mut Context<'_>) -> NextPiece + Unpin,
{
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        (self.0)(context).map_ok(Frame::data)
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
