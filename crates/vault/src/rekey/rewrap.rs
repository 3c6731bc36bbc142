//! Every data key, and what the root key seals once per vault, sealed again: the values stay closed.

use std::collections::HashMap;

use broker_protocol::names::SecretName;

use super::pace::{AT_ONCE, give_way};
use crate::envelope::{self, DataKeyId, Head, RootKeyRef};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::{Keys, SealedKeys};
use crate::root_key::RootKey;
use crate::{Shared, Vault, known};

/// All that the writer needs to put the next root key in force.
pub(crate) struct Next {
    pub(crate) root: RootKey,
    pub(crate) key_record: KeyRecord,
    /// Each envelope's head as it was, and as it will be.
    pub(crate) heads: HashMap<Head, Head>,
}

impl Vault {
    /// Seals every data key again. The locks are held for a few of them at a time, so that neither a
    /// lease nor a `lock` waits; a `lock` ends it.
    pub(super) fn rewrap_all(
        &self,
        next: RootKeyRef<'_>,
    ) -> Result<HashMap<Head, Head>, VaultError> {
        let snapshot = self.envelopes();
        let mut heads = HashMap::with_capacity(snapshot.len());
        for some in snapshot.chunks(AT_ONCE) {
            give_way();
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            for (name, version, head) in some {
                let place = self.shared.place(name, *version);
                let head = head.ok_or_else(|| self.shared.does_not_open(place))?;
                heads.insert(head, self.shared.rewrap(keys, next, place, &head)?);
            }
        }
        Ok(heads)
    }

    /// The name and the version that each envelope belongs to, and its head.
    fn envelopes(&self) -> Vec<(String, u64, Option<Head>)> {
        let state = known(self.shared.state.read());
        let versions = state.list.secrets.iter().flat_map(|(name, secret)| {
            let versions = secret.versions.iter();
            versions.map(|sealed| (name.to_string(), sealed.version, &sealed.envelope))
        });
        let minted = state.minted.values().map(|sealed| {
            let minted = &sealed.minted;
            (minted.place(), minted.installation, &sealed.envelope)
        });
        let all = versions.chain(minted);
        all.map(|(name, version, envelope)| (name, version, envelope.first_chunk().copied()))
            .collect()
    }

    /// Seals what the root key seals once per vault again.
    pub(super) fn rewrap_own(
        &self,
        from: &KeyRecord,
        next: RootKeyRef<'_>,
    ) -> Result<SealedKeys, VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let sealed = from.keys.rewrapped(&keys.root, next);
        sealed.map_err(|cause| cause.or(self.shared.tampered("its own keys".to_owned())))
    }
}

impl Shared {
    /// Where an envelope of this vault belongs.
    pub(crate) fn place<'a>(&'a self, name: &'a str, version: u64) -> DataKeyId<'a> {
        DataKeyId {
            vault: &self.id,
            name,
            version,
        }
    }

    /// The head of an envelope under another root key.
    pub(crate) fn rewrap(
        &self,
        keys: &Keys,
        next: RootKeyRef<'_>,
        place: DataKeyId<'_>,
        head: &Head,
    ) -> Result<Head, VaultError> {
        let before = keys.under(envelope::root_version(head));
        let before = before.ok_or_else(|| self.does_not_open(place))?;
        envelope::rewrap(before, next, place, head)
            .map_err(|cause| cause.or(self.does_not_open(place)))
    }

    pub(crate) fn does_not_open(&self, place: DataKeyId<'_>) -> VaultError {
        self.tampered(match place.name.parse::<SecretName>() {
            Ok(name) => format!("version {} of secret `{name}`", place.version),
            Err(_) => "an installation token".to_owned(),
        })
    }
}
