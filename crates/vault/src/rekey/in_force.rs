//! The root key in force as people see it, and what its next change needs of them.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::root_key::{RootKeySource, Wrap};
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
    /// Why the next re-key needs a person; `None` if it does not.
    pub needs: Option<Needs>,
}

/// What only a person can do for a re-key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Type the passphrase, once.
    Passphrase,
    /// Type the recovery passphrase, once.
    Recovery,
    /// Make the next credential.
    Credential,
}

impl Needs {
    /// The word for it in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Recovery => "recovery",
            Self::Credential => "credential",
        }
    }
}

impl Vault {
    /// The root key in force, without the key. Locked or not.
    #[must_use]
    pub fn root_key_in_force(&self) -> RootKeyInForce {
        let state = known(self.shared.state.read());
        let custody = &state.custody;
        let old = |wrap: &Option<Wrap>| wrap.as_ref().is_some_and(|w| !w.needs_no_passphrase());
        RootKeyInForce {
            source: custody.source.clone(),
            version: custody.keys.root_version,
            made_at: custody.made_at,
            seals: self.shared.seals.load(Ordering::Relaxed),
            recovery: custody.recovery.is_some(),
            needs: match &custody.source {
                RootKeySource::Credential(_) => Some(Needs::Credential),
                _ if old(&custody.passphrase) => Some(Needs::Passphrase),
                _ if old(&custody.recovery) => Some(Needs::Recovery),
                _ => None,
            },
        }
    }
}
