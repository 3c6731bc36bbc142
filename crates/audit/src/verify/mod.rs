//! Walks a log line by line and says where it breaks.
//!
//! Checked of every line: that it begins as a record does, that its `seq` is the next, that its
//! `prev` is the hash of the line before it. The rest is hashed and not evaluated. No line is parsed
//! as JSON, none is written again, and no key is needed.
//!
//! Two answers, kept apart: whether what is there is unbroken ([`Broken`] if not), and whether it
//! is all there ([`Report`] says where it begins, and that no one outside confirms its end).
//!
//! A line that is wrong is noticed one line later, when its hash is compared. One more line tells
//! which of the two was changed, so a mismatch is held as a doubt until then.
//!
//! Pure: the caller brings the bytes, in pieces of any size. Not here: files and threads
//! (`files`), checkpoints and the Merkle tree, which will be checked in the same walk.

mod report;

use memchr::memchr_iter;

pub use self::report::{Piece, Report};

use crate::broken::{Broken, How};
use crate::chain::{Head, LineHash};
use crate::prefix::{self, Prefix};
use crate::segment;

/// Verifies a whole log in memory: each segment's file name and bytes, in order.
///
/// # Errors
///
/// [`Broken`] names the first place that is wrong.
pub fn verify<'a>(
    segments: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Report, Broken> {
    let mut walker = Walker::whole();
    let mut segments = segments.into_iter().peekable();
    while let Some((name, bytes)) = segments.next() {
        let content = segment::content(bytes);
        walker.segment(name)?;
        let done = walker.lines(content)?;
        walker.ends_torn(content.len() - done)?;
        if segments.peek().is_some() {
            walker.ends_in_zeros((bytes.len() - content.len()) as u64)?;
        }
    }
    Ok(walker.finish()?.report())
}

/// A walk along a log, one line after the other.
#[derive(Debug)]
pub struct Walker {
    /// The number of the next record; unknown at the beginning of a piece.
    next: Option<u64>,
    /// The hash of the last line, as the next names it; unknown at the beginning of a piece.
    head: Option<LineHash>,
    head_hex: [u8; 64],
    first: Option<(u64, LineHash)>,
    /// What the name of the current segment says of its first record.
    named: Option<u64>,
    /// No line of the current segment was read yet.
    fresh: bool,
    names: Vec<String>,
    line: u64,
    byte: u64,
    before: Option<Position>,
    doubt: Option<Position>,
    two_in_one: bool,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    segment: usize,
    record: u64,
    line: u64,
    byte: u64,
}

impl Walker {
    /// A walk that begins with record 0.
    #[must_use]
    pub fn whole() -> Self {
        Self::after(Head::EMPTY)
    }

    /// A walk along a piece: the first line is taken at its word as to what went before.
    #[must_use]
    pub fn piece() -> Self {
        Self {
            next: None,
            head: None,
            ..Self::whole()
        }
    }

    /// A walk that goes on where another ended.
    #[must_use]
    pub fn after(head: Head) -> Self {
        Self {
            next: Some(head.records),
            head: Some(head.hash),
            head_hex: head.hash.to_hex(),
            first: None,
            named: None,
            fresh: true,
            names: Vec::new(),
            line: 1,
            byte: 0,
            before: None,
            doubt: None,
            two_in_one: false,
        }
    }

    /// A segment begins. `name` is its file name; one that is no segment's name says nothing about
    /// what comes first in it.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the segment before it was empty and did not belong there.
    pub fn segment(&mut self, name: &str) -> Result<(), Broken> {
        self.empty_segment_fits()?;
        self.named = segment::first_record(name);
        // What a piece begins with is said by its first file's name, also where that file is empty.
        self.next = self.next.or(self.named);
        self.fresh = true;
        self.names.push(name.to_owned());
        self.line = 1;
        self.byte = 0;
        Ok(())
    }

    /// Walks the whole lines at the beginning of `bytes` and returns how many bytes they take.
    /// What is left is the beginning of a line: bring it again, with more.
    ///
    /// # Errors
    ///
    /// [`Broken`] at the first line that is wrong. The walk cannot go on after that.
    pub fn lines(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut done = 0;
        let mut last: &[u8] = &[];
        for newline in memchr_iter(b'\n', bytes) {
            last = bytes.get(done..newline).unwrap_or_default();
            self.line(last)?;
            done = newline + 1;
        }
        if done > 0 {
            self.two_in_one = prefix::holds_two(last);
        }
        Ok(done)
    }

    /// A segment ends with `rest` bytes that have no newline.
    ///
    /// # Errors
    ///
    /// [`Broken`] unless `rest` is 0.
    pub fn ends_torn(&mut self, rest: usize) -> Result<(), Broken> {
        match rest {
            0 => Ok(()),
            1..=segment::MAX_BYTES => self.ends_with(How::Torn),
            _ => self.ends_with(How::TooLong),
        }
    }

    /// A segment that another one follows ends with `bytes` zero bytes behind its last line.
    ///
    /// # Errors
    ///
    /// [`Broken`] unless `bytes` is 0.
    pub fn ends_in_zeros(&mut self, bytes: u64) -> Result<(), Broken> {
        match bytes {
            0 => Ok(()),
            bytes => self.ends_with(How::EndsInZeros { bytes }),
        }
    }

    /// Behind the last line is what is no line.
    fn ends_with(&mut self, how: How) -> Result<(), Broken> {
        self.empty_segment_fits()?;
        match self.doubt.take() {
            Some(doubt) => Err(self.settle(doubt, None)),
            None => Err(self.broken_here(how)),
        }
    }

    /// Nothing follows.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the end shows that something before it is wrong.
    pub fn finish(mut self) -> Result<Piece, Broken> {
        let piece = self.end_of_piece()?;
        match (piece.two_in_one, self.before) {
            (true, Some(last)) => Err(self.broken(last, How::TwoInOne)),
            _ => Ok(piece),
        }
    }

    /// This piece ends here, and more of the log follows elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Walker::finish`], but the last line is not asked whether it holds two records.
    pub fn end_of_piece(&mut self) -> Result<Piece, Broken> {
        self.empty_segment_fits()?;
        if let Some(doubt) = self.doubt.take() {
            return Err(self.settle(doubt, None));
        }
        Ok(Piece {
            first: self.first,
            head: Head {
                records: self.next.or(self.named).unwrap_or(0),
                hash: self.head.unwrap_or(LineHash::ZERO),
            },
            two_in_one: self.two_in_one,
        })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let prefix = Prefix::read(line);
        if let Some(doubt) = self.doubt.take() {
            return Err(self.settle(doubt, prefix));
        }
        let Some(prefix) = prefix else {
            let how = match line.first() {
                Some(0) => How::Zeros,
                _ => How::NotARecord,
            };
            return Err(self.broken_here(how));
        };
        if prefix::is_too_long(line) {
            return Err(self.broken_here(How::TooLong));
        }
        if self.fresh {
            self.segment_begins_with(&prefix)?;
        }
        if self.next != Some(prefix.seq) {
            return Err(self.broken_here(How::Displaced { found: prefix.seq }));
        }
        let here = self.here(prefix.seq);
        if *prefix.prev_hex != self.head_hex {
            if prefix.prev().is_none() {
                return Err(self.broken_here(How::NotARecord));
            }
            self.doubt = Some(here);
        }
        let hash = LineHash::of(line);
        self.head = Some(hash);
        self.head_hex = hash.to_hex();
        // Numbers have at most 19 digits, so neither sum overflows.
        self.next = Some(prefix.seq + 1);
        self.line += 1;
        self.byte += line.len() as u64 + 1;
        // While in doubt, the line before stays the one that is doubted.
        if self.doubt.is_none() {
            self.before = Some(here);
        }
        Ok(())
    }

    /// The first line of a segment, or of a piece, compared with the name of the file.
    fn segment_begins_with(&mut self, prefix: &Prefix<'_>) -> Result<(), Broken> {
        let seq = prefix.seq;
        let expected = *self.next.get_or_insert_with(|| self.named.unwrap_or(seq));
        if let Some(named) = self.named
            && (named != expected || seq != expected)
        {
            let how = if seq == expected {
                How::Renamed { named }
            } else if seq == named {
                self.out_of_order(expected, seq)
            } else {
                How::Displaced { found: seq }
            };
            return Err(self.broken_here(how));
        }
        if self.first.is_none() {
            let Some(prev) = prefix.prev() else {
                return Err(self.broken_here(How::NotARecord));
            };
            self.first = Some((seq, prev));
            if self.head.is_none() {
                self.head_hex = *prefix.prev_hex;
            }
        }
        self.fresh = false;
        Ok(())
    }

    /// A segment without a line must at least be named for the record that would come next.
    fn empty_segment_fits(&self) -> Result<(), Broken> {
        match (self.next, self.named) {
            (Some(next), Some(named)) if self.fresh && named != next => {
                Err(self.broken_here(self.out_of_order(next, named)))
            }
            _ => Ok(()),
        }
    }

    fn out_of_order(&self, expected: u64, begins: u64) -> How {
        if begins < expected {
            How::Overlap { begins }
        } else if self.names.len() <= 1 && expected == 0 {
            How::Beginning { begins }
        } else {
            How::Gap { begins }
        }
    }

    /// Decides a doubt by the line after it, if there is one.
    fn settle(&self, doubt: Position, after: Option<Prefix<'_>>) -> Broken {
        let by = doubt.record;
        let after = after.and_then(|prefix| prefix.prev());
        match (self.before, after) {
            (None, _) if by == 0 => self.broken(doubt, How::FirstPrev),
            (Some(before), None) => self.broken(before, How::ChangedOrNext { by }),
            (Some(before), Some(prev)) if Some(prev) == self.head => {
                self.broken(before, How::Changed { by })
            }
            _ => self.broken(doubt, How::Prev),
        }
    }

    fn here(&self, record: u64) -> Position {
        Position {
            segment: self.names.len().saturating_sub(1),
            record,
            line: self.line,
            byte: self.byte,
        }
    }

    fn broken_here(&self, how: How) -> Broken {
        let record = self.next.or(self.named).unwrap_or(0);
        self.broken(self.here(record), how)
    }

    fn broken(&self, place: Position, how: How) -> Broken {
        Broken {
            segment: self.names.get(place.segment).cloned().unwrap_or_default(),
            record: place.record,
            line: place.line,
            byte: place.byte,
            how,
        }
    }
}
