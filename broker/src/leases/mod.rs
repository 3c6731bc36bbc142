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
pub(crate) mod rebuild;
mod renew;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

use std::sync::{Arc, Mutex, PoisonError};

use broker_audit_writer::{LiveLease, LogState, Removal};
use broker_protocol::names::LeaseId;
use broker_sources::Sources;
use broker_vault::Vault;
use jiff::Timestamp;

use self::budget::Budget;
use self::gate::{Gate, GrantsPaused};
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
    table: LeaseTable,
    gate: Gate,
    /// Recorded refusals, by account.
    refusals: Budget,
    /// Leases granted and renewed, by account.
    grants: Budget,
    /// Bytes of the audit log that accounts had written.
    written: Budget,
    /// Who was handed what, since the vault last noted it.
    usage: PendingUsage,
    /// MACed lease bodies found at start, until an unlock can tell which are genuine.
    found: Mutex<Option<LeasesInLog>>,
    pub(crate) counters: LeaseCounters,
}

/// What a start found in the last segment of the audit log and cannot tell from forgeries while locked.
struct LeasesInLog {
    /// Leases that were live; no MAC is checked yet.
    live: Vec<LiveLease>,
    announced: AnnouncedRemovals,
    /// Time of the log's last record before this start.
    last_time: Option<Timestamp>,
}

/// Secrets that the log calls removed; no MAC is checked yet. The vault still has them if it was put back to
/// an earlier copy, or if the broker ended in between.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnnouncedRemovals {
    /// Removals, oldest first.
    pub(crate) removals: Vec<Removal>,
    /// The bodies of records that take one back, by the number of the one they mean.
    pub(crate) failed_changes: Vec<(u64, Box<str>)>,
}

impl Leases {
    /// None is live; those that the log holds wait in `opened` for a rebuild.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        (minting, limits): (Arc<Minting>, Arc<Limits>),
        config: Arc<Config>,
        opened: &LogState,
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
            gate: Gate::default(),
            refusals: Budget::new(account.denials_per_minute),
            grants: Budget::new(account.leases_per_minute),
            written: Budget::new(account.audit_bytes()),
            usage: PendingUsage::default(),
            found: Mutex::new(Some(LeasesInLog {
                live: opened.live.clone(),
                announced: AnnouncedRemovals {
                    removals: opened.removals.clone(),
                    failed_changes: opened.failed_changes.clone(),
                },
                last_time: opened.last_time,
            })),
            counters: LeaseCounters::default(),
        }
    }

    /// The live ones.
    pub(crate) const fn live(&self) -> &LeaseTable {
        &self.table
    }

    /// Those that are live now, or those of one account, oldest first.
    pub(crate) fn list(&self, account: Option<u32>) -> Vec<Arc<Lease>> {
        self.table.list(account, self.journal.now())
    }

    /// One that is live now.
    pub(crate) fn find(&self, id: &LeaseId) -> Option<Arc<Lease>> {
        self.table.find(id, self.journal.now())
    }

    /// Refuses new leases from here on; those under way are finished.
    pub(crate) fn drain(&self) {
        self.gate.drain();
    }

    /// Whether the broker is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.gate.is_draining()
    }

    /// Has nothing granted while the guard is there, nor what is on its way.
    pub(crate) fn refuse_all(&self) -> GrantsPaused<'_> {
        self.gate.revoke()
    }

    /// Whether the store is locked, or is about to be with an end of all leases.
    fn grants_nothing(&self) -> bool {
        self.gate.is_revoking() || self.vault.is_locked()
    }

    /// Whether every lease that a start found in the log is honoured again or over.
    pub(crate) fn is_rebuilt(&self) -> bool {
        let found = self.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).is_none()
    }
}
