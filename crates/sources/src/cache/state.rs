//! What is known of a cached value without reading its place.

use broker_clock::Now;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::Cache;
use crate::SourceError;

/// The state of a cached value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheState {
    /// When it was read.
    pub read_at: Timestamp,
    /// Since when it is served although it is past its time; `None` while it is not.
    pub stale_since: Option<Timestamp>,
    /// The number of its version at the place, where that counts versions.
    pub version: Option<u64>,
}

impl Cache {
    /// Returns why a place gave no value when it was last read.
    pub(crate) fn fault(&self, source: &SourceSpec, now: Now) -> Option<SourceError> {
        let state = self.state();
        // A place that was never read fails for a limit, too.
        let entry = state.entries.get(source);
        let failed = entry.and_then(|entry| entry.failure.as_ref());
        let limited = state.limited.get(source.scheme());
        let mut failures = failed.into_iter().chain(limited);
        let failure = failures.find(|failure| failure.counts(now))?;
        Some(failure.error.clone())
    }

    pub(crate) fn hashed(&self, source: &SourceSpec) -> Option<HashedToken> {
        let state = self.state();
        let value = state.entries.get(source)?.value.as_ref()?;
        Some(value.hashed.clone())
    }

    /// Returns the state of a place's value; `None` if there is none that would be served.
    #[must_use]
    pub fn state_of(&self, source: &SourceSpec, now: Now) -> Option<CacheState> {
        let state = self.state();
        let entry = state.entries.get(source)?;
        let value = entry.value.as_ref()?;
        let age = value.age(now);
        let limited = state.limited.get(source.scheme());
        let mut failures = entry.failure.iter().chain(limited);
        let failed = failures.any(|failure| failure.counts(now));
        if failed && age >= self.bound() {
            return None;
        }
        // Past its time without a failure, it is one that no one asked for.
        let is_stale = failed && age >= self.times.ttl;
        Some(CacheState {
            read_at: value.read_at(),
            stale_since: is_stale.then(|| self.stale_since(value)),
            version: value.version,
        })
    }
}
