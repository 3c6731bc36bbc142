//! How values come into the vault and go: a number first, then the value under it.

use std::sync::atomic::Ordering;

use broker_audit_writer::{Recorded, Use};
use broker_protocol::names::SecretName;
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::error::VaultError;
use super::rotation::NewValue;
use super::state::Sealed;
use super::{Kind, StoredSecret, Vault, envelope, known, stopped, to_microseconds};
use crate::rotation_state::Rotation;

/// What a change in the vault is of.
#[derive(Debug)]
pub(super) enum ValueRole {
    /// The value that is handed out, with the rotation that the change belongs to, if it does.
    InForce(Option<Box<Rotation>>),
    /// A copy of a value that policies take from elsewhere.
    Elsewhere,
}

impl Vault {
    /// Gives out the number of a secret's next version, durably and only once.
    ///
    /// The record of the change names it, and comes after it: so no record ever names a version that
    /// this vault has not heard of, unless someone put an older vault in its place.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written.
    pub async fn reserve_version(
        &self,
        name: &SecretName,
        now: Timestamp,
    ) -> Result<u64, VaultError> {
        let name = name.clone();
        self.ask(move |work| work.reserve(name, now)).await
    }

    /// Stores a value as the version that the record names, which [`Self::reserve_version`] gave.
    /// Older versions stay; who was exposed to them is forgotten.
    ///
    /// # Errors
    ///
    /// [`VaultError::Conflict`] if a later version came first; [`VaultError::Locked`]; or if it could
    /// not be written.
    pub async fn store(
        &self,
        usage: Recorded<Use>,
        value: AccessToken,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<StoredSecret, VaultError> {
        let value = NewValue { value, expires_at };
        self.store_as(&usage, value, ValueRole::InForce(None), now)
            .await
    }

    /// The same of a secret whose value policies take from elsewhere: who was exposed to that one still is.
    ///
    /// # Errors
    ///
    /// As [`Self::store`].
    pub async fn store_aside(
        &self,
        usage: Recorded<Use>,
        value: AccessToken,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<StoredSecret, VaultError> {
        let value = NewValue { value, expires_at };
        self.store_as(&usage, value, ValueRole::Elsewhere, now)
            .await
    }

    async fn store_as(
        &self,
        usage: &Recorded<Use>,
        new: NewValue,
        of: ValueRole,
        now: Timestamp,
    ) -> Result<StoredSecret, VaultError> {
        let stored = self.send_version(usage, new, of, now)?;
        stored.await.map_err(stopped)?
    }

    /// Seals a value and sends it to the writer, under one hold of the keys: a re-key between the two
    /// would not know of it.
    pub(super) fn send_version(
        &self,
        usage: &Recorded<Use>,
        new: NewValue,
        of: ValueRole,
        now: Timestamp,
    ) -> Result<oneshot::Receiver<Result<StoredSecret, VaultError>>, VaultError> {
        let NewValue { value, expires_at } = new;
        let name = usage.get().secret.clone();
        let named = usage.get().version;
        let version = named.ok_or_else(|| VaultError::VersionNotNamed(name.clone()))?;
        let mut sealed = Sealed {
            version,
            kind: Kind::of(&value),
            hashed_credential: value.hashed(),
            expires_at: expires_at.map(to_microseconds),
            set_at: to_microseconds(now),
            envelope: Box::default(),
        };
        let keys = known(self.shared.keys.read());
        let (root, root_version) = keys.as_ref().ok_or(VaultError::Locked)?.root();
        sealed.envelope = {
            let what = sealed.identity(self.id(), &name);
            // Into the envelope, sealed.
            envelope::seal(root, root_version, &what, value.expose().as_bytes())?
        };
        drop(value);
        self.shared.seals.fetch_add(1, Ordering::Relaxed);
        self.writer.ask(move |work| work.add(&name, sealed, of))
    }

    /// Erases all versions of a secret, in memory and in the files.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoValue`], [`VaultError::Locked`], or if it could not be written.
    pub async fn remove(&self, usage: Recorded<Use>) -> Result<(), VaultError> {
        self.remove_as(usage, ValueRole::InForce(None)).await
    }

    /// The same of a secret whose value policies take from elsewhere: who was exposed to that one still is.
    ///
    /// # Errors
    ///
    /// As [`Self::remove`].
    pub async fn remove_aside(&self, usage: Recorded<Use>) -> Result<(), VaultError> {
        self.remove_as(usage, ValueRole::Elsewhere).await
    }

    async fn remove_as(&self, usage: Recorded<Use>, of: ValueRole) -> Result<(), VaultError> {
        let name = usage.get().secret.clone();
        self.ask(move |work| work.remove(&name, &of)).await
    }
}
