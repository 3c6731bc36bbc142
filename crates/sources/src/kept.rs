//! A value of a slow source between two readings: sealed, in locked memory.
//!
//! The key is random, made when the first value is kept, and forgotten by a lock: what is left is
//! noise then, and is unmapped too.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use broker_clock::Now;
use broker_secret_memory::cipher::{NONCE, TAG, append_sealed, open_in_place, random};
use broker_secret_memory::locked_memory::{LockedBytes, LockedKey};
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::SourceError;

/// One value, sealed.
pub(super) struct Kept {
    /// `None` once it is past every bound: what it was is known by its hash.
    sealed: Option<LockedBytes>,
    pub(super) hashed: HashedToken,
    /// What the place counts its changes with.
    pub(super) version: Option<u64>,
    /// When it was read, or taken in.
    pub(super) read: Now,
    /// How old it was by then.
    pub(super) aged: Duration,
}

impl Kept {
    /// Seals a value that was just read from `place`.
    pub(super) fn seal(
        key: &LockedKey,
        place: &str,
        value: &AccessToken,
        version: Option<u64>,
        read: Now,
    ) -> Result<Self, SourceError> {
        let no_memory = |cause: &dyn Display| {
            tracing::error!(place, %cause, "a value could not be kept");
            SourceError::NoMemory(place.to_owned())
        };
        let mut nonce = [0; NONCE];
        random(&mut nonce).map_err(|cause| no_memory(&cause))?;
        // Into the sealed copy.
        let clear = value.expose().as_bytes();
        let mut sealed = Zeroizing::new(Vec::with_capacity(NONCE + clear.len() + TAG));
        append_sealed(&mut sealed, key.expose(), nonce, place.as_bytes(), clear);
        let sealed = LockedBytes::filled(sealed.len(), |room| {
            room.copy_from_slice(&sealed);
            Ok::<_, io::Error>(())
        });
        Ok(Self {
            sealed: Some(sealed.map_err(|cause| no_memory(&cause))?),
            hashed: value.hashed(),
            version,
            read,
            aged: Duration::ZERO,
        })
    }

    /// Opens it again; `None` if it was kept under another key or for another place.
    pub(super) fn open(&self, key: &LockedKey, place: &str) -> Option<AccessToken> {
        let mut text = Zeroizing::new(self.sealed.as_ref()?.expose().to_vec());
        open_in_place(key.expose(), place.as_bytes(), &mut text).ok()?;
        AccessToken::from_utf8(text)
    }

    /// Gives the value up; `true` if it was there.
    pub(super) fn give_up(&mut self) -> bool {
        self.sealed.take().is_some()
    }

    /// How old it is.
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
    fn what_is_kept_is_noise_and_opens_with_its_key_at_its_place_alone() {
        let now = ManualClock::at("2026-11-22T07:00:00Z".parse().unwrap()).now();
        let key = new_key().unwrap();
        let value = AccessToken::new("ghp_a_made_up_value".to_owned());
        let mut kept = Kept::seal(&key, "op://a/b/c", &value, Some(3), now)
            .ok()
            .unwrap();
        let noise = kept.sealed.as_ref().unwrap().expose();
        let clear = value.expose().as_bytes();
        assert!(!noise.windows(clear.len()).any(|window| window == clear));
        let opened = kept.open(&key, "op://a/b/c").unwrap();
        assert_eq!(opened.expose(), "ghp_a_made_up_value");
        assert!(kept.open(&key, "op://a/b/d").is_none());
        assert!(kept.open(&new_key().unwrap(), "op://a/b/c").is_none());
        assert!(kept.give_up());
        assert!(kept.open(&key, "op://a/b/c").is_none());
        assert!(!kept.give_up(), "once");
    }
}
