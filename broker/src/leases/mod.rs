//! Live leases: handed out, prolonged, ended, and found again after a start. Read [`issue`] first.
//!
//! A grant and a renewal are recorded before they take effect, an end takes effect first. What one account
//! may have is counted here: leases, bytes of the audit log, refusals.
//!
//! Not here: what GitHub allows (`limits`), tokens that are minted (`minting`), values (`secrets`).

pub(crate) mod budget;
pub(crate) mod end;
mod gate;
pub(crate) mod issue;
pub(crate) mod note;
pub(crate) mod proxied;
pub(crate) mod rebuild;
mod renew;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_audit_writer::LogState;
use broker_protocol::names::{LeaseId, SecretName};
use broker_sources::Sources;
use broker_vault::Vault;

use self::budget::Budget;
use self::gate::Gate;
use self::proxied::{FailedMints, HeldValues, KeptTunnels};
use self::table::LeaseTable;
use self::usage::PendingUsage;
use crate::config::Config;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::limits::Limits;
use crate::metrics::LeaseCounters;
use crate::minting::Minting;
use crate::policies::Policies;
use crate::secrets::Secrets;

pub(crate) struct Leases {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    minting: Arc<Minting>,
    limits: Arc<Limits>,
    config: Arc<Config>,
    /// The live ones.
    pub(crate) table: LeaseTable,
    /// What requests under `proxy` leases are made with.
    held_values: HeldValues,
    failed_mints: FailedMints,
    kept_tunnels: KeptTunnels,
    /// Whether anything is granted.
    pub(crate) gate: Gate,
    /// Recorded refusals, by account.
    refusals: Budget,
    /// Leases granted and renewed, by account.
    grants: Budget,
    /// Bytes of the audit log that accounts had written.
    written: Budget,
    /// Who was handed what, since the vault last noted it.
    usage: PendingUsage,
    /// What a start found in the log, until an unlock can tell which of it is genuine.
    found: Mutex<Option<LogState>>,
    pub(crate) counters: LeaseCounters,
}

impl Leases {
    /// None is live; those that the log holds wait for a rebuild.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        (minting, limits): (Arc<Minting>, Arc<Limits>),
        config: Arc<Config>,
        opened: LogState,
    ) -> Self {
        let account = config.limits;
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            minting,
            limits,
            config,
            table: LeaseTable::default(),
            held_values: HeldValues::default(),
            failed_mints: FailedMints::default(),
            kept_tunnels: KeptTunnels::default(),
            gate: Gate::default(),
            refusals: Budget::new(account.denials_per_minute as usize),
            grants: Budget::new(account.leases_per_minute as usize),
            written: Budget::new(account.audit_bytes()),
            usage: PendingUsage::default(),
            found: Mutex::new(Some(opened)),
            counters: LeaseCounters::default(),
        }
    }

    /// Those that are live now, or those of one account, oldest first.
    pub(crate) fn list(&self, account: Option<u32>) -> Vec<Arc<Lease>> {
        self.table.list(account, self.journal.now())
    }

    /// One that is live now.
    pub(crate) fn find(&self, id: &LeaseId) -> Option<Arc<Lease>> {
        self.table.find(id, self.journal.now())
    }

    /// Counts a lease on a value that is past its time.
    fn count_stale(&self, secret: &SecretName) {
        let secret = [("secret", secret.to_string())];
        self.counters.stale.get_or_create(&secret).inc();
    }

    /// Whether the store is locked, or is about to be with an end of all leases.
    fn grants_nothing(&self) -> bool {
        self.gate.is_revoking() || self.vault.is_locked()
    }

    /// Whether every lease that a start found in the log is honoured again or over.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.found().is_none()
    }

    fn found(&self) -> MutexGuard<'_, Option<LogState>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
