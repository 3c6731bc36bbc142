//! A stand-in for GitHub's REST API: stateful, on loopback, with real TLS.
//!
//! It answers the endpoints in use as GitHub's documentation and its API description say, and as
//! recorded: status codes, headers, error bodies, limits, tokens that expire and die. Nothing in it
//! comes from the broker's code, so a misunderstanding there does not repeat itself here; and it is
//! held against GitHub's own description of the API (`tests/github/contract/`), so that it does not
//! drift from that either.
//!
//! ```text
//!   World      who and what there is, as a test or a JSON file says it      world.rs
//!   Faults     what goes wrong, for which calls, how often                  faults.rs
//!   Journal    every call: method, path, principal, status, hashed token    journal.rs
//!   listener → identify → limits → routes/… → headers                       server.rs, answer.rs
//! ```
//!
//! A test says what there is, and asks afterwards what came:
//!
//! ```no_run
//! use support::github::{Fault, StandIn, World};
//!
//! let world = World::new()
//!     .organization("acme", &["acme-bot"])
//!     .repository("acme/site")
//!     .classic("ghp_…", "acme-bot", &["repo"]);
//! let github = StandIn::start(world);
//! github.fault(Fault::on("GET /user").close_before().times(1));
//! // … a broker with `api = github.api()` and `ca = github.ca()` …
//! assert_eq!(github.calls("GET /user"), 2);
//! ```
//!
//! Time is the system's plus what a test adds ([`StandIn::advance`]). Dropped, it is gone with its
//! thread. The program `stand-in-github` is the same for shells, Python and Node: `control.rs`.
//!
//! Not here: git over HTTPS, webhooks, GraphQL, GitHub's pages for people.

pub(crate) mod answer;
mod app_key;
pub mod ask;
mod clock;
pub mod control;
pub(crate) mod faults;
mod identify;
pub(crate) mod journal;
mod jwt;
mod limits;
mod objects;
mod permission;
pub(crate) mod request;
pub(crate) mod respond;
mod routes;
mod secrets;
pub(crate) mod server;
mod state;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use app_key::AppKey;
pub use clock::Clock;
pub use faults::{Effect, Fault, Faults, On};
pub use journal::{Exchange, Journal, hashed};
pub use limits::Limits;
pub use permission::{Level, Permissions};
pub use secrets::{Place, SecretStores, Stored};
pub use state::{Settings, State};
pub use tokens::{classic_token, fine_grained_token};
pub use world::{App, ExpiryHeader, Installation, Pat, PatKind, Repositories, RepositoryOf, World};

/// A running stand-in.
pub struct StandIn {
    shared: Arc<server::Shared>,
    running: server::Running,
}

impl StandIn {
    /// Starts one on free ports of the loopback interface.
    #[must_use]
    pub fn start(world: World) -> Self {
        let shared = Arc::new(server::Shared::new(State::new(world)));
        let running = server::Running::start(&shared, control::serve);
        Self { shared, running }
    }

    /// Its base address, with TLS: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("https://127.0.0.1:{}", self.running.tls_port)
    }

    /// The same API under another host name: `https://localhost:PORT`. For redirects that leave.
    #[must_use]
    pub fn api_elsewhere(&self) -> String {
        format!("https://localhost:{}", self.running.tls_port)
    }

    /// The same API without TLS, for what speaks none: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.running.plain_port)
    }

    /// Where it takes commands from outside: `http://127.0.0.1:PORT/_control`.
    #[must_use]
    pub fn control(&self) -> String {
        format!("http://127.0.0.1:{}/_control", self.running.control_port)
    }

    /// A PEM file with the certificate of the authority behind [`Self::api`].
    #[must_use]
    pub fn ca(&self) -> &Path {
        self.running.ca()
    }

    /// Reads or changes anything; calls wait meanwhile.
    pub fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.shared.lock();
        state.catch_up();
        change(&mut state)
    }

    /// From now on this goes wrong.
    pub fn fault(&self, fault: Fault) {
        self.change(|state| state.faults.add(fault));
    }

    /// Nothing goes wrong any more; held calls go on.
    pub fn heal(&self) {
        self.change(|state| state.faults.clear());
        self.shared.release();
    }

    /// Calls that [`On::hold`] holds go on.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Moves its clock forward: tokens expire, limits are reset.
    pub fn advance(&self, by: Duration) {
        self.change(|state| state.clock.advance(by));
    }

    /// Moves its clock back: the broker's is ahead of GitHub's.
    pub fn turn_back(&self, by: Duration) {
        self.change(|state| state.clock.turn_back(by));
    }

    /// Every call so far, in the order of arrival.
    #[must_use]
    pub fn journal(&self) -> Vec<Exchange> {
        self.change(|state| state.journal.all().to_vec())
    }

    /// How many calls so far match, as in [`Fault::on`]; those without an answer count too.
    #[must_use]
    pub fn calls(&self, pattern: &str) -> usize {
        self.change(|state| state.journal.matching(pattern).count())
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.change(|state| state.journal.clear());
    }

    /// Waits until this many calls have come that match.
    pub fn wait_for_calls(&self, pattern: &str, count: usize) {
        crate::wait::until(|| self.calls(pattern) >= count);
    }
}
