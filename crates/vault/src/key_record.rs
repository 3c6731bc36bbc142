//! Who keeps the root key, and what of the vault is sealed under it once.
//!
//! All of it changes together, when the root key does. A MAC covers what says where the key is: whoever
//! can write the file and has no key must not be able to have the next one sealed for themselves, or
//! have the broker erase one that is in force.

use jiff::Timestamp;

use super::keys::{Keys, SealedKeys, Tag};
use super::rekey::Change;
use super::root_key::{RootKeySource, Wrap};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct KeyRecord {
    pub(super) source: RootKeySource,
    pub(super) keys: SealedKeys,
    pub(super) passphrase: Option<Wrap>,
    pub(super) recovery: Option<Wrap>,
    /// When this version of the root key came into force.
    pub(super) made_at: Timestamp,
    /// A change of the root key that has begun and is not settled.
    pub(super) change: Option<Change>,
    /// Over all of the above. Absent before [`Self::signed`] only.
    pub(super) mac: Option<[u8; 32]>,
}

impl KeyRecord {
    pub(super) fn tag(&self, keys: &Keys) -> Tag {
        let mut out = Vec::with_capacity(1024);
        super::envelope::text(&mut out, &self.keys.vault_id);
        out.extend_from_slice(&self.keys.root_version.to_be_bytes());
        super::envelope::text(&mut out, &self.source.to_stored());
        out.extend_from_slice(&self.made_at.as_microsecond().to_be_bytes());
        for wrap in [&self.passphrase, &self.recovery] {
            super::envelope::optional(&mut out, wrap.as_ref().map(Wrap::to_bytes));
        }
        let change = self.change.as_ref().map(|change| {
            let mut bytes = Vec::new();
            super::envelope::text(&mut bytes, &change.to_stored());
            bytes
        });
        super::envelope::optional(&mut out, change);
        keys.mac("tokend custody v1", [out.as_slice()])
    }

    /// The same with its MAC.
    pub(super) fn signed(mut self, keys: &Keys) -> Self {
        self.mac = Some(self.tag(keys).bytes());
        self
    }

    /// Whether it is as something with the root key wrote it.
    pub(super) fn is_genuine(&self, keys: &Keys) -> bool {
        self.mac.is_some_and(|mac| self.tag(keys).is(&mac))
    }
}
