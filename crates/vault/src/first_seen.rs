//! Since when the values of a secret have been known, by their hashes: what `rotate_every` counts from,
//! wherever a value is stored, over restarts and moves.
//!
//! By the wall clock, as deadlines are. No MAC covers what is kept: whoever can write the database could put
//! a deadline off.

use broker_protocol::names::SecretName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::VaultError;
use crate::{Vault, known};

/// The values of one secret that were in use, and since when each has been known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSeen(Vec<Value>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    /// Base64 SHA-256.
    hashed: Box<str>,
    since: Timestamp,
}

impl FirstSeen {
    /// Since when this value has been known.
    #[must_use]
    pub fn of(&self, hashed: &str) -> Option<Timestamp> {
        let value = self.0.iter().find(|value| *value.hashed == *hashed);
        value.map(|value| value.since)
    }

    /// The same of the value that was in use last.
    #[must_use]
    pub fn in_use(&self) -> Option<Timestamp> {
        self.0.last().map(|value| value.since)
    }

    /// With this value in use, known since `since` or earlier; `None` if that changes nothing.
    #[must_use]
    pub fn with(&self, hashed: &str, since: Timestamp) -> Option<Self> {
        let since = self.of(hashed).map_or(since, |known| known.min(since));
        let last = self.0.last();
        if last.is_some_and(|last| *last.hashed == *hashed && last.since == since) {
            return None;
        }
        let mut values: Vec<Value> = self.0.clone();
        values.retain(|value| *value.hashed != *hashed);
        values.push(Value {
            hashed: hashed.into(),
            since,
        });
        let old = values.len().saturating_sub(MOST);
        values.drain(..old);
        Some(Self(values))
    }
}

/// A place that alternates between two values must not restart the count each time.
const MOST: usize = 8;

impl Vault {
    /// What is kept of one secret; locked or not.
    #[must_use]
    pub fn first_seen(&self, name: &SecretName) -> FirstSeen {
        let state = known(self.shared.state.read());
        state.first_seen.get(name).cloned().unwrap_or_default()
    }

    /// Keeps these, durably, each in place of the one before. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written; then what was known before stays known.
    pub async fn keep_first_seen(
        &self,
        these: Vec<(SecretName, FirstSeen)>,
    ) -> Result<(), VaultError> {
        self.ask(move |work| {
            work.store.keep_first_seen(&these)?;
            let mut state = known(work.shared.state.write());
            state.first_seen.extend(these);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn a_value_counts_from_when_it_was_first_seen_however_often_it_comes_back() {
        let seen = FirstSeen::default().with("a", at(0)).unwrap();
        assert_eq!(seen.with("a", at(5)), None);
        let seen = seen.with("b", at(10)).unwrap();
        assert_eq!(seen.in_use(), Some(at(10)));
        let seen = seen.with("a", at(20)).unwrap();
        assert_eq!((seen.in_use(), seen.of("b")), (Some(at(0)), Some(at(10))));
        assert_eq!(seen.of("c"), None);
        let earlier = seen.with("a", at(-5)).unwrap();
        assert_eq!(earlier.in_use(), Some(at(-5)));
    }

    #[test]
    fn only_the_last_few_values_are_kept() {
        let mut seen = FirstSeen::default();
        for nth in 0..20 {
            seen = seen.with(&nth.to_string(), at(nth)).unwrap();
        }
        assert_eq!(seen.0.len(), MOST);
        assert_eq!((seen.of("11"), seen.of("12")), (None, Some(at(12))));
    }

    #[test]
    fn it_reads_back_as_written() {
        let seen = FirstSeen::default().with("a", at(0)).unwrap();
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<FirstSeen>(&text).unwrap(), seen);
    }
}
