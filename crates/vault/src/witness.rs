//! What the vault and the audit log prove to each other.
//!
//! The two are stored in different places and check each other. The vault names the log and its key, gives
//! leases their MAC, notes how far the log had got, and keeps which leases were revoked: so a log that
//! was extended, cut or exchanged by someone without the root key is noticed. The log in turn names
//! the versions of secrets, so a vault that was put back is noticed.
//!
//! The figures of use are kept in one transaction with the noted head. After a crash the records
//! behind that head are counted again, each once.

use std::collections::{BTreeMap, HashMap};

use broker_audit::chain::Head;
use broker_protocol::api::Exposure;
use broker_protocol::names::{LeaseId, Purpose, SecretName};
use jiff::Timestamp;

use super::error::VaultError;
use super::keys::Tag;
use super::row_mac::Forgotten;
use super::{LogIdentity, Vault, known, new_id};

/// What leases that are alike add to a secret's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDelta {
    /// The secret.
    pub secret: SecretName,
    /// The version that was used; `None` where the value is not stored in the vault.
    pub version: Option<u64>,
    /// How many leases.
    pub leases: u64,
    /// When the last of them was granted.
    pub at: Timestamp,
    /// Who was handed the value itself, if that is what was handed out.
    pub exposed_to: Option<(u32, Purpose)>,
}

/// How a secret has been used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// When last, by the time of the record.
    pub last_used: Option<Timestamp>,
    /// Who was handed the value itself since it was set.
    pub exposed_to: Vec<Exposure>,
}

impl Vault {
    /// MAC over a lease's record, bound to this vault and its log.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`].
    pub fn lease_mac(&self, covered: &str) -> Result<Tag, VaultError> {
        let state = known(self.shared.state.read());
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let log_id = state.list.log.log_id.as_bytes();
        Ok(keys.mac("tokend lease v1", [log_id, &[0], covered.as_bytes()]))
    }

    /// MAC over a record that has a value erased, or says that this came to nothing. Works while locked,
    /// after a first unlock.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`].
    pub fn removal_mac(&self, covered: &str) -> Result<Tag, VaultError> {
        let state = known(self.shared.state.read());
        let witness = known(self.shared.witness.read());
        let witness = witness.as_ref().ok_or(VaultError::Locked)?;
        Ok(witness.key.removal(&state.list.log, covered))
    }

    /// What was forgotten where the first unlock found that someone else changed the noted head, or a row
    /// that decides something after a start. Then no lease that the log had at the start may be honoured.
    #[must_use]
    pub fn mismatch(&self) -> Option<Forgotten> {
        let witness = known(self.shared.witness.read());
        witness.as_ref()?.found.as_ref().err().cloned()
    }

    /// Puts head and rows under a MAC as they are now: once the ends of all leases that were not
    /// honoured are in the log, and not before.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn trust_the_log(&self) -> Result<(), VaultError> {
        self.ask(|work| work.trust_log()).await
    }

    /// Which audit log belongs to this vault.
    #[must_use]
    pub fn log_identity(&self) -> LogIdentity {
        known(self.shared.state.read()).list.log.clone()
    }

    /// Names a new audit log; the old one's leases are not honoured in it. The signing key stays.
    /// Blocks, and must not be called from async code.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written.
    pub fn begin_new_log(&self) -> Result<LogIdentity, VaultError> {
        let log_id = new_id()?;
        self.ask_blocking(move |work| work.new_log(log_id))
    }

    /// Compares with the log: `recorded` has the highest version that `secret.set` records name for
    /// each secret, read from the head last noted.
    ///
    /// # Errors
    ///
    /// [`VaultError::PutBack`] if the log knows a version that this vault never gave out.
    pub fn check_not_put_back(
        &self,
        recorded: &BTreeMap<SecretName, u64>,
    ) -> Result<(), VaultError> {
        let state = known(self.shared.state.read());
        for (secret, &recorded) in recorded {
            let known = state.list.secrets.get(secret).map_or(0, |s| s.last_version);
            if recorded > known {
                return Err(VaultError::PutBack {
                    secret: secret.clone(),
                    recorded,
                    known,
                });
            }
        }
        Ok(())
    }

    /// The head that was last noted under a MAC, where the one last noted was not: the log must lead
    /// through both.
    #[must_use]
    pub fn authenticated_head(&self) -> Option<Head> {
        known(self.shared.state.read()).signed_head?.head
    }

    /// The head of the audit log as last written here; records after it have yet to be counted.
    #[must_use]
    pub fn noted_head(&self) -> Option<Head> {
        known(self.shared.state.read()).noted
    }

    /// Notes the head of the audit log and what the records up to it add to the figures: all records
    /// since the note before, each once. Returns at once; written soon after, together or not at all.
    pub fn note(&self, head: Head, used: Vec<UsageDelta>) {
        if self
            .writer
            .send(move |work| work.apply(head, used))
            .is_err()
        {
            tracing::error!("the vault's writer has stopped; the log's head is not noted");
        }
    }

    /// Waits until all that was noted before is counted and written.
    ///
    /// # Errors
    ///
    /// [`VaultError::Stopped`].
    pub async fn settle(&self) -> Result<(), VaultError> {
        self.ask(|work| {
            work.write_notes();
            Ok(())
        })
        .await
    }

    /// How a secret has been used, as far as noted. Also for secrets that have no value here.
    #[must_use]
    pub fn usage(&self, name: &SecretName) -> Usage {
        let state = known(self.shared.state.read());
        let exposures = state.figures.exposures.iter();
        let of_value_in_use =
            exposures.filter(|((secret, before, ..), _)| secret == name && before.is_none());
        Usage {
            last_used: state.figures.last_used.get(name).copied(),
            exposed_to: of_value_in_use.map(|(_, one)| one.clone()).collect(),
        }
    }

    /// Keeps, durably, that these leases were revoked, each until the time given with it. Works while
    /// locked. Drops those whose time is past.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn write_tombstones(
        &self,
        leases: Vec<(LeaseId, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        self.ask(move |work| work.write_tombstones(leases, now))
            .await
    }

    /// The leases that were revoked and would not have ended yet, and when they would.
    #[must_use]
    pub fn tombstones(&self) -> HashMap<LeaseId, Timestamp> {
        let state = known(self.shared.state.read());
        state.all_tombstones()
    }
}
