//! The vault: secrets at rest, each sealed alone, and the one way to open one.
//!
//! ```text
//! root key ─opens→ data key of one version ─opens→ its value
//!          ─opens→ MAC key: leases in the audit log, and the list of what is here
//! ```
//!
//! [`Vault::unseal`] takes a [`Recorded<Use>`](Recorded), which only the audit log makes, and opens
//! exactly the version that the record names. All sealed values are kept in memory, so a lease waits
//! for no database; they are of use only with the root key, which is in locked memory and is wiped
//! when the vault is locked.
//!
//! Changes go to one thread (`writer`), which keeps memory and database in step.
//!
//! What the vault does for the audit log is in `witness`, how values come and go in `values`, what it keeps
//! of checks in `checks`, a change of the root key in `rekey`. Not here: who may use a secret, what a record
//! says, HTTP, the clock. Time is an argument.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LockResult, Mutex, RwLock};

use broker_policy::SecretKind;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use key_record::KeyRecord;
use keys::{Keys, SealedKeys};
use root_key::{RootKey, RootKeySource, Wrap};
use row_mac::{RowSum, Witness, WitnessKey};
use state::{List, State};
use store::Store;
use tokio::sync::oneshot;
use writer::{Work, Writer};

use broker_audit_writer::{Recorded, Use};
use broker_secret_memory::nonblocking_stderr;

pub mod backup;
mod checks;
mod envelope;
mod error;
pub mod first_seen;
mod key_record;
mod keys;
mod kind;
mod minted;
pub mod move_state;
mod moves;
mod rekey;
pub mod root_key;
mod rotation;
pub mod rotation_state;
mod row_mac;
mod sources;
mod state;
mod store;
mod tunnels;
mod unlock;
mod values;
mod warnings;
mod witness;
mod writer;

#[cfg(test)]
mod tests;

pub use broker_secret_memory::cipher::NoRandom;
pub use checks::{CheckAttempt, CheckDetails, Checked};
pub use error::VaultError;
pub use keys::Tag;
pub use kind::kind_of;
pub use minted::{MintKey, Minted};
pub use rekey::{
    Interrupted, MOST_SEALS, Prepared, Rekey, RekeyError, RekeyRequest, Rekeyed, RootKeyInForce,
};
pub use rotation::StoredVersion;
pub use row_mac::Forgotten;
pub use sources::SourceValue;
pub use values::{NewValue, ValueRole};
pub use warnings::StoredWarning;
pub use witness::{Usage, UsageDelta};

pub use broker_audit_writer::LogIdentity;

/// An open vault, locked or not.
pub struct Vault {
    shared: Arc<Shared>,
    writer: Writer,
}

/// What the writer's thread and everyone else see of a vault.
struct Shared {
    path: PathBuf,
    /// The vault's own name.
    id: String,
    /// How often the root key in force has sealed.
    seals: Arc<AtomicU64>,
    /// Whether a re-key is under way. Held while a key file is read, which may find two.
    rekeying: Mutex<bool>,
    /// Changed by the writer's thread alone. Taken before `keys` where both are.
    state: RwLock<State>,
    /// `None` while locked.
    keys: RwLock<Option<Keys>>,
    /// `None` until the first unlock; outlives a lock. Taken last.
    witness: RwLock<Option<Witness>>,
}

impl Shared {
    /// Returns the error that something without the root key changed this.
    fn tampered(&self, what: String) -> VaultError {
        let path = self.path.clone();
        VaultError::Tampered { path, what }
    }
}

/// What a new vault is made of.
pub struct NewVault<'a> {
    /// From [`new_id`]; what the root key's keeper knows the vault by.
    pub id: &'a str,
    /// The key, already kept where `source` will look for it.
    pub root: &'a RootKey,
    /// Where that is.
    pub source: RootKeySource,
    /// The root key under a passphrase, where that is the source.
    pub passphrase: Option<Wrap>,
    /// The root key under a recovery passphrase.
    pub recovery: Option<Wrap>,
}

/// What is known of a stored secret without its key: its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// The version in use.
    pub version: u64,
    /// What its first characters say it is.
    pub kind: Option<SecretKind>,
    /// Base64 SHA-256 of the value.
    pub hashed_credential: HashedToken,
    /// When it ends at GitHub, as far as is known: what a check of this version found, or else what
    /// was entered. Leases and deadlines go by this.
    pub expires_at: Option<Timestamp>,
    /// When it ends at GitHub by what was entered with it.
    pub entered_expires_at: Option<Timestamp>,
    /// When its first version was stored.
    pub created_at: Timestamp,
    /// When this version was stored.
    pub set_at: Timestamp,
}

/// A name for a new vault: 128 random bits as 32 hexadecimal digits.
///
/// # Errors
///
/// If the kernel gives no random numbers.
pub fn new_id() -> Result<String, NoRandom> {
    let mut bits = [0; 16];
    envelope::random(&mut bits)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

impl Vault {
    /// Makes an empty vault, with the key and the name of the audit log that will belong to it.
    ///
    /// # Errors
    ///
    /// [`VaultError::Exists`] rather than touch one that is there.
    pub fn create(
        path: &Path,
        new: NewVault<'_>,
        now: Timestamp,
    ) -> Result<LogIdentity, VaultError> {
        let (sealed, public_key) = SealedKeys::make(new.root, new.id)?;
        let log = LogIdentity {
            log_id: new_id()?,
            public_key,
        };
        let mut list = List {
            secrets: BTreeMap::new(),
            log: log.clone(),
            changes: 0,
            mac: Box::default(),
        };
        let root = new.root.copy()?;
        let keys = Keys::open(root, &sealed, &log.public_key, path)?;
        list.mac = list.tag(&keys).bytes().into();
        let signed_head = WitnessKey::of(&keys)?.sign_head(&log, None, &RowSum::default());
        let key_record = KeyRecord {
            source: new.source,
            keys: sealed,
            passphrase: new.passphrase,
            recovery: new.recovery,
            made_at: to_microseconds(now),
            change: None,
            mac: None,
        };
        Store::create(path, &key_record.signed(&keys), &list, &signed_head, now)?;
        Ok(log)
    }

    /// Opens a vault. It is locked. Reads all of it: a few milliseconds for a thousand secrets.
    ///
    /// # Errors
    ///
    /// [`VaultError`]: missing, open to others, of another account, damaged, of a newer format, or in
    /// use by another process.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let (store, state) = Store::open(path)?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            id: state.key_record.keys.vault_id.clone(),
            seals: Arc::clone(&store.seals),
            rekeying: Mutex::default(),
            state: RwLock::new(state),
            keys: RwLock::new(None),
            witness: RwLock::default(),
        });
        let writer = Writer::start(store, Arc::clone(&shared))?;
        Ok(Self { shared, writer })
    }

    /// The vault's own name, 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// What is known of one secret, locked or not. `None` if it has no value here.
    #[must_use]
    pub fn held(&self, name: &SecretName) -> Option<StoredSecret> {
        known(self.shared.state.read()).held(name)
    }

    /// All secrets that have a value here, by name, locked or not.
    #[must_use]
    pub fn list(&self) -> Vec<(SecretName, StoredSecret)> {
        let state = known(self.shared.state.read());
        let secrets = state.list.secrets.iter();
        secrets
            .filter_map(|(name, secret)| Some((name.clone(), secret.held(state.checks.get(name))?)))
            .collect()
    }

    /// Opens the version of a secret that the record names.
    ///
    /// It takes the recorded use by value. That makes “no credential without a durable record” a
    /// type error and not a review item:
    ///
    /// ```compile_fail,E0308
    /// # use broker_audit_writer::Use;
    /// # use broker_vault::{Vault, VaultError};
    /// # use broker_secret_memory::token::AccessToken;
    /// # use broker_protocol::names::SecretName;
    /// fn too_early(vault: &Vault, secret: SecretName) -> Result<AccessToken, VaultError> {
    ///     let usage = Use { secret, version: Some(1) };
    ///     vault.unseal(usage) // a Use, but not yet a Recorded<Use>
    /// }
    /// ```
    ///
    /// ```
    /// # use broker_audit_writer::{Recorded, Use};
    /// # use broker_vault::{Vault, VaultError};
    /// # use broker_secret_memory::token::AccessToken;
    /// fn in_time(vault: &Vault, usage: Recorded<Use>) -> Result<AccessToken, VaultError> {
    ///     vault.unseal(usage)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`]; [`VaultError::NoVersion`] if it was removed meanwhile;
    /// [`VaultError::Tampered`] if the row is not what was sealed.
    pub fn unseal(&self, usage: Recorded<Use>) -> Result<AccessToken, VaultError> {
        let usage = usage.get();
        let name = &usage.secret;
        let wanted = usage
            .version
            .ok_or_else(|| VaultError::VersionNotNamed(name.clone()))?;
        let state = known(self.shared.state.read());
        let keys = known(self.shared.keys.read());
        let root = keys.as_ref().ok_or(VaultError::Locked)?.root();
        let versions = &state.list.with_value(name)?.versions;
        // Newest first: it is nearly always the one.
        let sealed = versions.iter().rev().find(|s| s.version == wanted);
        let sealed = sealed.ok_or_else(|| VaultError::NoVersion {
            secret: name.clone(),
            version: wanted,
        })?;
        let what = sealed.identity(self.id(), name);
        let opened = envelope::unseal(root, &what, &sealed.envelope);
        let place = self.shared.place(name.as_str(), wanted);
        let value = opened.map_err(|_cause| self.shared.does_not_open(place))?;
        AccessToken::from_utf8(value).ok_or_else(|| VaultError::NotText(name.clone()))
    }

    async fn ask<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Work) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.writer.ask(change)?.await.map_err(stopped)?
    }

    fn ask_blocking<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Work) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.writer.ask(change)?.blocking_recv().map_err(stopped)?
    }
}

fn stopped(_: oneshot::error::RecvError) -> VaultError {
    VaultError::Stopped
}

/// What the database can hold, so that memory and database agree to the last digit.
fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A lock's content. A thread that panicked while it held one leaves state that is not known, and a
/// broker that does not know its state must not go on.
fn known<T>(held: LockResult<T>) -> T {
    held.unwrap_or_else(|_| {
        tracing::error!("a thread failed while it changed the vault's state; stopping");
        nonblocking_stderr::abort()
    })
}
