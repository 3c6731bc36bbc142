//! Looking at files while everything else goes on: on a thread of their own, one look at a time, and whoever asks
//! waits only briefly, for a disk may not answer.
//!
//! Who comes during a look waits for it, and then looks for itself: what was seen before it asked may be old.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was last seen.
#[derive(Debug, Default)]
pub(crate) struct Looks<T> {
    /// Whoever looks has it, until the look ends in whatever way.
    turn: Arc<tokio::sync::Mutex<()>>,
    seen: Arc<Mutex<T>>,
}

impl<T: Clone + Send + 'static> Looks<T> {
    /// Looks, and waits a moment for what is seen.
    pub(crate) async fn look(&self, look: impl FnOnce() -> T + Send + 'static) {
        let (turn, seen) = (Arc::clone(&self.turn), Arc::clone(&self.seen));
        let looking = async move {
            let turn = turn.lock_owned().await;
            let looking = tokio::task::spawn_blocking(move || {
                let now = look();
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
                drop(turn);
            });
            drop(looking.await);
        };
        drop(tokio::time::timeout(A_MOMENT, looking).await);
    }

    /// What was last seen; what is seen of nothing before the first look ends.
    pub(crate) fn seen(&self) -> T {
        let seen = self.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const A_MOMENT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_comes_during_a_look_waits_for_it_and_looks_too() {
        let looks = Looks::<u32>::default();
        let (end, ended) = mpsc::channel::<()>();
        let first = looks.look(move || {
            ended.recv().unwrap_or_default();
            1
        });
        let second = looks.look(|| 2);
        let end = async {
            // Both have begun: they were polled before.
            drop(end);
        };
        let ((), (), ()) = tokio::join!(first, second, end);
        assert_eq!(looks.seen(), 2);
    }

    #[tokio::test]
    async fn a_look_that_ended_in_a_panic_is_not_the_last() {
        let looks = Looks::<u32>::default();
        looks.look(|| panic!("a fault of ours")).await;
        assert_eq!(looks.seen(), 0);
        looks.look(|| 3).await;
        assert_eq!(looks.seen(), 3);
    }
}
