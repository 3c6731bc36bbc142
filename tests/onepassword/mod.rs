//! A stand-in for a 1Password Connect server: stateful, on loopback, with real TLS.
//!
//! It answers the calls in use as Connect's description of its API says (version 1.7.1), and as real
//! servers were seen to answer. Nothing in it comes from the broker's code. Listeners, faults and the
//! journal are those of the stand-in GitHub.
//!
//! ```text
//!   World      tokens, vaults, items, as a test says it     world.rs
//!   routes     lists, items, changes, health                routes.rs, patch.rs
//! ```
//!
//! ```no_run
//! use support::connect::{StandInConnect, World};
//! use support::github::Fault;
//!
//! let connect = StandInConnect::start(World::default());
//! connect.set("Github-Tokens", "label-sync", "credential", "ghp_…");
//! connect.fault(Fault::on("GET /v1/vaults").refuse(500, "no sync").times(1));
//! // … `connect = connect.api()`, `ca = connect.ca()`, the token `connect::TOKEN` …
//! assert_eq!(connect.calls("GET /v1/vaults"), 1);
//! ```
//!
//! Not here: files, `PUT` and `DELETE` of items, 1Password behind Connect.

mod patch;
mod respond;
mod routes;
mod world;

use std::future;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

pub use self::world::{Access, State, VaultOf, World};
use crate::github::server::{Running, Shared};
use crate::github::{Exchange, Fault};

/// A token that may read and write every vault, known to every [`World`] by default. Of the shape of a
/// JSON web token, so that masks are put to the test.
pub const TOKEN: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJzdGFuZC1pbiI6dHJ1ZX0.c3RhbmQtaW4tY29ubmVjdC1zaWduYXR1cmU";

/// A running stand-in. Dropped, it is gone.
pub struct StandInConnect {
    shared: Arc<Shared<State>>,
    running: Running,
}

impl StandInConnect {
    /// Starts one on free ports of the loopback interface.
    #[must_use]
    pub fn start(world: World) -> Self {
        let shared = Arc::new(Shared::new(State::new(world)));
        // Nobody steers it from outside.
        let running = Running::start(&shared, |_stream, _shared| future::ready(()));
        Self { shared, running }
    }

    /// Its address, with TLS: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("https://127.0.0.1:{}", self.running.tls_port)
    }

    /// The same without TLS: `http://127.0.0.1:PORT`.
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
    pub fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.shared.lock())
    }

    /// Puts a value into a field, as a person would; vault, item and field are made if need be.
    pub fn set(&self, vault: &str, item: &str, field: &str, value: &str) {
        self.change(|state| state.set(vault, item, field, value));
    }

    /// The value of a field, by its label or id; `None` if it is not there or empty.
    #[must_use]
    pub fn value(&self, vault: &str, item: &str, field: &str) -> Option<String> {
        self.change(|state| {
            let item = state.item(vault, item)?;
            let found = world::field(item, field)?;
            found["value"].as_str().map(str::to_owned)
        })
    }

    /// The items of a vault, as Connect gives them.
    #[must_use]
    pub fn items(&self, vault: &str) -> Vec<Value> {
        self.change(|state| state.vault(vault).items.clone())
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
}
