//! The broker: its parts, put together once at start.
//!
//! What it does lies in `impl` blocks by idea: [`crate::leases::issue`] hands out leases, [`crate::leases::end`]
//! ends them, [`crate::upkeep`] looks after secrets, policies and the lock.

use std::sync::{Arc, Mutex, PoisonError};

use broker_protocol::places::Places;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::check::Checks;
use crate::config::{Config, NamedFiles};
use crate::github::GitHub;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::mint::Minting;
use crate::moving::Moves;
use crate::outlet::Outlet;
use crate::policies::Policies;
use crate::principals::Limits;
use crate::rotation::Rotations;
use crate::secrets::Secrets;
use crate::source::Sources;
use crate::vault::Vault;
use crate::warn::Warnings;

/// Everything a request can reach.
pub struct Broker {
    /// The audit log and the clock.
    pub(crate) journal: Arc<Journal>,
    /// Where things lie.
    pub(crate) places: Places,
    /// What the operator configured.
    pub(crate) config: Arc<Config>,
    /// The policies in force.
    pub(crate) policies: Arc<Policies>,
    /// Why no caller can connect, if none can.
    pub(crate) socket_fault: Mutex<Option<String>>,
    /// Serialises reloads, so that the last one asked for is the one in force.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// The values of secrets.
    pub(crate) secrets: Arc<Secrets>,
    /// Serialises what is about the whole store: an unlock, a backup, what a repository's name means.
    pub(crate) store_wide: tokio::sync::Mutex<()>,
    /// The secrets.
    pub(crate) vault: Arc<Vault>,
    /// Values that do not lie in the vault.
    pub(crate) sources: Arc<Sources>,
    /// GitHub: asked for the first time when something is wanted of it.
    pub(crate) github: Arc<GitHub>,
    /// Who holds what until when.
    pub(crate) leases: Arc<Leases>,
    /// What GitHub says of secrets.
    pub(crate) checks: Arc<Checks>,
    /// Secrets on their way to another place.
    pub(crate) moves: Arc<Moves>,
    /// Secrets that get a new value.
    pub(crate) rotations: Arc<Rotations>,
    /// What budgets at GitHub allow.
    pub(crate) limits: Arc<Limits>,
    /// Installation tokens: who holds which, and where Apps are installed.
    pub(crate) minting: Arc<Minting>,
    /// Renders the figures.
    pub(crate) metrics: PrometheusHandle,
    /// Where traces leave, for how many of them did not.
    pub(crate) traces: Outlet,
    /// What people were warned of, and who has yet to hear.
    pub(crate) warnings: Arc<Warnings>,
    /// What is wrong with files that the configuration names.
    pub(crate) named_files: NamedFiles,
    /// When the broker started.
    pub(crate) started: Timestamp,
}

impl Broker {
    /// Why the broker is of no use to new callers now; empty if it is.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.grants_nothing_because();
        reasons.extend(self.socket_fault());
        reasons
    }

    /// Why a request would not be granted now; empty if it would.
    pub(crate) fn grants_nothing_because(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.leases.is_draining() {
            reasons.push("the broker is stopping".to_owned());
        }
        if self.vault.is_locked() {
            reasons.push("the store is locked; run `tokenctl unlock`".to_owned());
        }
        if let Some(why) = self.journal.fault() {
            reasons.push(format!("the audit log cannot be written: {why}"));
        }
        reasons
    }

    /// Why no caller can connect, if none can; connections that are open go on.
    pub(crate) fn socket_fault(&self) -> Option<String> {
        let fault = self.socket_fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
