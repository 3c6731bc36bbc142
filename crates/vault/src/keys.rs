//! The keys of an unlocked vault, and what only they can do.
//!
//! The root key seals: the data key of each value, and three things made with the vault: a check
//! value that detects a wrong key, the MAC key, and the seed of the audit log's signing key. Only the
//! root key and the MAC key stay in memory while unlocked; and for a moment after a re-key the root key
//! before, for what was sealed under it and is not stored yet.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_audit::record::Body;
use broker_secret_memory::locked_memory::LockedKey;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::envelope::{self, KeyError, NoRandom, RootKeyRef};
use super::error::VaultError;
use super::key_record::KeyRecord;
use super::root_key::RootKey;
use super::state::State;

/// What is sealed under the root key once per vault.
#[derive(Debug, Clone)]
pub(super) struct SealedKeys {
    pub(super) vault_id: String,
    pub(super) root_version: u32,
    pub(super) check: Box<[u8]>,
    pub(super) mac: Box<[u8]>,
    pub(super) log_seed: Box<[u8]>,
}

impl SealedKeys {
    /// Makes the keys of a new vault. Returns the log's public key, base64, with them.
    pub(super) fn make(root: &RootKey, vault_id: &str) -> Result<(Self, String), NoRandom> {
        let mut mac = Zeroizing::new([0; 32]);
        let mut seed = Zeroizing::new([0; 32]);
        envelope::random(&mut *mac)?;
        envelope::random(&mut *seed)?;
        let sealed = Self::seal(root.at_version(1), vault_id, &mac, &seed)?;
        Ok((sealed, public_key_of(&seed)))
    }

    /// The same keys, sealed under another root key.
    pub(super) fn rewrapped(&self, old: &RootKey, new: RootKeyRef<'_>) -> Result<Self, KeyError> {
        let mac = self.open(old, MAC, &self.mac)?;
        let seed = self.open(old, LOG_SEED, &self.log_seed)?;
        Ok(Self::seal(
            new,
            &self.vault_id,
            mac.expose(),
            seed.expose(),
        )?)
    }

    fn seal(
        root: RootKeyRef<'_>,
        vault_id: &str,
        mac: &[u8; 32],
        seed: &[u8; 32],
    ) -> Result<Self, NoRandom> {
        let seal = |what, key| {
            let purpose = envelope::purpose(what, vault_id, root.version);
            envelope::seal_key(root.root, &purpose, key)
        };
        Ok(Self {
            check: seal(CHECK, &[0; 32])?,
            mac: seal(MAC, mac)?,
            log_seed: seal(LOG_SEED, seed)?,
            vault_id: vault_id.to_owned(),
            root_version: root.version,
        })
    }

    /// Whether this is the root key that these are sealed under.
    pub(super) fn fits(&self, root: &RootKey) -> bool {
        self.open(root, CHECK, &self.check).is_ok()
    }

    fn open(&self, root: &RootKey, what: &str, sealed: &[u8]) -> Result<LockedKey, KeyError> {
        let purpose = envelope::purpose(what, &self.vault_id, self.root_version);
        LockedKey::filled(|room| {
            envelope::open_key(root.expose(), &purpose, sealed, room)?;
            Ok(())
        })
    }
}

/// The keys of an unlocked vault. Dropping them wipes them.
pub(super) struct Keys {
    pub(super) root: RootKey,
    root_version: u32,
    mac: LockedKey,
    /// The root key before this one, while what was sealed under it may be on its way to the writer.
    pub(super) previous: Option<(RootKey, u32)>,
    /// In which form these keys make the MAC over the list.
    pub(super) list_form: ListForm,
}

/// In which form the list of secrets has its MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListForm {
    /// As in format 4: nothing says that there are other MACs.
    V1,
    /// It says besides that all that decides after a start has one, so that taking the others away, or
    /// calling the file an older format, is noticed.
    V2,
}

impl ListForm {
    pub(super) const fn domain(self) -> &'static str {
        match self {
            Self::V1 => "tokend list v1",
            Self::V2 => "tokend list v2",
        }
    }
}

impl Keys {
    /// Takes the root key of the vault at `path`, and checks with it that the list of secrets, and where the
    /// root key is kept, were not changed by another program.
    pub(super) fn unlock(root: RootKey, state: &State, path: &Path) -> Result<Self, VaultError> {
        let KeyRecord { keys, .. } = &state.key_record;
        let mut keys = Self::open(root, keys, &state.list.log.public_key, path)?;
        let what = if !state.list.is_genuine(&mut keys) {
            "its list of secrets and versions"
        } else if !state.key_record.is_genuine(&keys) {
            "where its root key is kept"
        } else {
            return Ok(keys);
        };
        Err(VaultError::Tampered {
            path: path.to_owned(),
            what: what.to_owned(),
        })
    }

    /// Takes the root key alone: a new vault has no list to check yet.
    pub(super) fn open(
        root: RootKey,
        sealed: &SealedKeys,
        log_public_key: &str,
        path: &Path,
    ) -> Result<Self, VaultError> {
        let tampered = |what: &str| VaultError::Tampered {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        sealed
            .open(&root, CHECK, &sealed.check)
            .map_err(|cause| cause.or(VaultError::WrongKey(path.to_owned())))?;
        let mac = sealed
            .open(&root, MAC, &sealed.mac)
            .map_err(|cause| cause.or(tampered("its MAC key")))?;
        let seed = sealed
            .open(&root, LOG_SEED, &sealed.log_seed)
            .map_err(|cause| cause.or(tampered("the audit log's key")))?;
        if public_key_of(seed.expose()) != log_public_key {
            return Err(tampered("the audit log's public key"));
        }
        let root_version = sealed.root_version;
        Ok(Self {
            root,
            root_version,
            mac,
            previous: None,
            list_form: ListForm::V2,
        })
    }

    /// Takes the next root key and keeps the one before it.
    pub(super) fn change_root(&mut self, root: RootKey, version: u32) {
        let before = std::mem::replace(&mut self.root, root);
        self.previous = Some((before, self.root_version));
        self.root_version = version;
    }

    /// The root key of this version, if it is one of the two that are kept.
    pub(super) fn under(&self, version: u32) -> Option<RootKeyRef<'_>> {
        let previous = self.previous.as_ref();
        let previous = previous.map(|(root, version)| root.at_version(*version));
        let mut kept = [Some(self.root()), previous].into_iter().flatten();
        kept.find(|root| root.version == version)
    }

    /// The root key in force.
    pub(super) const fn root(&self) -> RootKeyRef<'_> {
        self.root.at_version(self.root_version)
    }

    pub(super) const fn are_in_locked_memory(&self) -> bool {
        self.root.is_in_locked_memory() && self.mac.is_locked()
    }

    /// [`hmac`] under the MAC key.
    pub(super) fn mac<'a>(&self, domain: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Tag {
        hmac(self.mac.expose(), domain, parts)
    }
}

/// HMAC-SHA256 over `domain`, a zero byte, and the parts, which the caller keeps apart.
pub(super) fn hmac<'a>(
    key: &[u8; 32],
    domain: &str,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Tag {
    let mut mac = Tag::under(key, domain);
    mac.update(&[0]);
    for part in parts {
        mac.update(part);
    }
    mac
}

/// A MAC, to be written down or compared. Compare it with [`Tag::is`] and nothing else: its bytes leave this
/// crate only in a record ([`Tag::added_to`]), and code inside must not compare them.
pub struct Tag(Hmac<Sha256>);

impl Tag {
    /// The beginning of one: over `domain`.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub(super) fn under(key: &[u8; 32], domain: &str) -> Self {
        let mut mac = Self(Hmac::new_from_slice(key).expect("a key of 32 bytes"));
        mac.update(domain.as_bytes());
        mac
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The record with this MAC.
    #[must_use]
    pub fn added_to(self, body: Body) -> Body {
        body.with_mac(&self.bytes())
    }

    /// As it is written down, or taken as a key. Not for comparing: that is [`Self::is`], in constant time.
    pub(super) fn bytes(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }

    /// Whether the other is the same, compared in constant time. The only comparison there is.
    #[must_use]
    pub fn is(self, other: &[u8]) -> bool {
        self.0.verify_slice(other).is_ok()
    }
}

fn public_key_of(seed: &[u8; 32]) -> String {
    STANDARD.encode(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

/// How often the root key of a new vault has sealed: the check, the MAC key, the log's seed.
pub(super) const SEALED_AT_FIRST: u64 = 3;

const CHECK: &str = "tokend key check v1";
const MAC: &str = "tokend mac key v1";
const LOG_SEED: &str = "tokend log seed v1";
