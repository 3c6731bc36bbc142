//! The vault's part in a rotation: versions come and go together with the state that explains them.
//!
//! A swap, and the erasing at the end, are each one transaction with the rotation's own row. So after a
//! crash there is never a version that no rotation knows, nor a rotation whose version is missing.

use std::collections::BTreeMap;

use broker_audit_writer::{Recorded, Use};
use broker_policy::SecretKind;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::error::VaultError;
use super::state::states_of;
use super::{Vault, known};
use crate::rotation_state::{Rotation, SinkState};
use crate::row_mac::Row;
use crate::store::{Tx, states};

/// What is known of one stored version without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its number.
    pub number: u64,
    /// What its first characters say it is.
    pub kind: Option<SecretKind>,
    /// Base64 SHA-256 of the value.
    pub hashed_credential: HashedToken,
    /// When it ends at GitHub, as far as is known.
    pub expires_at: Option<Timestamp>,
}

impl Vault {
    /// Erases every version of a secret but `keep`, in memory and in the files, and writes the rotation
    /// that ends with it; without one the secret's rotation is forgotten.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoVersion`] if `keep` is not there; [`VaultError::Locked`]; or if it could not be
    /// written. Nothing is erased then.
    pub async fn retire(
        &self,
        usage: Recorded<Use>,
        keep: Option<u64>,
        rotation: Option<Rotation>,
    ) -> Result<(), VaultError> {
        let name = usage.get().secret.clone();
        let rotation = rotation.map(Box::new);
        self.ask(move |work| work.retire(&name, keep, rotation))
            .await
    }

    /// Writes how far a rotation is.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, or if it could not be written.
    pub async fn note_rotation(
        &self,
        name: &SecretName,
        rotation: Rotation,
    ) -> Result<(), VaultError> {
        let name = name.clone();
        self.ask(move |work| {
            let (stored, text) = work.store.stored(rotation)?;
            let covered = work.covered(|state, key, rows| {
                let turned = state.rotations.get(&name).into_iter().chain([&stored]);
                rows.turned(key, turned.map(|row| Row::Rotation(&name, &row.digest)))
            })?;
            let write = |tx: &Tx<'_>| states::write_state(tx, "rotation", &name, Some(&text));
            work.change_rows(covered, write, |state| {
                state.rotations.insert(name.clone(), stored);
            })
        })
        .await
    }

    /// Writes what is known of a sink.
    ///
    /// # Errors
    ///
    /// As for [`Self::note_rotation`].
    pub async fn note_sink(
        &self,
        name: &SecretName,
        sink: &str,
        sink_state: SinkState,
    ) -> Result<(), VaultError> {
        let (name, sink) = (name.clone(), sink.to_owned());
        self.ask(move |work| {
            let (stored, text) = work.store.stored(sink_state)?;
            let covered = work.covered(|state, key, rows| {
                let before = state.sinks.get(&name).and_then(|sinks| sinks.get(&sink));
                let turned = before.into_iter().chain([&stored]);
                rows.turned(key, turned.map(|row| Row::Sink(&name, &sink, &row.digest)))
            })?;
            let write = |tx: &Tx<'_>| states::write_sink(tx, &name, &sink, &text);
            work.change_rows(covered, write, |state| {
                let sinks = state.sinks.entry(name.clone()).or_default();
                sinks.insert(sink.clone(), stored);
            })
        })
        .await
    }

    /// The last rotation of a secret, under way or ended; locked or not.
    #[must_use]
    pub fn rotation(&self, name: &SecretName) -> Option<Rotation> {
        let state = known(self.shared.state.read());
        state.rotations.get(name).map(|row| row.state.clone())
    }

    /// The secrets whose rotation is under way.
    #[must_use]
    pub fn rotations_under_way(&self) -> Vec<(SecretName, Rotation)> {
        let state = known(self.shared.state.read());
        let all = state.rotations.iter();
        all.filter(|(_, row)| row.state.is_under_way())
            .map(|(name, row)| (name.clone(), row.state.clone()))
            .collect()
    }

    /// Every secret's last rotation, by name.
    #[must_use]
    pub fn rotations(&self) -> BTreeMap<SecretName, Rotation> {
        states_of(&known(self.shared.state.read()).rotations)
    }

    /// What is known of the sinks of a secret, also of those that policies no longer name.
    #[must_use]
    pub fn sinks(&self, name: &SecretName) -> BTreeMap<String, SinkState> {
        let state = known(self.shared.state.read());
        state.sinks.get(name).map(states_of).unwrap_or_default()
    }

    /// Every version of a secret that the vault holds, oldest first.
    #[must_use]
    pub fn versions(&self, name: &SecretName) -> Vec<StoredVersion> {
        let state = known(self.shared.state.read());
        let versions = state.list.secrets.get(name).map(|secret| &secret.versions);
        let versions = versions.into_iter().flatten();
        versions
            .map(|sealed| StoredVersion {
                number: sealed.version,
                kind: sealed.kind,
                hashed_credential: sealed.hashed_credential.clone(),
                expires_at: sealed.expires_at,
            })
            .collect()
    }
}
