//! One lock for each secret. A task that changes its value, or the place it comes from, holds it from
//! the first look to the last write.
//!
//! A change looks at what is under way, does something slow (asks GitHub, writes to 1Password), and
//! writes down the result. Between the look and the write nothing else may change the secret, so
//! the functions that write take a [`SecretTurn`] as proof that they hold the lock.
//!
//! A task holds one turn at a time and asks for no second one, so no two wait for each other. Locking
//! the store, ending leases and loading policies need no turn: nothing slow may hold those up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use broker_protocol::names::SecretName;
use tokio::sync::OwnedMutexGuard;

/// The locks of all secrets, by name.
#[derive(Default)]
pub(crate) struct SecretLocks(Mutex<HashMap<SecretName, Arc<tokio::sync::Mutex<()>>>>);

/// Proof that nothing else changes this secret, as long as it lives.
pub(crate) struct SecretTurn {
    name: SecretName,
    _lock: OwnedMutexGuard<()>,
}

impl SecretTurn {
    /// The secret whose turn it is.
    pub(crate) const fn name(&self) -> &SecretName {
        &self.name
    }
}

impl SecretLocks {
    /// Waits until nothing else changes this secret. First come, first served.
    pub(crate) async fn turn(&self, name: &SecretName) -> SecretTurn {
        SecretTurn {
            name: name.clone(),
            _lock: self.lock_of(name).lock_owned().await,
        }
    }

    /// `None` if something else is changing it.
    pub(crate) fn try_turn(&self, name: &SecretName) -> Option<SecretTurn> {
        let lock = self.lock_of(name).try_lock_owned().ok()?;
        Some(SecretTurn {
            name: name.clone(),
            _lock: lock,
        })
    }

    fn lock_of(&self, name: &SecretName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A lock that no one holds or waits for is made again when it is needed.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(name.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn name(name: &str) -> SecretName {
        name.parse().unwrap()
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn ready<F: Future>(future: F) -> F::Output {
        match poll(pin!(future)) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn a_change_of_a_secret_waits_for_the_one_before_it_and_no_other_secret_does() {
        let (locks, one, other) = (SecretLocks::default(), name("one"), name("other"));
        let first = ready(locks.turn(&one));
        assert_eq!(first.name(), &one);
        let mut second = pin!(locks.turn(&one));
        assert!(poll(second.as_mut()).is_pending());
        assert!(locks.try_turn(&one).is_none());
        drop(ready(locks.turn(&other)));
        drop(first);
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn whoever_waits_is_served_before_who_only_tries() {
        let (locks, one) = (SecretLocks::default(), name("one"));
        let first = ready(locks.turn(&one));
        let mut second = pin!(locks.turn(&one));
        assert!(poll(second.as_mut()).is_pending());
        drop(first);
        assert!(locks.try_turn(&one).is_none());
        let Poll::Ready(second) = poll(second.as_mut()) else {
            panic!("it waits")
        };
        drop(second);
        assert!(locks.try_turn(&one).is_some());
    }

    #[test]
    fn a_change_that_is_given_up_while_it_waits_keeps_no_one_out() {
        let (locks, one) = (SecretLocks::default(), name("one"));
        let first = ready(locks.turn(&one));
        {
            let mut given_up = pin!(locks.turn(&one));
            assert!(poll(given_up.as_mut()).is_pending());
        }
        drop(first);
        assert!(locks.try_turn(&one).is_some());
    }

    #[test]
    fn locks_that_nothing_holds_take_no_memory() {
        let locks = SecretLocks::default();
        let kept = ready(locks.turn(&name("kept")));
        for number in 0..1000 {
            drop(ready(locks.turn(&name(&format!("secret-{number}")))));
        }
        assert_eq!(locks.0.lock().unwrap().len(), 2);
        assert!(locks.try_turn(kept.name()).is_none());
    }
}
