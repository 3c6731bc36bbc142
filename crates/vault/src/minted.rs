//! Installation tokens that may be alive at GitHub, sealed like secrets, and which repository a name
//! meant when it was first reached.
//!
//! A token is kept here before it is handed out, so that a broker which was killed can revoke it when
//! it comes back; it goes when the token has ended at GitHub. Everything that says whose it is (account,
//! purpose, scope) is bound to it as associated data: no edit of the file hands it to another account.
//!
//! Not here: when a token may be shared, and whether it is still needed.

use std::sync::atomic::Ordering;

use broker_audit_writer::{Recorded, Use};
use broker_protocol::names::{Purpose, SecretName};
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;

use super::envelope::{self, Identity};
use super::error::VaultError;
use super::{Vault, known, stopped, to_microseconds};

/// What leases must have in common to hold one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MintKey {
    /// The account that may hold it.
    pub uid: u32,
    /// The App's secret.
    pub secret: SecretName,
    /// The purpose it was minted for.
    pub purpose: Purpose,
    /// What it reaches, as a text that the vault binds to the token and does not read.
    pub scope: Box<str>,
}

/// An installation token, but for the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// Who may hold it.
    pub key: MintKey,
    /// Base64 SHA-256 of it.
    pub hashed_credential: HashedToken,
    /// The installation it is for.
    pub installation: u64,
    /// When it was minted, by the wall clock.
    pub minted_at: Timestamp,
    /// When it ends at GitHub, by the wall clock.
    pub expires_at: Timestamp,
    /// Whether GitHub was asked to end it, or was about to be.
    pub ending: bool,
}

/// The same with the token, sealed.
#[derive(Debug)]
pub(super) struct SealedMinted {
    pub(super) minted: Minted,
    pub(super) envelope: Box<[u8]>,
}

impl Minted {
    /// No secret's name has a slash, so no envelope of one opens in place of the other.
    pub(super) fn place(&self) -> String {
        let MintKey {
            uid,
            secret,
            purpose,
            scope,
        } = &self.key;
        format!("minted/{secret}/{uid}/{purpose}/{scope}")
    }

    pub(super) fn identity<'a>(&'a self, vault: &'a str, place: &'a str) -> Identity<'a> {
        Identity {
            vault,
            name: place,
            version: self.installation,
            kind: None,
            hash: self.hashed_credential.as_str(),
            expires_at: Some(self.expires_at),
            set_at: self.minted_at,
        }
    }
}

impl Vault {
    /// Keeps a minted token, durably.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written.
    pub async fn keep_minted(
        &self,
        mut minted: Minted,
        token: &AccessToken,
    ) -> Result<(), VaultError> {
        minted.minted_at = to_microseconds(minted.minted_at);
        minted.expires_at = to_microseconds(minted.expires_at);
        let place = minted.place();
        let kept = {
            // Sealed and sent under one hold of the keys: a re-key between the two would not know of it.
            let keys = known(self.shared.keys.read());
            let root = keys.as_ref().ok_or(VaultError::Locked)?.root();
            let what = minted.identity(self.id(), &place);
            // Into the envelope, sealed.
            let envelope = envelope::seal(root, &what, token.expose().as_bytes())?;
            self.shared.seals.fetch_add(1, Ordering::Relaxed);
            let sealed = SealedMinted { minted, envelope };
            self.writer.ask(move |work| work.keep_minted(sealed))?
        };
        kept.await.map_err(stopped)?
    }

    /// The minted tokens that are kept, in no order.
    #[must_use]
    pub fn minted(&self) -> Vec<Minted> {
        let state = known(self.shared.state.read());
        let minted = state.minted.values();
        minted.map(|sealed| sealed.minted.clone()).collect()
    }

    /// Opens a minted token for a recorded use of its App.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoValue`] if it is not kept or is another App's; [`VaultError::Locked`];
    /// [`VaultError::Tampered`].
    pub fn open_minted(
        &self,
        usage: &Recorded<Use>,
        hashed_credential: &HashedToken,
    ) -> Result<AccessToken, VaultError> {
        let app = &usage.get().secret;
        let state = known(self.shared.state.read());
        let keys = known(self.shared.keys.read());
        let root = keys.as_ref().ok_or(VaultError::Locked)?.root();
        let sealed = state.minted.get(hashed_credential);
        let sealed = sealed
            .filter(|sealed| sealed.minted.key.secret == *app)
            .ok_or_else(|| VaultError::NoValue(app.clone()))?;
        let place = sealed.minted.place();
        let what = sealed.minted.identity(self.id(), &place);
        let opened = envelope::unseal(root, &what, &sealed.envelope);
        let tampered = || {
            self.shared
                .tampered(format!("an installation token of `{app}`"))
        };
        let opened = opened.map_err(|_cause| tampered())?;
        AccessToken::from_utf8(opened).ok_or_else(|| VaultError::NotText(app.clone()))
    }

    /// Whether it is noted that GitHub is asked to end this token, or nothing is kept of it.
    #[must_use]
    pub fn knows_ending(&self, hashed_credential: &HashedToken) -> bool {
        let state = known(self.shared.state.read());
        let sealed = state.minted.get(hashed_credential);
        sealed.is_none_or(|sealed| sealed.minted.ending)
    }

    /// Notes, durably, that GitHub is about to be asked to end these tokens. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn note_ending(&self, tokens: Vec<HashedToken>) -> Result<(), VaultError> {
        self.ask(move |work| work.note_ending(&tokens)).await
    }

    /// Forgets a token that has ended at GitHub. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written; it is then found again at the next start.
    pub async fn forget_minted(&self, hashed_credential: &HashedToken) -> Result<(), VaultError> {
        let hashed = hashed_credential.clone();
        self.ask(move |work| work.forget_minted(&hashed)).await
    }

    /// The id that `owner/name` meant when an App first reached it.
    #[must_use]
    pub fn repository_id(&self, name: &str) -> Option<u64> {
        let state = known(self.shared.state.read());
        let name = name.to_ascii_lowercase();
        state.repositories.get(name.as_str()).copied()
    }

    /// Every name that is pinned and its id, by name.
    #[must_use]
    pub fn pinned_repositories(&self) -> Vec<(Box<str>, u64)> {
        let state = known(self.shared.state.read());
        let pinned = state.repositories.iter();
        let mut pinned: Vec<_> = pinned.map(|(name, id)| (name.clone(), *id)).collect();
        pinned.sort_unstable();
        pinned
    }

    /// Keeps which repositories these names mean, durably. A name that has an id keeps it.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, or if it could not be written.
    pub async fn pin_repositories(
        &self,
        names: impl IntoIterator<Item = (&str, u64)>,
    ) -> Result<(), VaultError> {
        let names = names.into_iter();
        let names = names.map(|(name, id)| (name.to_ascii_lowercase().into(), id));
        let names = names.collect();
        self.ask(move |work| work.pin_repositories(names)).await
    }

    /// Forgets which repository a name means, so that it is looked up by name again.
    ///
    /// # Errors
    ///
    /// As for [`Self::pin_repositories`].
    pub async fn unpin_repository(&self, name: &str) -> Result<(), VaultError> {
        let name = name.to_ascii_lowercase();
        self.ask(move |work| work.unpin_repository(&name)).await
    }
}
