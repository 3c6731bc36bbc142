//! A running stand-in: where it listens, what goes wrong with it, and what it was asked. Of GitHub, or of
//! another with listeners, faults and a journal of the same make.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::server::{Running, Service, Shared};
use super::{Exchange, Fault, Faults, Journal};

/// A running stand-in. Dropped, it is gone.
pub struct StandInFor<S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) running: Running,
}

/// What every one of them has.
pub trait StoodIn {
    /// What goes wrong.
    fn faults(&mut self) -> &mut Faults;

    /// What was asked.
    fn journal(&mut self) -> &mut Journal;

    /// Carries out what was to happen at a moment that has come.
    fn catch_up(&mut self) {}
}

impl<S> StandInFor<S> {
    /// Starts one on free ports of the loopback interface. `control` serves a connection to the listener
    /// for commands.
    pub(crate) fn serving<F>(
        state: S,
        control: impl Fn(TcpStream, Arc<Shared<S>>) -> F + Send + 'static,
    ) -> Self
    where
        S: Service,
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::new(Shared::new(state));
        let running = Running::start(&shared, control);
        Self { shared, running }
    }
}

impl<S: StoodIn> StandInFor<S> {
    /// Its base address, with TLS: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("https://127.0.0.1:{}", self.running.tls_port)
    }

    /// The same API without TLS, for what speaks none: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.running.plain_port)
    }

    /// A PEM file with the certificate of the authority behind [`Self::api`].
    #[must_use]
    pub fn ca(&self) -> &Path {
        self.running.ca()
    }

    /// Reads or changes anything; calls wait meanwhile.
    pub fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> R {
        let mut state = self.shared.lock();
        state.catch_up();
        change(&mut state)
    }

    /// From now on this goes wrong.
    pub fn fault(&self, fault: Fault) {
        self.change(|state| state.faults().add(fault));
    }

    /// Nothing goes wrong any more; held calls go on.
    pub fn heal(&self) {
        self.change(|state| state.faults().clear());
        self.shared.release();
    }

    /// Every call so far, in the order of arrival.
    #[must_use]
    pub fn journal(&self) -> Vec<Exchange> {
        self.change(|state| state.journal().all().to_vec())
    }

    /// How many calls so far match, as in [`Fault::on`]; those without an answer count too.
    #[must_use]
    pub fn calls(&self, pattern: &str) -> usize {
        self.change(|state| state.journal().matching(pattern).count())
    }

    /// Waits until this many calls have come that match.
    pub fn wait_for_calls(&self, pattern: &str, count: usize) {
        crate::wait::until(|| self.calls(pattern) >= count);
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.change(|state| state.journal().clear());
    }
}
