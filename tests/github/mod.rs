//! A stand-in for GitHub's API: stateful, on loopback, with real TLS.
//!
//! It answers the endpoints in use as GitHub's documentation and its API description say, and as
//! recorded: status codes, headers, error bodies, limits, tokens that expire and die. Nothing in it
//! comes from the broker's code, so a misunderstanding there does not repeat itself here; and it is
//! held against GitHub's own description of the API (`tests/contract/`), so that it does not
//! drift from that either.
//!
//! ```text
//!   World      who and what there is, as a test or a JSON file says it      world.rs
//!   Faults     what goes wrong, for which calls, how often                  faults.rs
//!   Journal    every call: method, path, principal, status, hashed token    journal.rs
//!   listener → identify → limits → routes/… → headers → reply               server.rs, answer.rs, reply.rs
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
//! GraphQL is answered from GitHub's public schema, where that is at hand: `graphql/`.
//!
//! Not here: git over HTTPS, webhooks, GitHub's pages for humans.

pub(crate) mod answer;
mod app_key;
pub mod ask;
mod change;
mod clock;
pub mod control;
pub(crate) mod faults;
mod git;
mod graphql;
mod identify;
mod issue_store;
mod issues;
pub(crate) mod journal;
mod jwt;
mod limits;
mod objects;
mod permission;
mod plans;
mod projects;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod respond;
mod routes;
mod secrets;
pub(crate) mod server;
mod settings;
mod stand_in;
mod state;
#[cfg(test)]
mod tests;
pub mod tls;
mod tokens;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use app_key::AppKey;
pub use clock::Clock;
pub use faults::{Effect, Fault, Faults, On};
pub use graphql::{Changed, Home, Read, Touched};
pub use issues::{Closed, Comment, Issue, Merged, Pull, Review};
pub use journal::{Exchange, Journal, hashed};
pub use limits::{Limits, Resource};
pub use permission::{Level, Permissions};
pub use plans::{IssueOf, ProjectOf, PullOf};
pub use projects::Project;
pub use secrets::{Place, SecretStores, Stored};
pub use settings::Settings;
pub use stand_in::{StandInFor, StoodIn};
pub use state::{Label, State};
pub use tokens::{classic_token, fine_grained_token};
pub use world::{App, ExpiryHeader, Installation, Pat, PatKind, Repositories, RepositoryOf, World};

/// A running stand-in for GitHub.
pub type StandIn = StandInFor<State>;

impl StandIn {
    /// How many installation tokens it minted that it would honour now.
    #[must_use]
    pub fn live_tokens(&self) -> usize {
        self.change(|state| {
            let now = state.clock.now();
            let tokens = state.installation_tokens.values();
            tokens
                .filter(|token| !token.revoked && token.expires > now)
                .count()
        })
    }

    /// Starts one on free ports of the loopback interface.
    #[must_use]
    pub fn start(world: World) -> Self {
        Self::serving(State::new(world), control::serve)
    }

    /// The same, answering GraphQL from GitHub's public schema in this file.
    #[must_use]
    pub fn with_schema(world: World, schema: &Path) -> Self {
        let github = Self::start(world);
        github.change(|state| state.settings.graphql_schema = Some(schema.to_owned()));
        github
    }

    /// What was read and changed by GraphQL so far, call by call.
    #[must_use]
    pub fn touched(&self) -> Vec<Touched> {
        self.change(|state| {
            let all = state.journal.all().iter();
            all.filter_map(|call| call.graphql.clone()).collect()
        })
    }

    /// The same API under another host name: `https://localhost:PORT`. For redirects that leave.
    #[must_use]
    pub fn api_elsewhere(&self) -> String {
        format!("https://localhost:{}", self.running.tls_port)
    }

    /// Where it takes commands from outside: `http://127.0.0.1:PORT/_control`.
    #[must_use]
    pub fn control(&self) -> String {
        format!("http://127.0.0.1:{}/_control", self.running.control_port)
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
}

impl StoodIn for State {
    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    fn catch_up(&mut self) {
        Self::catch_up(self);
    }
}

/// GitHub's public schema, if the conformance checks are installed; a test without it says so.
#[must_use]
pub fn schema() -> Option<PathBuf> {
    let tools = crate::needs::conformance_tools()?;
    let file = tools.join("node_modules/@octokit/graphql-schema/schema.graphql");
    crate::needs::met("GitHub's public schema", file.is_file()).then_some(file)
}
