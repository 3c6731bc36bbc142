//! Conformance checks that others wrote: GitHub's own description of its API, its official clients, recorded
//! answers of the real one.
//!
//! | check | checks | in |
//! |---|---|---|
//! | GitHub's OpenAPI description, by prism | every call and answer of the stand-in, and of a broker | `stand_in.rs`, `broker.rs` |
//! | `@octokit/auth-app`, PyGithub | that an App gets from the stand-in what the broker gets for a lease | `clients.rs` |
//! | `@octokit/rest` with its plugins for retrying and throttling, httpx | that they work over the proxy's socket, and understand its refusals | `proxy_clients.rs` |
//! | PyGithub, requests, httpx, `@octokit/rest` with its plugins | that they work unchanged under `tokenctl exec`, and understand its refusals | `exec_clients.rs` |
//! | `graphql`, the reference implementation | that what goes on of a document means what came | `graphql.rs` |
//! | PyNaCl | the sealed boxes the broker makes, sent through prism | `sealed.rs` |
//! | PyJWT, Node's crypto | the App's JWT | `jwt.rs` |
//! | a description of 1Password Connect's API, by prism | every call of the broker's client of Connect, and every answer of the stand-in for it | `connect.rs` |
//! | `@octokit/fixtures` | that the broker understands what GitHub really answered | `recorded.rs` |
//!
//! They are installed outside the tree by `tests/contract/conformance/install DIR` and named by
//! `TOKEND_TEST_CONFORMANCE=DIR`; without, these tests say so and are skipped. `.ci/run` installs them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a panic is how a test fails"
)]

mod broker;
mod client;
mod clients;
mod connect;
mod connect_faults;
mod exec_clients;
mod graphql;
mod jwt;
mod prism;
mod program;
mod proxy_clients;
mod recorded;
mod script;
mod sealed;
mod stand_in;
