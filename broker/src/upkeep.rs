//! Looks after secrets, the lock and the policies: what operators do.
//!
//! A change is recorded before it is made, like a use. If the record cannot be written, nothing
//! changes; if the change fails after its record, a second record says so. Lock and unlock take effect
//! first: the one must never wait, and the other hands nothing out, since every lease still needs its
//! own record.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use broker_audit::record::{Body, Event};
use broker_protocol::api::Reloaded;
use broker_protocol::names::SecretName;
use broker_protocol::places::Places;
use jiff::Timestamp;

use crate::audit_log::{AuditLogError, Effect, Use, Why};
use crate::broker::{Broker, InForce};
use crate::issue::SECRET_REMOVED;
use crate::lease_record;
use crate::load::{LoadError, load};
use crate::policy::Caller;
use crate::token::AccessToken;
use crate::vault::root_key::{self, Passphrase, RootKey, RootKeyError};
use crate::vault::{Held, VaultError};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// The store is locked.
    #[error("the store is locked; run `tokenctl unlock` first")]
    Locked,
    /// The change could not be recorded, so it was not made.
    #[error("the audit log cannot be written, so nothing was changed")]
    NotRecorded(#[source] AuditLogError),
    /// There is no such secret in the vault.
    #[error("the vault holds no value for `{0}`")]
    NotFound(SecretName),
    /// The vault could not carry the change out. A record says so.
    #[error("the vault could not carry this out: {0}")]
    Vault(#[source] VaultError),
    /// The root key could not be had, or does not fit.
    #[error("{0}")]
    Unlock(#[source] RootKeyError),
    /// The passphrase or key is not this vault's.
    #[error("{0}")]
    WrongKey(#[source] VaultError),
    /// The new policies are refused; those in force stay in force.
    #[error("the policies were refused, and those in force stay in force:\n{0}")]
    Policies(#[source] LoadError),
    /// A record could not be written as JSON: a fault of the broker's own.
    #[error("a record could not be written")]
    Record(#[from] serde_json::Error),
    /// The reading of something panicked: a fault of the broker's own.
    #[error("{0} could not be read; what was in force stays so")]
    Broken(&'static str, #[source] tokio::task::JoinError),
}

impl Broker {
    /// Stores a new version of a secret.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the version in use stays in use.
    pub async fn set_secret(
        &self,
        by: &Caller,
        name: &SecretName,
        value: AccessToken,
        expires_at: Option<Timestamp>,
    ) -> Result<Held, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let _one_at_a_time = self.changing.lock().await;
        let version = self
            .vault
            .reserve_version(name, self.now().wall)
            .await
            .map_err(UpkeepError::Vault)?;
        let hashed = value.hashed();
        let body = Body::of(&Event::SecretSet {
            by: lease_record::caller(by),
            secret: name.as_str(),
            version,
            hashed_credential: hashed.as_str(),
            expires_at,
        })?;
        let usage = Use {
            secret: name.clone(),
            version: Some(version),
            why: Why::Upkeep,
        };
        let recorded = self
            .log
            .record_use(usage, body, Effect::Nothing)
            .await
            .map_err(UpkeepError::NotRecorded)?;
        let announced = recorded.seq();
        match self
            .vault
            .store(recorded, value, expires_at, self.now().wall)
            .await
        {
            Ok(held) => Ok(held),
            Err(error) => Err(self.change_failed(name, announced, error).await),
        }
    }

    /// Erases every version of a secret, and revokes the leases on them.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; nothing was erased.
    pub async fn remove_secret(&self, by: &Caller, name: &SecretName) -> Result<(), UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let _one_at_a_time = self.changing.lock().await;
        if self.vault.held(name).is_none() {
            return Err(UpkeepError::NotFound(name.clone()));
        }
        self.erase(Some(by), name).await
    }

    /// Carries out the removals that the log announces and this vault has not seen. `false`, said
    /// loudly, if one could not be.
    pub(crate) async fn finish_removals(&self, removed: &[SecretName]) -> bool {
        for name in removed
            .iter()
            .filter(|name| self.vault.held(name).is_some())
        {
            tracing::warn!(secret = %name, "the audit log says it was removed; it is erased now");
            if let Err(error) = self.erase(None, name).await {
                tracing::error!(secret = %name, cause = %error, "it is still there and no lease is rebuilt; mend the cause, then start the broker again");
                return false;
            }
        }
        true
    }

    /// With the leases on it, also those taken between an unlock and this.
    async fn erase(&self, by: Option<&Caller>, name: &SecretName) -> Result<(), UpkeepError> {
        let body = Body::of(&Event::SecretRemoved {
            by: by.map(lease_record::caller),
            secret: name.as_str(),
        })?;
        let usage = Use {
            secret: name.clone(),
            version: None,
            why: Why::Upkeep,
        };
        let recorded = self
            .log
            .record_use(usage, body, Effect::Nothing)
            .await
            .map_err(UpkeepError::NotRecorded)?;
        let announced = recorded.seq();
        if let Err(error) = self.vault.remove(recorded).await {
            return Err(self.change_failed(name, announced, error).await);
        }
        let live = self.leases.list(None, self.now());
        let over = live
            .iter()
            .filter(|lease| lease.version.is_some() && lease.secret == *name);
        self.end_leases(over.map(|lease| &lease.id), by, SECRET_REMOVED)
            .await;
        Ok(())
    }

    async fn change_failed(
        &self,
        name: &SecretName,
        announced: u64,
        error: VaultError,
    ) -> UpkeepError {
        let why = error.to_string();
        let event = Event::SecretFailed {
            secret: name.as_str(),
            announced,
            why: &why,
        };
        self.record_or_trace(&event).await;
        match error {
            VaultError::Locked => UpkeepError::Locked,
            error => UpkeepError::Vault(error),
        }
    }

    /// Forgets the root key. Live leases keep their end; nothing new is handed out.
    ///
    /// `true` if that is in the audit log already.
    pub async fn lock(&self, by: &Caller) -> bool {
        self.vault.lock();
        tracing::warn!(uid = by.uid, "the store is locked");
        self.record_or_trace(&Event::VaultLocked {
            by: lease_record::caller(by),
        })
        .await
    }

    /// Loads the root key: with a passphrase, or from its configured source.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the store stays locked. A failed attempt is recorded.
    pub async fn unlock(
        self: &Arc<Self>,
        by: &Caller,
        passphrase: Option<Passphrase>,
    ) -> Result<(), UpkeepError> {
        // One at a time: deriving a key takes all the memory that one derivation should.
        let _one_at_a_time = self.changing.lock().await;
        if !self.vault.is_locked() {
            return Ok(());
        }
        let unlocked = self
            .load_root_key(passphrase)
            .await
            .and_then(|(key, from)| {
                self.vault
                    .unlock(key)
                    .map(|()| from)
                    .map_err(UpkeepError::WrongKey)
            });
        match unlocked {
            Ok(from) => {
                let by = Some(lease_record::caller(by));
                self.record_or_trace(&Event::VaultUnlocked { by, root_key: from })
                    .await;
                self.rebuild_leases().await;
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                let by = lease_record::caller(by);
                self.record_or_trace(&Event::VaultUnlockRefused { by, why: &why })
                    .await;
                Err(error)
            }
        }
    }

    async fn load_root_key(
        self: &Arc<Self>,
        passphrase: Option<Passphrase>,
    ) -> Result<(RootKey, &'static str), UpkeepError> {
        let broker = Arc::clone(self);
        // Deriving a key and asking a keyring take their time.
        let loaded = tokio::task::spawn_blocking(move || match passphrase {
            Some(passphrase) => broker.vault.root_key_behind(&passphrase),
            None => {
                let key = broker.vault.fetch_root_key(&broker.surroundings())?;
                Ok((key, broker.vault.root_key_source().as_str()))
            }
        });
        loaded
            .await
            .map_err(|panic| UpkeepError::Broken("the root key", panic))?
            .map_err(UpkeepError::Unlock)
    }

    fn surroundings(&self) -> root_key::Surroundings {
        root_key_surroundings(&self.places)
    }

    /// Reads the policies again and puts them in force, all or none.
    ///
    /// # Errors
    ///
    /// [`UpkeepError::Policies`]: the set in force stays in force, loudly.
    pub async fn reload_policies(&self) -> Result<Reloaded, UpkeepError> {
        let _one_at_a_time = self.reloading.lock().await;
        // Files, and account names that a directory service may have to be asked for.
        let (directory, host) = (self.places.policies.clone(), self.config.host(&self.places));
        let loaded = tokio::task::spawn_blocking(move || load(&directory, &host)).await;
        let loaded = match loaded.map_err(|panic| UpkeepError::Broken("the policies", panic))? {
            Ok(loaded) => loaded,
            Err(error) => {
                let why = error.to_string();
                self.record_or_trace(&Event::PolicyRefused { why: &why })
                    .await;
                tracing::error!(cause = %why, "the policies were refused; the old ones stay in force");
                *self
                    .policy_fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(why);
                return Err(UpkeepError::Policies(error));
            }
        };
        let body = Body::of(&Event::PolicyLoaded {
            files: &loaded.files,
        })?;
        self.log
            .record(body, Effect::Nothing)
            .await
            .map_err(UpkeepError::NotRecorded)?;
        let answer = Reloaded {
            files: loaded.files.clone(),
            purposes: loaded.set.purposes().count() as u64,
            revoked: Vec::new(),
            warnings: loaded
                .set
                .warnings()
                .iter()
                .map(ToString::to_string)
                .collect(),
        };
        self.env.capture(loaded.set.env_sources());
        let in_force = InForce::since(self.now().wall, loaded);
        *self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        *self
            .policy_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        // While locked no lease is honoured; the unlock judges them.
        let revoked = self.judge_leases().await;
        Ok(Reloaded { revoked, ..answer })
    }

    /// Records what happened whether or not it can be recorded. `true` if it was.
    pub(crate) async fn record_or_trace(&self, event: &Event<'_>) -> bool {
        let written = match Body::of(event) {
            Ok(body) => self.log.record_anyway(body, Effect::Nothing).await,
            Err(error) => {
                tracing::error!(cause = %error, "a record could not be written as JSON");
                false
            }
        };
        if !written {
            tracing::error!(
                "a record is not in the audit log yet; it is written when that is possible"
            );
        }
        written
    }
}

/// Where the sources of a root key are looked for.
pub(crate) fn root_key_surroundings(places: &Places) -> root_key::Surroundings {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    root_key::Surroundings {
        key_file: places.root_key.clone(),
        credentials,
        keyring: root_key::Keyring::SESSION,
    }
}
