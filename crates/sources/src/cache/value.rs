//! A cached value: sealed, in locked memory.
//!
//! The key is random, made with the first value, and wiped by a lock: what is left then is noise, and is
//! unmapped too.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use broker_clock::Now;
use broker_secret_memory::cipher::{NONCE, TAG, append_sealed, open_in_place, random};
use broker_secret_memory::locked_memory::{LockedBytes, LockedKey};
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{Fetched, SourceError};

pub(super) struct CachedValue {
    /// `None` once it is too old to be served: only its hash is known then.
    sealed: Option<LockedBytes>,
    pub(super) hashed: HashedToken,
    /// The number of its version at the place, where that counts versions.
    pub(super) version: Option<u64>,
    /// When it was read, or restored.
    pub(super) read: Now,
    /// How old it was by then.
    pub(super) aged: Duration,
}

impl CachedValue {
    /// Seals a value that was just read from `place`.
    pub(super) fn seal(
        key: &LockedKey,
        place: &str,
        fetched: &Fetched,
        read: Now,
    ) -> Result<Self, SourceError> {
        let not_cached = |cause: &dyn Display| {
            tracing::error!(place, %cause, "a value could not be cached");
            SourceError::NotHere
        };
        let mut nonce = [0; NONCE];
        random(&mut nonce).map_err(|cause| not_cached(&cause))?;
        // Into the sealed copy.
        let Fetched { value, version } = fetched;
        let clear = value.expose().as_bytes();
        let mut sealed = Zeroizing::new(Vec::with_capacity(NONCE + clear.len() + TAG));
        append_sealed(&mut sealed, key.expose(), nonce, place.as_bytes(), clear);
        let sealed = LockedBytes::copy_of(&sealed).map_err(|cause| not_cached(&cause))?;
        Ok(Self {
            sealed: Some(sealed),
            hashed: value.hashed(),
            version: *version,
            read,
            aged: Duration::ZERO,
        })
    }

    /// Opens it; `None` if it was sealed under another key or for another place.
    pub(super) fn open(&self, key: &LockedKey, place: &str) -> Option<AccessToken> {
        let mut text = Zeroizing::new(self.sealed.as_ref()?.expose().to_vec());
        open_in_place(key.expose(), place.as_bytes(), &mut text).ok()?;
        AccessToken::from_utf8(text)
    }

    /// Wipes the value; `true` if it was there.
    pub(super) fn wipe(&mut self) -> bool {
        self.sealed.take().is_some()
    }

    pub(super) fn age(&self, now: Now) -> Duration {
        self.aged + now.boot.saturating_sub(self.read.boot)
    }

    /// Whether it was read at this boot time or later.
    pub(super) fn is_since(&self, boot: Duration) -> bool {
        self.aged.is_zero() && self.read.boot >= boot
    }

    /// When it was read, by the wall clock.
    pub(super) fn read_at(&self) -> Timestamp {
        let read = self.read.wall.checked_sub(self.aged);
        read.unwrap_or(Timestamp::MIN)
    }
}

/// A key for one run of the broker, or for as long as it is unlocked.
pub(super) fn new_key() -> Result<LockedKey, io::Error> {
    LockedKey::filled(|room| random(room).map_err(io::Error::other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_clock::{Clock as _, ManualClock};

    #[test]
    fn a_cached_value_is_noise_and_opens_with_its_key_for_its_place_alone() {
        let now = ManualClock::at("2026-11-22T07:00:00Z".parse().unwrap()).now();
        let key = new_key().unwrap();
        let value = AccessToken::new("ghp_a_made_up_value".to_owned());
        let fetched = Fetched::from(value);
        let mut cached = CachedValue::seal(&key, "op://a/b/c", &fetched, now)
            .ok()
            .unwrap();
        let noise = cached.sealed.as_ref().unwrap().expose();
        let clear = fetched.value.expose().as_bytes();
        assert!(!noise.windows(clear.len()).any(|window| window == clear));
        let opened = cached.open(&key, "op://a/b/c").unwrap();
        assert_eq!(opened.expose(), "ghp_a_made_up_value");
        assert!(cached.open(&key, "op://a/b/d").is_none());
        assert!(cached.open(&new_key().unwrap(), "op://a/b/c").is_none());
        assert!(cached.wipe());
        assert!(cached.open(&key, "op://a/b/c").is_none());
        assert!(!cached.wipe(), "once");
    }
}
