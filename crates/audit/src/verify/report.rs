//! What is known of a log, or of a piece of it, once it was walked; and how two pieces join.
//!
//! Not here: the walk.

use std::fmt;

use crate::chain::{Head, LineHash};

/// What an unbroken log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The first record; 0 unless only a piece was verified.
    pub first: u64,
    /// Where the log stands after its last record.
    pub head: Head,
}

impl Report {
    /// How many records were verified.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.head.records.saturating_sub(self.first)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, head {}, not anchored",
            self.records(),
            self.head.hash
        )?;
        match self.first {
            0 => Ok(()),
            first => write!(f, "; starts at record {first}, not from the beginning"),
        }
    }
}

/// A run of unbroken records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The first record and the hash it names; `None` without a record.
    pub first: Option<(u64, LineHash)>,
    /// After the last record.
    pub head: Head,
    /// Whether the last line holds a second record. Only the last line of a log has to be asked:
    /// elsewhere the line that follows is out of place.
    pub two_in_one: bool,
}

impl Piece {
    /// What is known once this piece stands alone.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            first: self.first.map_or(self.head.records, |(seq, _)| seq),
            head: self.head,
        }
    }

    /// Nothing yet, of a log whose beginning must be there.
    pub const EMPTY: Self = Self {
        first: None,
        head: Head::EMPTY,
        two_in_one: false,
    };

    /// Appends the piece that follows in the log. `None` if it does not join.
    #[must_use]
    pub fn join(self, after: Self) -> Option<Self> {
        let Some((seq, prev)) = after.first else {
            return Some(self);
        };
        let joins = seq == self.head.records && prev == self.head.hash;
        joins.then_some(Self {
            first: self.first.or(after.first),
            ..after
        })
    }
}
