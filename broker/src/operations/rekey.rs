//! Re-keys the vault: recorded before and after, by an operator or when `[root_key] rekey_every` says so.
//!
//! How the key changes is the vault's business (`vault::rekey`). Here: that it is recorded durably first,
//! that its outcome is recorded too, also by the next start if this broker does not live to see it, and
//! when it is due.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use broker_audit::record::VaultEvent;
use broker_policy::Caller;
use broker_vault::{Interrupted, Prepared, RekeyError, RekeyRequest, Rekeyed, VaultError};

use crate::lease_record;
use crate::operations::Operations;
use crate::secrets::UpkeepError;

/// What a re-key came to.
#[derive(Debug)]
pub(crate) enum RekeyOutcome {
    /// The next root key is in force.
    Rekeyed(Rekeyed),
    /// An operator has to put a key into the credential of this name first. Nothing was changed.
    CredentialWanted(String),
}

impl Operations {
    /// Makes a new root key and puts every data key under it. Leases go on meanwhile. `by` is absent
    /// where the broker acts by itself.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the root key in force stays in force. What fails after its record is recorded.
    pub(crate) async fn rekey(
        self: &Arc<Self>,
        by: Option<&Caller>,
        asked: RekeyRequest,
    ) -> Result<RekeyOutcome, UpkeepError> {
        let this = Arc::clone(self);
        // Deriving a key is slow.
        let prepare = move || this.vault.prepare_rekey(&asked, &this.locations);
        let prepared = tokio::task::spawn_blocking(prepare);
        let prepared = prepared.await.map_err(broken)?.map_err(refused)?;
        let rekey = match prepared {
            Prepared::Ready(rekey) => rekey,
            Prepared::CredentialWanted(name) => return Ok(RekeyOutcome::CredentialWanted(name)),
        };
        let (from, to) = rekey.sources();
        let event = VaultEvent::Rekeying {
            by: by.map(lease_record::caller),
            from: from.as_str(),
            to: to.as_str(),
            version: rekey.version(),
        };
        let announced = self.journal.record(&event).await?;
        let (this, now) = (Arc::clone(self), self.journal.now().wall);
        let change = move || this.vault.rekey(*rekey, announced, &this.locations, now);
        let done = tokio::task::spawn_blocking(change);
        match done.await.map_err(broken)? {
            Ok(rekeyed) => {
                self.record_rekeyed(announced, &rekeyed).await;
                Ok(RekeyOutcome::Rekeyed(rekeyed))
            }
            Err(error) => {
                self.record_rekey_failed(announced, &error.to_string())
                    .await;
                Err(refused(error))
            }
        }
    }

    /// Finishes, and records, what an earlier run of the broker began and did not live to see the end
    /// of. After each unlock.
    pub(crate) async fn finish_rekey(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // A keyring is slow.
        let finish = move || this.vault.after_interrupted_rekey(&this.locations);
        let found = tokio::task::spawn_blocking(finish);
        match found.await {
            Ok(None) => {}
            Ok(Some(Interrupted::Done { announced, rekeyed })) => {
                tracing::warn!("a re-key that was interrupted is in force, and finished now");
                self.record_rekeyed(announced, &rekeyed).await;
            }
            Ok(Some(Interrupted::Failed { announced })) => {
                tracing::warn!("a re-key that was interrupted is taken back");
                let why = "the broker ended before it was in force; the root key before still is";
                self.record_rekey_failed(announced, why).await;
            }
            Err(panic) => {
                tracing::error!(cause = %panic, "an interrupted re-key could not be read");
            }
        }
    }

    async fn record_rekeyed(&self, announced: u64, rekeyed: &Rekeyed) {
        let event = VaultEvent::Rekeyed {
            announced,
            root_key: rekeyed.source.as_str(),
            version: rekeyed.version,
            data_keys: rekeyed.data_keys,
            left: rekeyed.left.as_deref(),
        };
        tracing::info!(version = rekeyed.version, "the root key is changed");
        self.journal.record_or_trace(&event).await;
        self.close_rekey().await;
    }

    async fn record_rekey_failed(&self, announced: u64, why: &str) {
        let event = VaultEvent::RekeyFailed { announced, why };
        self.journal.record_or_trace(&event).await;
        self.close_rekey().await;
    }

    async fn close_rekey(&self) {
        match self.vault.close_rekey().await {
            // The next unlock sees to it.
            Ok(()) | Err(VaultError::Locked) => {}
            Err(error) => tracing::error!(cause = %error, "the next start records a re-key again"),
        }
    }

    /// Re-keys if it is time to, and no operator is needed. Called once a second; one that failed is
    /// tried again an hour later.
    pub(crate) async fn run_due_rekey(self: &Arc<Self>) {
        let now = self.journal.now();
        let due = self
            .secrets
            .root_key_deadline()
            .at()
            .is_some_and(|at| at <= now.wall);
        let last = || {
            let tried = self.rekey_tried.lock();
            tried.unwrap_or_else(PoisonError::into_inner)
        };
        let tried = last().is_some_and(|last| now.boot.saturating_sub(last) < AGAIN);
        let busy = self.vault.is_locked() || self.journal.fault().is_some();
        if !due || tried || busy || self.vault.root_key_in_force().needs_credential() {
            return;
        }
        *last() = Some(now.boot);
        if let Err(error) = self.rekey(None, RekeyRequest::default()).await {
            tracing::error!(cause = %error, "the root key is due to change and was not; tried again in an hour");
        }
    }
}

fn refused(error: RekeyError) -> UpkeepError {
    match error {
        RekeyError::Vault(VaultError::Locked) => UpkeepError::Locked,
        error => UpkeepError::Rekey(error),
    }
}

fn broken(panic: tokio::task::JoinError) -> UpkeepError {
    UpkeepError::Broken("the root key", panic)
}

/// How long the broker leaves it after it failed to change the root key by itself.
const AGAIN: Duration = Duration::from_secs(60 * 60);
