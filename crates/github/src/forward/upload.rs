//! The body of a request on its way to GitHub.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body::{Body, Frame, SizeHint};

use super::progress::{Progress, Upload};

/// The body of a request, as it comes.
pub struct RequestBody {
    /// Its pieces. Where they end with an error, the exchange does.
    pub pieces: Pieces,
    /// `Content-Length`, if the caller says it: fewer bytes are an error. Otherwise it goes on in chunks.
    pub length: Option<u64>,
}

/// The pieces of a body.
pub type Pieces = BoxStream<'static, Result<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

impl RequestBody {
    pub(super) fn watched(self, progress: &Arc<Progress>) -> Watched {
        Watched {
            pieces: Mutex::new(self.pieces),
            left: self.length,
            progress: Arc::clone(progress),
        }
    }
}

/// The body, which notes its progress. A piece is asked for when GitHub takes it.
pub(super) struct Watched {
    /// The library wants it to be `Sync`, and shares it with no one: it is never locked.
    pieces: Mutex<Pieces>,
    left: Option<u64>,
    progress: Arc<Progress>,
}

/// That the body is not what it was said to be; why, is known to whoever sends it.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request is cut off")]
pub(super) struct Cut;

impl Body for Watched {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let pieces = this
            .pieces
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Poll::Ready(piece) = pieces.as_mut().poll_next(cx) else {
            this.progress.awaits_caller(cx);
            // The answer may have ended meanwhile, before the whole request: then no more of it is sent.
            return match this.progress.upload() {
                Upload::Over | Upload::Late | Upload::Cut => this.cut(),
                Upload::AwaitsGitHub | Upload::AwaitsCaller => Poll::Pending,
            };
        };
        let bytes = match piece {
            Some(Ok(bytes)) => bytes,
            None if this.left.unwrap_or(0) == 0 => {
                this.progress.uploads(Upload::Over);
                return Poll::Ready(None);
            }
            Some(Err(_)) | None => return this.cut(),
        };
        if let Some(left) = this.left {
            let rest = u64::try_from(bytes.len())
                .ok()
                .and_then(|sent| left.checked_sub(sent));
            let Some(rest) = rest else {
                return this.cut();
            };
            this.left = Some(rest);
        }
        if !bytes.is_empty() {
            this.progress.uploads(Upload::AwaitsGitHub);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Watched {
    fn cut<T>(&self) -> Poll<Option<Result<T, Cut>>> {
        self.progress.uploads(Upload::Cut);
        Poll::Ready(Some(Err(Cut)))
    }
}

/// Sent, or GitHub wants no more of it.
impl Drop for Watched {
    fn drop(&mut self) {
        let lacks_body = self.progress.lacks_body();
        self.progress.uploads(if lacks_body {
            Upload::Late
        } else {
            Upload::Over
        });
    }
}
