//! The body of an answer on its way to the caller.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use broker_protocol::causes;
use bytes::Bytes;
use futures_util::Stream;
use http_body::Body as _;
use reqwest::Body;
use tokio::time::Sleep;

use super::clone_token::CloneTokens;
use super::progress::Progress;

/// The body of an answer: a stream of its pieces, as GitHub sends them and as fast as they are asked for. The last one
/// may be an error. Dropping it ends the exchange, also what is left of an upload.
pub struct AnswerBody {
    /// `None` once it is over.
    body: Option<Body>,
    /// What was read already.
    ahead: VecDeque<Result<Bytes, AnswerCut>>,
    clone_tokens: Option<CloneTokens>,
    progress: Arc<Progress>,
    /// Made when a piece has to be waited for: that of a short answer is there with its head.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

/// Why an answer that had begun is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerCut {
    /// The connection to GitHub ended.
    #[error("the connection to GitHub ended before the answer did")]
    Lost,
    /// Nothing came any more.
    #[error("not a byte came from GitHub for {} s", .0.as_secs())]
    Stalled(Duration),
}

impl AnswerBody {
    pub(super) fn new(
        body: Body,
        clone_tokens: Option<CloneTokens>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            body: Some(body),
            ahead: VecDeque::new(),
            clone_tokens,
            progress,
            timer: None,
            is_waiting: false,
        }
    }

    /// Reads about so many bytes, or all there are. They still come out of the stream.
    pub(super) async fn read_ahead(&mut self, most: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < most {
            let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await else {
                break;
            };
            if let Ok(piece) = &piece {
                read.extend_from_slice(piece);
            }
            self.ahead.push_back(piece);
        }
        read
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerCut>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                // Until now it was the caller who took nothing.
                if !std::mem::replace(&mut self.is_waiting, true) {
                    self.progress.moved();
                }
                let new_timer = || Box::pin(self.progress.timer());
                let timer = self.timer.get_or_insert_with(new_timer);
                ready!(self.progress.poll_stalled(timer.as_mut(), cx));
                self.body = None;
                let waited = self.progress.longest();
                return Poll::Ready(Some(Err(AnswerCut::Stalled(waited))));
            };
            self.is_waiting = false;
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                Some(Ok(Ok(piece))) => {
                    self.progress.moved();
                    let masked = match &mut self.clone_tokens {
                        Some(clone_tokens) => clone_tokens.mask(piece),
                        None => piece,
                    };
                    return Poll::Ready(Some(Ok(masked)));
                }
                // Trailers.
                Some(Ok(Err(_trailers))) => {}
                Some(Err(error)) => {
                    let cause = causes::describe(&error.without_url());
                    tracing::debug!("an answer was cut off: {cause}");
                    self.body = None;
                    return Poll::Ready(Some(Err(AnswerCut::Lost)));
                }
                None => {
                    self.body = None;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, AnswerCut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.ahead.pop_front() {
            Some(piece) => Poll::Ready(Some(piece)),
            None => this.poll_piece(cx),
        }
    }
}

/// Also where the caller goes away.
impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.progress.ends();
    }
}
