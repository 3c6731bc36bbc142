//! The root key in force as operators see it.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::root_key::RootKeySource;
use crate::{Vault, known};

/// How many times AES-GCM may be used with one key and random nonces of 96 bits.
///
/// Source: NIST SP 800-38D, section 8.3.
pub const MOST_SEALS: u64 = 1 << 32;

/// The root key in force, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootKeyInForce {
    /// Where it comes from.
    pub source: RootKeySource,
    /// Its version, from 1.
    pub version: u32,
    /// When it came into force.
    pub made_at: Timestamp,
    /// How many times it has sealed since, at most.
    pub seals: u64,
    /// Whether a recovery passphrase opens the vault too.
    pub recovery: bool,
}

impl RootKeyInForce {
    /// Whether an operator has to make the next key, because it is a systemd credential.
    #[must_use]
    pub const fn needs_credential(&self) -> bool {
        matches!(self.source, RootKeySource::Credential(_))
    }
}

impl Vault {
    /// The root key in force, without the key. Locked or not.
    #[must_use]
    pub fn root_key_in_force(&self) -> RootKeyInForce {
        let state = known(self.shared.state.read());
        let key_record = &state.key_record;
        RootKeyInForce {
            source: key_record.source.clone(),
            version: key_record.keys.root_version,
            made_at: key_record.made_at,
            seals: self.shared.seals.load(Ordering::Relaxed),
            recovery: key_record.recovery.is_some(),
        }
    }
}
