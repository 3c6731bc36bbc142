//! Locks and unlocks: the root key, where it comes from, and what is checked with it first.

use crate::error::VaultError;
use crate::keys::Keys;
use crate::root_key::{self, KeyLocations, Passphrase, RootKey, RootKeyError, RootKeySource};
use crate::row_mac::Witness;
use crate::{Vault, known};

impl Vault {
    /// Reads the root key from the source in force. Blocks, for a keyring up to twenty seconds. Where a
    /// re-key was interrupted over a key file, the file that fits gets its name, and the other goes.
    ///
    /// # Errors
    ///
    /// [`RootKeyError`]; [`RootKeyError::PassphraseNeeded`] where it is behind a passphrase.
    pub fn fetch_root_key(&self, at: &KeyLocations) -> Result<RootKey, RootKeyError> {
        let under_way = known(self.shared.rekeying.lock());
        let key_record = known(self.shared.state.read()).key_record.clone();
        match &key_record.source {
            RootKeySource::File => {
                let fits = |key: &RootKey| key_record.keys.fits(key);
                root_key::read_file(&at.key_file, fits, !*under_way)
            }
            source => source.fetch(self.id(), key_record.keys.root_version, at),
        }
    }

    /// Opens the root key with the passphrase, or else with it as the recovery passphrase. Says
    /// which: `passphrase` or `recovery`. Blocks for a fraction of a second.
    ///
    /// # Errors
    ///
    /// [`RootKeyError`].
    pub fn root_key_behind(
        &self,
        passphrase: &Passphrase,
    ) -> Result<(RootKey, &'static str), RootKeyError> {
        let key_record = known(self.shared.state.read()).key_record.clone();
        let wraps = [
            ("passphrase", &key_record.passphrase),
            ("recovery", &key_record.recovery),
        ];
        let mut wrong = RootKeyError::NoPassphrase(key_record.source.as_str());
        for (which, wrap) in wraps {
            let Some(wrap) = wrap else { continue };
            match wrap.open(self.id(), passphrase) {
                Ok(key) => return Ok((key, which)),
                Err(RootKeyError::WrongPassphrase) => wrong = RootKeyError::WrongPassphrase,
                Err(other) => return Err(other),
            }
        }
        Err(wrong)
    }

    /// Loads the root key, and checks with it that the list of secrets, and where the root key is kept, were
    /// not changed by another program. The first time, also checks what decides about the leases in the
    /// audit log: see [`Self::mismatch`].
    ///
    /// # Errors
    ///
    /// [`VaultError::WrongKey`] or [`VaultError::Tampered`]; the vault stays as it was.
    pub fn unlock(&self, root: RootKey) -> Result<(), VaultError> {
        let shared = &self.shared;
        let mut state = known(shared.state.write());
        let keys = Keys::unlock(root, &state, &shared.path)?;
        let mut witness = known(shared.witness.write());
        if witness.is_none() {
            *witness = Some(Witness::evaluate(&keys, &mut state)?);
        }
        drop(witness);
        *known(shared.keys.write()) = Some(keys);
        drop(state);
        // Its answer is not waited for: until it is done, the next unlock finds what this one did.
        drop(self.writer.ask(|work| work.sign())?);
        Ok(())
    }

    /// Forgets the keys. They are wiped before this returns.
    pub fn lock(&self) {
        *known(self.shared.keys.write()) = None;
    }

    /// Whether the root key is not loaded.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        known(self.shared.keys.read()).is_none()
    }

    /// Whether the keys are in memory that is never swapped out; `None` while locked.
    #[must_use]
    pub fn keys_are_in_locked_memory(&self) -> Option<bool> {
        let keys = known(self.shared.keys.read());
        keys.as_ref().map(Keys::are_in_locked_memory)
    }
}
