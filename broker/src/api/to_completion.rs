//! Runs work to completion, also if the caller hangs up or has waited too long.
//!
//! A request's future is dropped when its connection closes. Whatever changes something goes through
//! here, so that nothing that was recorded is left undone, and nothing that was done is left unrecorded.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Json;
use tokio::runtime::Handle;

use super::error::Refusal;
use crate::api_error::ApiError;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that continues in a task of its own once its request is gone; until then it costs no task.
pub(super) struct ToCompletion<T: Send + 'static>(Option<Work<T>>);

/// Wraps work so that it runs to completion.
pub(super) fn to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> ToCompletion<T> {
    ToCompletion(Some(Box::pin(work)))
}

/// Runs work to completion, and answers with its result.
pub(super) async fn completed<T: Send + 'static, E: ApiError + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    Ok(Json(to_completion(work).await?))
}

impl<T: Send + 'static> Future for ToCompletion<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.0.as_mut() else {
            return Poll::Pending; // done already
        };
        let poll = work.as_mut().poll(context);
        if poll.is_ready() {
            self.0 = None;
        }
        poll
    }
}

impl<T: Send + 'static> Drop for ToCompletion<T> {
    fn drop(&mut self) {
        // Work that panicked cannot continue.
        let left = self.0.take().filter(|_| !std::thread::panicking());
        if let (Some(work), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_continues_after_its_request_is_gone() {
        let (begun, has_begun) = oneshot::channel();
        let (go_on, told) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let request = tokio::spawn(to_completion(async move {
            begun.send(()).unwrap();
            told.await.unwrap();
            done.send(()).unwrap();
        }));
        has_begun.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_is_awaited_gives_its_result() {
        assert_eq!(to_completion(async { 7 }).await, 7);
    }
}
