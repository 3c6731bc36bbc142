//! The test kit: the real binaries in a scratch home, and what tests look for afterwards.
//!
//! Nothing here ships. Tests use real processes, sockets and files; what a machine lacks is said
//! loudly and skipped, unless `TOKEND_TEST_STRICT=1` turns that into a failure.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::result_large_err,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "test code: a panic is how a test fails"
)]

pub mod accounts;
pub mod binaries;
pub mod broker;
pub mod canary;
#[path = "../onepassword/mod.rs"]
pub mod connect;
pub mod curl;
pub mod described;
pub mod documents;
pub mod forge;
pub mod git_server;
#[path = "../github/mod.rs"]
pub mod github;
pub mod github_com;
pub mod home;
pub mod http;
pub mod keyring;
pub mod kills;
mod loopback;
pub mod namespace;
pub mod needs;
pub mod one_password;
pub mod processes;
mod ran;
pub mod relay;
pub mod scenes;
pub mod stalled;
pub mod strace;
pub mod terminal;
pub mod tls_front;
pub mod wait;

pub use broker::{AnyBroker, TestBroker};
pub use home::Home;
