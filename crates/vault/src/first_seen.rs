//! Since when the values of a secret have been known, by their hashes: what `rotate_every` counts from,
//! wherever a value is stored, over restarts and moves.
//!
//! By the wall clock, as deadlines are. No MAC covers what is kept: whoever can write the database could put
//! a deadline off.

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::VaultError;
use crate::{Vault, known};

/// The values of one secret that were in use, and since when each has been known. There is one in memory for
/// each secret, so it is small.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSeen(Box<[Value]>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    hashed: HashedToken,
    since: Timestamp,
}

fn as_text<S: Serializer>(hashed: &HashedToken, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(hashed.as_str())
}

fn from_text<'d, D: Deserializer<'d>>(text: D) -> Result<HashedToken, D::Error> {
    Box::<str>::deserialize(text).map(|text| HashedToken::from_stored(&text))
}

impl FirstSeen {
    /// The same, with the texts of these hashes in place of its own copies.
    pub(crate) fn sharing<'h>(mut self, hashes: impl Iterator<Item = &'h HashedToken>) -> Self {
        for hashed in hashes {
            let own = self.0.iter_mut().find(|value| value.hashed == *hashed);
            if let Some(value) = own {
                value.hashed = hashed.clone();
            }
        }
        self
    }

    /// Since when this value has been known.
    #[must_use]
    pub fn of(&self, hashed: &HashedToken) -> Option<Timestamp> {
        let value = self.0.iter().find(|value| value.hashed == *hashed);
        value.map(|value| value.since)
    }

    /// The same of the value that was in use last.
    #[must_use]
    pub fn in_use(&self) -> Option<Timestamp> {
        self.0.last().map(|value| value.since)
    }

    /// With this value in use, known since `since` or earlier; `None` if that changes nothing.
    #[must_use]
    pub fn with(&self, hashed: &HashedToken, since: Timestamp) -> Option<Self> {
        let since = self.of(hashed).map_or(since, |known| known.min(since));
        let last = self.0.last();
        if last.is_some_and(|last| last.hashed == *hashed && last.since == since) {
            return None;
        }
        let mut values: Vec<Value> = self.0.to_vec();
        values.retain(|value| value.hashed != *hashed);
        values.push(Value {
            hashed: hashed.clone(),
            since,
        });
        let old = values.len().saturating_sub(MOST);
        Some(Self(values.into_iter().skip(old).collect()))
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

    fn hash(text: &str) -> HashedToken {
        HashedToken::from_stored(text)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn a_value_counts_from_when_it_was_first_seen_however_often_it_comes_back() {
        let seen = FirstSeen::default().with(&hash("a"), at(0)).unwrap();
        assert_eq!(seen.with(&hash("a"), at(5)), None);
        let seen = seen.with(&hash("b"), at(10)).unwrap();
        assert_eq!(seen.in_use(), Some(at(10)));
        let seen = seen.with(&hash("a"), at(20)).unwrap();
        assert_eq!(
            (seen.in_use(), seen.of(&hash("b"))),
            (Some(at(0)), Some(at(10)))
        );
        assert_eq!(seen.of(&hash("c")), None);
        let earlier = seen.with(&hash("a"), at(-5)).unwrap();
        assert_eq!(earlier.in_use(), Some(at(-5)));
    }

    #[test]
    fn only_the_last_few_values_are_kept() {
        let mut seen = FirstSeen::default();
        for nth in 0..20 {
            seen = seen.with(&hash(&nth.to_string()), at(nth)).unwrap();
        }
        assert_eq!(seen.0.len(), MOST);
        assert_eq!(
            (seen.of(&hash("11")), seen.of(&hash("12"))),
            (None, Some(at(12)))
        );
    }

    #[test]
    fn it_reads_back_as_written() {
        let seen = FirstSeen::default().with(&hash("a"), at(0)).unwrap();
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<FirstSeen>(&text).unwrap(), seen);
    }
}
