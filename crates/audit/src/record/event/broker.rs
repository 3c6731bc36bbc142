//! The broker as a process.

use serde::Serialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum BrokerEvent<'a> {
    /// The broker started.
    #[serde(rename = "broker.started")]
    Started {
        /// Its version.
        version: &'a str,
        /// Its process.
        pid: u32,
        /// The account it runs as.
        uid: u32,
        /// Kernel boot.
        boot_id: &'a str,
    },
    /// The broker stopped in good order.
    #[serde(rename = "broker.stopped")]
    Stopped {
        /// Why: `SIGTERM` or `SIGINT`.
        why: &'a str,
    },
}
