//! One call at a time, each with a time limit.

use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::CallError;

/// What calls pass through. A call cannot be stopped from outside, so one that runs out of time stays
/// behind; as long as it does, further ones fail at once instead of staying behind it.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(PartialEq, Eq)]
enum State {
    Free,
    /// A caller waits for the call that is under way.
    Calling,
    /// No one waits any more for the call that is under way.
    LeftBehind,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self {
            state: Mutex::new(State::Free),
            changed: Condvar::new(),
        }
    }

    /// Runs this on a thread of its own. Blocks for the limit at most until it is this call's turn, and
    /// once more until it is done.
    pub(super) fn within<T: Send + 'static>(
        &'static self,
        limit: Duration,
        job: impl FnOnce() -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        self.enter(limit)?;
        let leaving = Leaving(self);
        let (answer, answered) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || {
                // Dropped last: whoever finds no answer while the gate is closed knows that the call
                // is not done.
                let _leaving = leaving;
                let answer = answer;
                // No one listens any more if the time is up.
                drop(answer.send(job()));
            })
            .map_err(|error| CallError::NoThread(error.to_string().into()))?;
        if let Ok(result) = answered.recv_timeout(limit) {
            return result;
        }
        let mut state = self.state();
        match answered.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => {
                *state = State::LeftBehind;
                self.changed.notify_all();
                Err(CallError::Silent(limit.as_secs()))
            }
            Err(TryRecvError::Disconnected) => {
                Err(CallError::NoKeyring("the call into it failed".into()))
            }
        }
    }

    fn enter(&self, limit: Duration) -> Result<(), CallError> {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| *state == State::Calling);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Free => {
                *state = State::Calling;
                Ok(())
            }
            State::Calling => Err(CallError::Silent(limit.as_secs())),
            State::LeftBehind => Err(CallError::Busy),
        }
    }

    /// Nothing that holds it can panic half way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the next call in when dropped.
struct Leaving(&'static Gate);

impl Drop for Leaving {
    fn drop(&mut self) {
        *self.0.state() = State::Free;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_call_that_hangs_is_left_behind_and_no_other_follows_it_until_it_is_done() {
        static GATE: Gate = Gate::new();
        let (release, held) = mpsc::channel::<()>();
        let hung = GATE.within(SHORT, move || {
            held.recv().map_err(|_gone| CallError::NoEntry)
        });
        assert_eq!(hung, Err(CallError::Silent(0)));
        for _ in 0..3 {
            let refused = GATE.within(LONG, || -> Result<(), _> { panic!("no thread for this") });
            assert_eq!(refused, Err(CallError::Busy));
        }
        release.send(()).unwrap();
        while GATE.within(LONG, || Ok(())) == Err(CallError::Busy) {
            thread::yield_now();
        }
        assert_eq!(GATE.within(LONG, || Ok(5)), Ok(5));
    }

    #[test]
    fn those_that_wait_behind_a_call_that_hangs_fail_with_it() {
        static GATE: Gate = Gate::new();
        let (_held, never) = mpsc::channel::<()>();
        let (entered, has_entered) = mpsc::channel();
        thread::scope(|scope| {
            let first = scope.spawn(move || {
                GATE.within(SHORT, move || {
                    entered.send(()).unwrap();
                    never.recv().map_err(|_gone| CallError::NoEntry)
                })
            });
            has_entered.recv().unwrap();
            assert_eq!(GATE.within(LONG, || Ok(())), Err(CallError::Busy));
            assert_eq!(first.join().unwrap(), Err(CallError::Silent(0)));
        });
    }

    #[test]
    fn calls_follow_each_other_one_by_one() {
        static GATE: Gate = Gate::new();
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let call = || {
            let before = INSIDE.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            Ok(before)
        };
        thread::scope(|scope| {
            let calls: Vec<_> = (0..16)
                .map(|_| scope.spawn(move || GATE.within(LONG, call)))
                .collect();
            for call in calls {
                assert_eq!(call.join().unwrap(), Ok(0));
            }
        });
    }

    #[test]
    fn a_call_that_fails_badly_lets_the_next_one_in() {
        static GATE: Gate = Gate::new();
        let failed = GATE.within(LONG, || -> Result<(), _> { panic!("as a library may") });
        assert!(matches!(failed, Err(CallError::NoKeyring(_))), "{failed:?}");
        assert_eq!(GATE.within(LONG, || Ok(())), Ok(()));
    }
}
