//! What a source is: one implementation a scheme, and what it is given.

use std::time::Duration;

use broker_clock::{Backoff, Now};
use broker_protocol::source::{Location, SourceSpec};
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::SourceError;
use super::one_password::HourlyRequests;

/// A kind of place outside the vault that values come from.
pub(crate) trait Source: Send + Sync {
    /// Its row in [`broker_protocol::source::SOURCES`].
    fn scheme(&self) -> &'static str;

    /// Reads the value of a place.
    fn read<'a>(
        &'a self,
        place: &'a Location,
        context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>>;

    /// Whether the broker can write values there, and erase them. Elsewhere an operator does.
    fn can_write(&self) -> bool {
        false
    }

    /// Writes a value, in place of what is there; erases it without one. A value that is not there is
    /// erased already.
    fn change<'a>(
        &'a self,
        _place: &'a Location,
        _value: Option<&'a AccessToken>,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async { Err(SourceError::NotHere) }.boxed()
    }

    /// How an operator puts a value there: half a sentence. `value` says which one.
    fn how_to_put(&self, place: &Location, value: &str) -> String {
        format!("put {value} into {place} yourself")
    }

    /// How an operator removes the old copy of a value that moved to `new`: half a sentence.
    fn how_to_remove(&self, place: &Location, _new: &SourceSpec) -> String {
        format!("remove the old copy in {place}")
    }

    /// Whether one place may have several names.
    fn has_aliases(&self) -> bool {
        false
    }

    /// Whether two different names may be one place.
    fn may_be_same(&self, _one: &Location, _other: &Location) -> bool {
        false
    }

    /// The pauses after failures in a row, of a source that is read seldom. `spent`: reading used up
    /// limited requests.
    fn backoff(&self, _kind: FailureKind, _spent: bool) -> Backoff {
        Backoff {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(30),
        }
    }
}

/// A value, just read.
pub struct Fetched {
    /// The value.
    pub value: AccessToken,
    /// The number of its version, where the place counts versions.
    pub version: Option<u64>,
}

impl From<AccessToken> for Fetched {
    fn from(value: AccessToken) -> Self {
        let version = None;
        Self { value, version }
    }
}

/// Why reading failed, and what the attempt used up.
#[derive(Debug)]
pub(crate) struct ReadError {
    pub(crate) error: SourceError,
    pub(crate) effort: Effort,
}

/// What a failed attempt to read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The place was not asked.
    None,
    /// It was asked.
    Asked,
    /// Limited requests were used up, and the place can be reached.
    Spent,
}

impl ReadError {
    pub(crate) const fn not_asked(error: SourceError) -> Self {
        let effort = Effort::None;
        Self { error, effort }
    }
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        let effort = Effort::Asked;
        Self { error, effort }
    }
}

/// What a failure says about the value that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Nothing: the place cannot be reached, or waits for a human.
    Unavailable,
    /// Nothing: the place was asked too often. It said for how long it will not answer, where it did.
    Limited(Option<Duration>),
    /// That it is no longer valid: the place answered, and does not give it.
    Refused,
}

/// What the broker does for a source that is read.
pub trait SourceContext: Send + Sync {
    /// This moment.
    fn now(&self) -> Now;

    /// Opens the token to present to 1Password, and records that; `None` where none is configured.
    fn token(&self) -> BoxFuture<'_, Result<Option<AccessToken>, SourceError>>;

    /// Stores a value that was just read in the vault, where the configuration says so.
    fn keep<'a>(&'a self, source: &'a SourceSpec, fetched: &'a Fetched) -> BoxFuture<'a, ()>;

    /// Erases a value that was stored so.
    fn forget<'a>(&'a self, source: &'a SourceSpec) -> BoxFuture<'a, ()>;

    /// Stores the number of requests to 1Password, durably, before they are made.
    fn store_requests(&self, requests: HourlyRequests) -> BoxFuture<'_, Result<(), SourceError>>;
}
