//! What the vault keeps for values that are stored elsewhere: how often they were asked, and the values they
//! gave last.
//!
//! A value is sealed under a key made from the MAC key, which no re-key changes, with its source and
//! the time it was read as associated data. It is no version of a secret: whoever removes the row costs
//! one more question at the source.

use broker_secret_memory::cipher::{NONCE, TAG, append_sealed, open_in_place};
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::{Vault, envelope, known, to_microseconds};

/// A value as it was last read from its source. `SourceValue<Vec<u8>>` holds it sealed.
#[derive(Debug)]
pub struct SourceValue<V = AccessToken> {
    /// As policies name it.
    pub source: Box<str>,
    /// What the place counts its changes with.
    pub version: Option<u64>,
    /// When it was read.
    pub read_at: Timestamp,
    /// The value.
    pub value: V,
}

impl Vault {
    /// How often 1Password was asked: hours since 1970, and requests in each, ascending.
    ///
    /// # Errors
    ///
    /// If they could not be read.
    pub async fn source_requests(&self) -> Result<Vec<(i64, u32)>, VaultError> {
        self.ask(|work| work.store.source_requests()).await
    }

    /// Keeps, durably, how often 1Password was asked in an hour, and forgets hours before `oldest` and
    /// after this one.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn keep_source_requests(
        &self,
        hour: i64,
        requests: u32,
        oldest: i64,
    ) -> Result<(), VaultError> {
        self.ask(move |work| work.store.keep_source_requests(hour, requests, oldest))
            .await
    }

    /// Keeps a value that was read from its source, in place of the one before.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written.
    pub async fn keep_source_value(&self, value: &SourceValue) -> Result<(), VaultError> {
        let key = self.source_key()?;
        let mut nonce = [0; NONCE];
        envelope::random(&mut nonce)?;
        // Into the sealed copy.
        let clear = value.value.expose().as_bytes();
        let mut sealed = SourceValue {
            source: value.source.clone(),
            version: value.version,
            read_at: to_microseconds(value.read_at),
            value: Vec::with_capacity(NONCE + clear.len() + TAG),
        };
        let bound = self.bound(&sealed);
        append_sealed(&mut sealed.value, &key, nonce, &bound, clear);
        drop(key);
        self.ask(move |work| work.store.keep_source_value(&sealed))
            .await
    }

    /// The values that are kept and open, by source.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if they could not be read.
    pub async fn source_values(&self) -> Result<Vec<SourceValue>, VaultError> {
        let kept = self.ask(|work| work.store.source_values()).await?;
        let key = self.source_key()?;
        let opened = kept.into_iter().filter_map(|kept| {
            let bound = self.bound(&kept);
            let mut text = Zeroizing::new(kept.value);
            // What does not open is as good as not there.
            open_in_place(&key, &bound, &mut text).ok()?;
            Some(SourceValue {
                source: kept.source,
                version: kept.version,
                read_at: kept.read_at,
                value: AccessToken::from_utf8(text)?,
            })
        });
        Ok(opened.collect())
    }

    /// Erases the value of one source. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn forget_source_value(&self, source: &str) -> Result<(), VaultError> {
        let source = source.into();
        self.ask(move |work| work.store.forget_source_values(&[source]))
            .await
    }

    /// Erases the values of all sources but these. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn keep_only_source_values(&self, sources: Vec<Box<str>>) -> Result<(), VaultError> {
        self.ask(move |work| work.store.keep_only_source_values(&sources))
            .await
    }

    fn source_key(&self) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let made = keys.mac("tokend source value key v1", [self.id().as_bytes()]);
        Ok(Zeroizing::new(made.bytes()))
    }

    fn bound(&self, of: &SourceValue<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        envelope::text(&mut out, "tokend source value v1");
        envelope::text(&mut out, self.id());
        envelope::text(&mut out, &of.source);
        envelope::optional(&mut out, of.version.map(u64::to_be_bytes));
        out.extend_from_slice(&of.read_at.as_microsecond().to_be_bytes());
        out
    }
}
