//! What goes on beside requests: each task by its name, at its period, until the stop.
//!
//! A task that panics is traced by its name and goes on with its next round: a fault in one must not
//! silently end what the others count on.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::server::until_stopped;

/// When the rounds of a task are, and what a stop does with one that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    first: Duration,
    period: Duration,
    dropped: bool,
}

impl Rounds {
    /// A stop waits for the round: seconds at the most, and nothing is left half-way.
    pub(super) const fn finished(period: Duration) -> Self {
        Self {
            first: Duration::ZERO,
            period,
            dropped: false,
        }
    }

    /// A stop drops the round where it is; it is done again after the next start.
    pub(super) const fn dropped(period: Duration) -> Self {
        Self {
            dropped: true,
            ..Self::finished(period)
        }
    }

    /// The first round is after a while, and not at once.
    pub(super) const fn first_after(self, first: Duration) -> Self {
        Self { first, ..self }
    }
}

/// How long after a panic work begins again.
const AGAIN: Duration = Duration::from_secs(1);

/// The tasks that go on.
pub(super) struct Tasks {
    stopped: watch::Receiver<bool>,
    running: Vec<(&'static str, JoinHandle<()>)>,
}

impl Tasks {
    pub(super) const fn until(stopped: watch::Receiver<bool>) -> Self {
        Self {
            stopped,
            running: Vec::new(),
        }
    }

    /// Does a round over `needs` again and again. One that takes longer than the period puts the next one off.
    pub(super) fn every<N: Clone + Send + 'static, R: Future<Output = ()> + Send + 'static>(
        &mut self,
        name: &'static str,
        rounds: Rounds,
        needs: &N,
        mut round: impl FnMut(N) -> R + Send + 'static,
    ) {
        let (mut stopped, needs) = (self.stopped.clone(), needs.clone());
        self.run(name, async move {
            let mut tick = tokio::time::interval_at(Instant::now() + rounds.first, rounds.period);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    // No round begins after the stop, also where one is due.
                    biased;
                    () = until_stopped(&mut stopped) => return,
                    _ = tick.tick() => {}
                }
                let over = needs.clone();
                let round = AssertUnwindSafe(async { round(over).await }).catch_unwind();
                let done = if rounds.dropped {
                    tokio::select! {
                        () = until_stopped(&mut stopped) => return,
                        done = round => done,
                    }
                } else {
                    round.await
                };
                if done.is_err() {
                    tracing::error!(
                        task = name,
                        "a round panicked; the task goes on with the next one"
                    );
                }
            }
        });
    }

    /// Goes on with work that sees to the stop by itself.
    pub(super) fn run(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.running.push((name, tokio::spawn(work)));
    }

    /// Goes on with work that a stop drops wherever it is, and that begins again after a panic.
    pub(super) fn run_until_stop<
        N: Clone + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    >(
        &mut self,
        name: &'static str,
        needs: &N,
        mut work: impl FnMut(N) -> W + Send + 'static,
    ) {
        let (mut stopped, needs) = (self.stopped.clone(), needs.clone());
        self.run(name, async move {
            loop {
                let over = needs.clone();
                let running = AssertUnwindSafe(async { work(over).await }).catch_unwind();
                tokio::select! {
                    () = until_stopped(&mut stopped) => return,
                    done = running => match done {
                        Ok(()) => return,
                        Err(_) => tracing::error!(task = name, "the task panicked; it is started again"),
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// Waits for all of them, which were told to stop.
    pub(super) async fn ended(self) {
        for (name, task) in self.running {
            if let Err(error) = task.await {
                tracing::error!(task = name, cause = %error, "a task ended in a panic");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_round_that_panics_does_not_end_its_task() {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Tasks::until(stopped);
        let rounds = Arc::new(AtomicU32::new(0));
        tasks.every("counting", Rounds::finished(SHORT), &rounds, |counted| {
            let round = counted.fetch_add(1, Ordering::Relaxed);
            assert_ne!(round, 1, "a fault before it waits for anything");
            async move { assert_ne!(round, 2, "a fault of its own") }
        });
        while rounds.load(Ordering::Relaxed) < 5 {
            tokio::time::sleep(SHORT).await;
        }
        stop.send(true).unwrap();
        tasks.ended().await;
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_must_be_finished_and_for_nothing_else() {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Tasks::until(stopped);
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let finished = Arc::new(AtomicU32::new(0));
        let needs = (begun.clone(), go_on.clone(), finished.clone());
        tasks.every(
            "finishes",
            Rounds::finished(SHORT),
            &needs,
            |(begins, may, counted)| async move {
                begins.notify_one();
                may.notified().await;
                counted.fetch_add(1, Ordering::Relaxed);
            },
        );
        tasks.every("hangs", Rounds::dropped(SHORT), &(), |()| {
            std::future::pending()
        });
        tasks.run_until_stop("endless", &(), |()| std::future::pending());
        begun.notified().await;
        stop.send(true).unwrap();
        let ended = tokio::spawn(tasks.ended());
        tokio::task::yield_now().await;
        assert!(!ended.is_finished(), "it waits");
        go_on.notify_one();
        ended.await.unwrap();
        assert_eq!(finished.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_first_round_may_come_after_a_while() {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Tasks::until(stopped);
        let late = Rounds::finished(SHORT).first_after(Duration::from_secs(3600));
        tasks.every("late", late, &(), |()| async { panic!("not yet") });
        tokio::time::sleep(SHORT * 5).await;
        stop.send(true).unwrap();
        tasks.ended().await;
    }
}
