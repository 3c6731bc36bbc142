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

use serde_json::Value;

pub use self::world::{Access, State, VaultOf, World};
use crate::github::{Faults, Journal, StandInFor, StoodIn};

/// A token that may read and write every vault, known to every [`World`] by default. Of the shape of a
/// JSON web token, so that masks are put to the test.
pub const TOKEN: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJzdGFuZC1pbiI6dHJ1ZX0.c3RhbmQtaW4tY29ubmVjdC1zaWduYXR1cmU";

/// A running stand-in for a Connect server.
pub type StandInConnect = StandInFor<State>;

impl StandInConnect {
    /// Starts one on free ports of the loopback interface.
    #[must_use]
    pub fn start(world: World) -> Self {
        // It takes no commands from outside.
        Self::serving(State::new(world), |_stream, _shared| future::ready(()))
    }

    /// The table of a broker's configuration that leads here, with the token in the vault.
    #[must_use]
    pub fn config(&self) -> String {
        format!(
            "[onepassword]\nconnect = \"{}\"\nca = \"{}\"\ntoken = \"vault\"\n",
            self.api(),
            self.ca().display()
        )
    }

    /// Puts a value into a field, as a user would; vault, item and field are made if need be.
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
}

impl StoodIn for State {
    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }
}
