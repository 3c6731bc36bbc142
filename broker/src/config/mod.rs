//! `tokend.toml`: every key optional, every unknown key an error with its place.
//!
//! Names of accounts and groups are resolved here, once, so that nothing below compares text with
//! numbers. Not here: where the file is (`broker_protocol::paths`), and policies.

mod error;
mod files;
mod github;
mod limits;
mod one_password;
mod operators;
mod read;
mod root_key;
mod socket;
#[cfg(test)]
mod tests;
mod warnings;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use broker_github::BaseUrl;
use broker_policy::{Caller, Host};
use broker_protocol::paths::{Paths, SYSTEM_CONFIG};
use broker_sources::CacheTimes;

pub use self::error::ConfigError;
pub use self::files::{AuthorityFile, NamedFiles};
pub use self::github::GitHubConfig;
pub use self::limits::Limits;
pub use self::one_password::{OnePasswordConfig, Through};
pub use self::operators::Operators;
pub use self::socket::SocketConfig;
pub use self::warnings::WarningsConfig;

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account the broker runs as.
    pub own_uid: u32,
    /// The socket.
    pub socket: SocketConfig,
    /// Who may change things.
    pub operators: Operators,
    /// Group that may read the audit log's files, besides the broker's own account.
    pub audit_read_group: Option<u32>,
    /// Where `/metrics` is also served over TCP, without authentication. Off unless set.
    pub metrics_listen: Option<SocketAddr>,
    /// Where GitHub is, and how often it is asked.
    pub github: GitHubConfig,
    /// Where warnings are sent.
    pub warnings: WarningsConfig,
    /// How often the broker changes the root key by itself; `None` for never.
    pub rekey_every: Option<Duration>,
    /// How 1Password is asked.
    pub one_password: OnePasswordConfig,
    /// How long values of 1Password and the keyring are kept.
    pub source_times: CacheTimes,
    /// Whether they are kept in the vault too, beyond a restart.
    pub keep_source_values: bool,
    /// Whether a read through the proxy is durable on record before it is passed on, as a write is.
    pub record_reads_first: bool,
    /// Whether the audit log's last segment is extended with zeros before records need the room.
    pub audit_ahead: bool,
    /// Limits that keep one account from starving the others.
    pub limits: Limits,
    /// The files of certificate authorities that it names.
    pub authority_files: Vec<AuthorityFile>,
}

impl Config {
    /// What policies may assume of a broker with this configuration.
    ///
    /// A socket that other accounts may use, or the places of the system service, whose socket
    /// systemd may have made, mean that callers have accounts of their own: their programs cannot be
    /// seen.
    #[must_use]
    pub fn host(&self, places: &Paths) -> Host {
        let system_service =
            self.socket.mode != 0o600 || places.config.as_path() == Path::new(SYSTEM_CONFIG);
        Host {
            uid: Some(self.own_uid),
            system_service,
        }
    }

    /// That of `tokend --dev`, whatever the file in its scratch place says: made-up values, no GitHub, and
    /// nothing outside that place.
    #[must_use]
    pub fn into_dev(mut self) -> Self {
        self.github.api =
            BaseUrl::absent("this is `tokend --dev`: there is no GitHub, and nothing was asked");
        self
    }

    /// Whether this is that of `tokend --dev`. No file can say so.
    #[must_use]
    pub fn is_dev(&self) -> bool {
        self.github.api.is_absent()
    }

    /// Whether this caller may change things.
    #[must_use]
    pub fn is_operator(&self, caller: &Caller) -> bool {
        let operators = &self.operators;
        operators.include(caller.uid, caller.gid, &caller.groups)
    }
}
