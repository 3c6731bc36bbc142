//! Where and how a log breaks, in words an auditor can act on.

use crate::segment;

/// The first place at which a log is not what its chain says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment}, record {record} (line {line}, byte {byte}): {how}")]
pub struct Broken {
    /// File name of the segment.
    pub segment: String,
    /// The record that is wrong or missing.
    pub record: u64,
    /// Line of the segment, counted from 1.
    pub line: u64,
    /// Where that line begins in the segment, counted from 0.
    pub byte: u64,
    /// What is wrong.
    pub how: How,
}

/// How a log breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum How {
    /// The line does not begin as a record does.
    #[error(
        "the line does not begin as a record does: it was changed or inserted, or the line before \
         it was broken in two"
    )]
    NotARecord,

    /// As `NotARecord`, of a line that begins with a zero byte.
    #[error(
        "begins with zero bytes: it was overwritten or lost in a crash, or this is a copy that was \
         made while a broker wrote here; copy the file again"
    )]
    Zeros,

    /// The record after it names another hash, and is itself confirmed by the one after that.
    #[error("was changed: record {by} names another hash")]
    Changed {
        /// The record that says so.
        by: u64,
    },

    /// The record after it names another hash, and nothing after that one says which of them is wrong.
    #[error("was changed, or else record {by} was: record {by} names another hash")]
    ChangedOrNext {
        /// The record that says so.
        by: u64,
    },

    /// Neither names the record before it nor is named by the one after it.
    #[error(
        "was changed: it does not name the hash of the line before it, and the line after it \
         names another hash"
    )]
    Prev,

    /// Record 0 names a record before it.
    #[error(
        "was changed: as the first record of a log it must name 64 zeros as the hash before it"
    )]
    FirstPrev,

    /// Another record stands in its place.
    #[error("is missing or moved: record {found} stands in its place")]
    Displaced {
        /// The one that does.
        found: u64,
    },

    /// The name of the segment is not the number of its first record.
    #[error("stands first in a segment whose name says record {named}: the file was renamed")]
    Renamed {
        /// What the name says.
        named: u64,
    },

    /// The segment is not the one that comes next.
    #[error(
        "is missing: the segment begins with record {begins}; the end of the segment before it \
         was cut, or a segment between the two is gone"
    )]
    Gap {
        /// What its name says.
        begins: u64,
    },

    /// The segment begins with a record that the one before it has already.
    #[error("should come next, but the segment begins with record {begins} again")]
    Overlap {
        /// What its name says.
        begins: u64,
    },

    /// A log that has to be whole lacks its beginning.
    #[error(
        "is missing: the log begins with record {begins}; to verify a piece of a log, name its \
         files instead of the directory"
    )]
    Beginning {
        /// The first record there is.
        begins: u64,
    },

    /// The last line has no newline.
    #[error("has no newline at its end: it was torn, or is being written at this moment")]
    Torn,

    /// Zero bytes follow the last line of a segment that is not the last.
    #[error(
        "should come next, but the segment ends in zero bytes ({bytes} of them), as only the last one \
         of a log may: it was copied before it was closed, or was changed; copy it again"
    )]
    EndsInZeros {
        /// How many.
        bytes: u64,
    },

    /// The last line is two lines whose newline was changed.
    #[error("shares its line with another record: the newline between the two was changed")]
    TwoInOne,

    /// No line is longer than a segment.
    #[error("is longer than {} bytes, which no record is", segment::MAX_BYTES)]
    TooLong,
}
