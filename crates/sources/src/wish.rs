//! What is asked of the cache of slow places, and what it says.

use std::time::Duration;

use jiff::Timestamp;

use super::fetched::Fetched;
use super::{SourceError, Taken};

/// How long values of slow places are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A value is served for so long without asking again.
    pub ttl: Duration,
    /// And for so long beyond that while its place is down.
    pub stale: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10 * 60),
            stale: Duration::from_secs(60 * 60),
        }
    }
}

/// What somebody wants of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Read no earlier than this (boot time).
    pub(super) since: Option<Duration>,
    /// A reason to read it again ahead of need.
    pub(super) for_a_lease: bool,
}

/// What is to be done for someone who wants a value.
pub(super) enum Served {
    /// It is there.
    Value(Taken),
    /// Its place must be asked; `true` if there is a value to fall back on should that take long.
    Ask { stale_is_there: bool },
    /// Its place failed a while ago, and is not asked yet.
    Refused(SourceError),
}

/// What came of asking a place.
pub(super) struct Answer {
    pub(super) came: Result<Fetched, SourceError>,
    /// Whether it cost requests, of a place that answers.
    pub(super) spent: bool,
}

/// How the value of a slow place stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When it was last read.
    pub read_at: Timestamp,
    /// Since when it is served although it is past its time; `None` while it is not.
    pub stale_since: Option<Timestamp>,
    /// What the place counts its changes with.
    pub version: Option<u64>,
}
