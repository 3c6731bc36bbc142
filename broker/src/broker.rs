//! The broker: its parts, put together once at start.
//!
//! What it does lies in `impl` blocks by idea: [`crate::leases::issue`] hands out leases, [`crate::leases::end`]
//! ends them, [`crate::upkeep`] looks after secrets, policies and the lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use broker_protocol::places::Places;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::audit_log::{LiveLease, Removal};
use crate::budget::Budget;
use crate::config::{Config, NamedFiles};
use crate::github::GitHub;
use crate::journal::Journal;
use crate::leases::table::LeaseTable;
use crate::leases::usage::Usage;
use crate::mint::Minting;
use crate::outlet::Outlet;
use crate::policies::Policies;
use crate::principals::Limits;
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
    pub(crate) leases: LeaseTable,
    /// What budgets at GitHub allow.
    pub(crate) limits: Arc<Limits>,
    /// Installation tokens: who holds which, and where Apps are installed.
    pub(crate) minting: Arc<Minting>,
    /// Recorded refusals, by account.
    pub(crate) refusals: Budget,
    /// Leases granted and renewed, by account.
    pub(crate) grants: Budget,
    /// Bytes of the audit log that accounts had written.
    pub(crate) written: Budget,
    /// Who was handed what, since the vault last noted it.
    pub(crate) usage: Usage,
    /// MACed lease bodies found at start, until an unlock can tell which are genuine.
    pub(crate) found: Mutex<Option<Found>>,
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
    /// Set once no new request is to be granted.
    pub(crate) draining: AtomicBool,
    /// How many are about to lock the store and end all leases. Meanwhile nothing is granted.
    pub(crate) revoking: AtomicU64,
    /// How often all leases were ended. A grant that began before has come to nothing.
    pub(crate) revocations: AtomicU64,
}

/// What a start found in the last segment of the audit log and cannot judge while locked.
pub(crate) struct Found {
    /// Leases that were live; no MAC is checked yet.
    pub(crate) live: Vec<LiveLease>,
    /// Secrets that the log calls removed; no MAC is checked yet. The vault still has them if it was put
    /// back to an earlier copy, or if the broker ended in between.
    pub(crate) removals: Vec<Removal>,
    /// The bodies of records that take one back, by the number of the one they mean.
    pub(crate) failed_changes: Vec<(u64, Box<str>)>,
    /// Time of the log's last record before this start.
    pub(crate) last_time: Option<Timestamp>,
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
        if self.draining.load(Ordering::Acquire) {
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

    /// Whether every lease that a start found in the log is honoured again or over.
    pub(crate) fn is_rebuilt(&self) -> bool {
        let found = self.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Whether the store is locked, or is about to be with an end of all leases.
    pub(crate) fn grants_nothing(&self) -> bool {
        self.revoking.load(Ordering::Acquire) > 0 || self.vault.is_locked()
    }

    /// Refuses new leases from here on; those under way are finished.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
