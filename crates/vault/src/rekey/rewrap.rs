//! Every data key, and what the root key seals once per vault, sealed again: the values stay closed.

use std::collections::HashMap;

use broker_protocol::names::SecretName;

use super::pace::{AT_ONCE, give_way};
use crate::envelope::{self, DataKeyId, Head, RootKeyRef};
use crate::error::VaultError;
use crate::key_record::KeyRecord;
use crate::keys::SealedKeys;
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
        next: &RootKey,
        version: u32,
    ) -> Result<HashMap<Head, Head>, VaultError> {
        let snapshot = self.envelopes()?;
        let mut heads = HashMap::with_capacity(snapshot.len());
        let next = RootKeyRef {
            root: next.expose(),
            version,
        };
        for some in snapshot.chunks(AT_ONCE) {
            give_way();
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            for item in some {
                let place = DataKeyId {
                    vault: self.id(),
                    name: &item.name,
                    version: item.version,
                };
                let under = envelope::root_version(&item.head);
                let under = keys
                    .under(under)
                    .ok_or_else(|| self.shared.does_not_open(place))?;
                let head = envelope::rewrap(under, next, place, &item.head);
                heads.insert(
                    item.head,
                    head.map_err(|cause| cause.or(self.shared.does_not_open(place)))?,
                );
            }
        }
        Ok(heads)
    }

    fn envelopes(&self) -> Result<Vec<EnvelopeHead>, VaultError> {
        let state = known(self.shared.state.read());
        let versions = state.list.secrets.iter().flat_map(|(name, secret)| {
            let versions = secret.versions.iter();
            versions.map(|sealed| (name.to_string(), sealed.version, &sealed.envelope))
        });
        let minted = state.minted.values().map(|sealed| {
            let minted = &sealed.minted;
            (minted.place(), minted.installation, &sealed.envelope)
        });
        let items = versions.chain(minted).map(|(name, version, envelope)| {
            let place = DataKeyId {
                vault: self.id(),
                name: &name,
                version,
            };
            let head = *envelope::head(envelope).ok_or_else(|| self.shared.does_not_open(place))?;
            Ok(EnvelopeHead {
                name,
                version,
                head,
            })
        });
        items.collect()
    }

    /// Seals what the root key seals once per vault again.
    pub(super) fn rewrap_own(
        &self,
        from: &KeyRecord,
        next: &RootKey,
        version: u32,
    ) -> Result<SealedKeys, VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let sealed = from.keys.rewrapped(keys.root_key(), next, version);
        sealed.map_err(|cause| cause.or(self.shared.tampered("its own keys".to_owned())))
    }
}

impl Shared {
    /// The head of an envelope under the next root key: worked out before, or now if it came since.
    pub(crate) fn next_head(
        &self,
        head: &Head,
        next: &Next,
        place: DataKeyId<'_>,
    ) -> Result<Head, VaultError> {
        if let Some(head) = next.heads.get(head) {
            return Ok(*head);
        }
        let under = RootKeyRef {
            root: next.root.expose(),
            version: next.key_record.keys.root_version,
        };
        let keys = known(self.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let before = keys.under(envelope::root_version(head));
        let before = before.ok_or_else(|| self.does_not_open(place))?;
        envelope::rewrap(before, under, place, head)
            .map_err(|cause| cause.or(self.does_not_open(place)))
    }

    pub(crate) fn does_not_open(&self, place: DataKeyId<'_>) -> VaultError {
        self.tampered(match place.name.parse::<SecretName>() {
            Ok(name) => format!("version {} of secret `{name}`", place.version),
            Err(_) => "an installation token".to_owned(),
        })
    }
}

/// One envelope of the snapshot.
struct EnvelopeHead {
    name: String,
    version: u64,
    head: Head,
}
