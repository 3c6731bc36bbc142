//! Since when nothing has moved in a forwarded exchange, and for how long that is waited.
//!
//! Both directions share it: a download that waits for an upload, or the other way round, is alive as long as one of
//! them moves. Time is the runtime's, as for every timer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::waits::Waits;

/// What has moved in one exchange.
pub(super) struct Progress {
    waits: Waits,
    state: Mutex<State>,
    /// Who waits for the answer to begin: the end of an upload shortens that.
    waiting: AtomicWaker,
    /// Who waits for the caller to send more.
    uploading: AtomicWaker,
}

struct State {
    /// When a byte last went, in either direction, or something else went on.
    last: Instant,
    upload: Upload,
}

/// Where the body of the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    /// GitHub takes no more of it now.
    AwaitsGitHub,
    /// The caller sends no more of it now.
    AwaitsCaller,
    /// There is none, or it is sent, or GitHub wants no more of it.
    Over,
    /// The caller ended it before its end.
    Cut,
    /// GitHub did not wait for the rest of it, of which the caller sent none.
    Late,
}

impl Progress {
    /// An exchange that begins now.
    pub(super) fn new(waits: Waits, has_body: bool) -> Self {
        let upload = if has_body {
            Upload::AwaitsGitHub
        } else {
            Upload::Over
        };
        Self {
            waits,
            state: Mutex::new(State {
                last: Instant::now(),
                upload,
            }),
            waiting: AtomicWaker::new(),
            uploading: AtomicWaker::new(),
        }
    }

    /// Something moved.
    pub(super) fn moved(&self) {
        self.state().last = Instant::now();
    }

    /// The upload moved on to `upload`. After its end it does not move.
    pub(super) fn uploads(&self, upload: Upload) {
        let mut state = self.state();
        if matches!(state.upload, Upload::Over | Upload::Cut | Upload::Late) {
            return;
        }
        state.last = Instant::now();
        state.upload = upload;
        drop(state);
        if matches!(upload, Upload::Over | Upload::Late) {
            self.waiting.wake();
        }
    }

    /// The answer is over, or no one wants it: what is not uploaded yet is not any more.
    pub(super) fn ends(&self) {
        self.uploads(Upload::Over);
        self.uploading.wake();
    }

    /// The upload waits for the caller to send more, or for [`Self::ends`].
    pub(super) fn awaits_caller(&self, cx: &Context<'_>) {
        if self.upload() != Upload::AwaitsCaller {
            self.uploads(Upload::AwaitsCaller);
        }
        self.uploading.register(cx.waker());
    }

    /// Where the upload is.
    pub(super) fn upload(&self) -> Upload {
        self.state().upload
    }

    /// Whether it is the caller who is waited for: then what goes wrong says nothing of GitHub.
    pub(super) fn lacks_body(&self) -> bool {
        matches!(self.upload(), Upload::AwaitsCaller | Upload::Late)
    }

    /// How long a byte is waited for.
    pub(super) fn longest(&self) -> Duration {
        self.waits.byte
    }

    /// Waits until the answer begins; `None` if that takes too long.
    pub(super) async fn until_answered<F: Future>(&self, answer: F) -> Option<F::Output> {
        let mut answer = pin!(answer);
        let due = || {
            let state = self.state();
            let wait = match state.upload {
                Upload::Over | Upload::Late => self.waits.head,
                Upload::AwaitsGitHub | Upload::AwaitsCaller | Upload::Cut => self.waits.byte,
            };
            state.last + wait
        };
        let mut timer = pin!(sleep_until(due()));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            self.waiting.register(cx.waker());
            poll_due(timer.as_mut(), due, cx).map(|()| None)
        })
        .await
    }

    /// A timer for [`Self::poll_stalled`].
    pub(super) fn timer(&self) -> Sleep {
        sleep_until(self.state().last + self.waits.byte)
    }

    /// Ready once nothing has moved for too long.
    pub(super) fn poll_stalled(&self, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        poll_due(timer, || self.state().last + self.waits.byte, cx)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready at `due`, which may move while it is waited for. The timer is set again when it runs out, not at each byte.
fn poll_due(
    mut timer: Pin<&mut Sleep>,
    due: impl Fn() -> Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let due = due();
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        ready!(timer.as_mut().poll(cx));
        if due <= timer.deadline() {
            return Poll::Ready(());
        }
        timer.as_mut().reset(due);
    }
}
