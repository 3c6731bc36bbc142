//! Does work to its end, also if the caller hangs up or has waited too long.
//!
//! A request's future is dropped when its connection ends. Whatever changes something goes through
//! here, so that nothing that was recorded is left undone, and nothing that was done unrecorded.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that goes on in a task of its own once nobody waits for it any more; until then it costs no
/// task.
pub(super) struct ToItsEnd<T: Send + 'static>(Option<Work<T>>);

/// See the module.
pub(super) fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> ToItsEnd<T> {
    ToItsEnd(Some(Box::pin(work)))
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.0.as_mut() else {
            return Poll::Pending; // done already; whoever polls on waits for nothing
        };
        let poll = work.as_mut().poll(context);
        if poll.is_ready() {
            self.0 = None;
        }
        poll
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        // Work that panicked has no end to go to.
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
    async fn work_that_was_begun_is_done_although_nobody_waits_for_it_any_more() {
        let (begun, has_begun) = oneshot::channel();
        let (go_on, told) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let request = tokio::spawn(to_its_end(async move {
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
    async fn work_that_somebody_waits_for_gives_its_result() {
        assert_eq!(to_its_end(async { 7 }).await, 7);
    }
}
