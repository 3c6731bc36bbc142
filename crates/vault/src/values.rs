//! How values come into the vault and go: a number first, then the value under it.

use std::sync::atomic::Ordering;

use broker_audit_writer::{Recorded, Use};
use broker_protocol::names::SecretName;
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::error::VaultError;
use super::state::Sealed;
use super::{StoredSecret, Vault, envelope, kind_of, known, stopped, to_microseconds};
use crate::rotation_state::Rotation;

/// A value on its way into the vault, and its end at GitHub as far as is known.
pub struct NewValue {
    /// The value.
    pub value: AccessToken,
    /// Its end.
    pub expires_at: Option<Timestamp>,
}

/// Which value a change in the vault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRole {
    /// The value that is handed out.
    InForce,
    /// A copy of a value that policies take from elsewhere: who was exposed to that one still is.
    Elsewhere,
}

impl ValueRole {
    pub(super) const fn is_in_force(self) -> bool {
        matches!(self, Self::InForce)
    }
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
    /// Older versions stay. Once another value is in force, those who were handed the one before it no
    /// longer count as exposed, unless it comes back.
    ///
    /// # Errors
    ///
    /// [`VaultError::Conflict`] if a later version came first; [`VaultError::Locked`]; or if it could
    /// not be written.
    pub async fn store(
        &self,
        usage: Recorded<Use>,
        new: NewValue,
        role: ValueRole,
        now: Timestamp,
    ) -> Result<StoredSecret, VaultError> {
        let stored = self.send_version(&usage, new, (role, None), now)?;
        stored.await.map_err(stopped)?
    }

    /// The same of the value in force, together with the rotation that the change belongs to.
    ///
    /// # Errors
    ///
    /// As for [`Self::store`]; then the rotation is not written either.
    pub async fn store_rotated(
        &self,
        usage: Recorded<Use>,
        new: NewValue,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<StoredSecret, VaultError> {
        let stored_as = (ValueRole::InForce, Some(Box::new(rotation)));
        let stored = self.send_version(&usage, new, stored_as, now)?;
        stored.await.map_err(stopped)?
    }

    /// Seals a value and sends it to the writer, under one hold of the keys: a re-key between the two
    /// would not know of it.
    pub(super) fn send_version(
        &self,
        usage: &Recorded<Use>,
        new: NewValue,
        (role, rotation): (ValueRole, Option<Box<Rotation>>),
        now: Timestamp,
    ) -> Result<oneshot::Receiver<Result<StoredSecret, VaultError>>, VaultError> {
        let NewValue { value, expires_at } = new;
        let name = usage.get().secret.clone();
        let named = usage.get().version;
        let version = named.ok_or_else(|| VaultError::VersionNotNamed(name.clone()))?;
        let mut sealed = Sealed {
            version,
            kind: kind_of(&value),
            hashed_credential: value.hashed(),
            expires_at: expires_at.map(to_microseconds),
            set_at: to_microseconds(now),
            envelope: Box::default(),
        };
        let keys = known(self.shared.keys.read());
        let root = keys.as_ref().ok_or(VaultError::Locked)?.root();
        sealed.envelope = {
            let what = sealed.identity(self.id(), &name);
            // Into the envelope, sealed.
            envelope::seal(root, &what, value.expose().as_bytes())?
        };
        drop(value);
        self.shared.seals.fetch_add(1, Ordering::Relaxed);
        self.writer
            .ask(move |work| work.add(&name, sealed, role, rotation))
    }

    /// Erases all versions of a secret, in memory and in the files.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoValue`], [`VaultError::Locked`], or if it could not be written.
    pub async fn remove(&self, usage: Recorded<Use>, role: ValueRole) -> Result<(), VaultError> {
        let name = usage.get().secret.clone();
        self.ask(move |work| work.remove(&name, role)).await
    }
}
