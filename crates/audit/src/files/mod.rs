//! Verifies a log in files, on as many threads as wanted and in flat memory.
//!
//! The one module of this crate that reads anything. It cuts the log at line boundaries into pieces
//! of some megabytes, lets threads walk them, and joins the results in order. Where a piece is
//! broken or does not join, the log is walked again from the last good segment, one line after the
//! other, so that the answer is the one a single walk would have given.
//!
//! Not here: what makes a line good or bad (`verify`).

mod extent;
mod list;
mod read;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub use self::extent::Extent;
pub use self::list::{Listing, Segment, list};

use self::read::{Block, Sizes};
use crate::broken::Broken;
use crate::segment;
use crate::verify::{Piece, Report, Walker};

/// Whether something may be writing to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// No broker: a last line without its newline is a fault. Zero bytes at the end of the log are none: a broker that
    /// was killed leaves them.
    Closed,
    /// A broker: a last line without its newline is a record on its way and not counted.
    Live,
}

/// What was verified, and what was left aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the log holds.
    pub report: Report,
    /// Files in the log's directory that are no segments, such as those recovery moves aside.
    pub ignored: Vec<PathBuf>,
    /// Bytes after the last newline of a [`Tail::Live`] log, without the zero bytes behind them.
    pub unfinished: u64,
}

/// Why a log did not verify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The log is not what its chain says.
    #[error(transparent)]
    Broken(#[from] Broken),

    /// There is no log. A log that was deleted looks like this too.
    #[error(
        "no audit log in {}: a log is a directory of files named as {}",
        .0.display(),
        segment::name(0)
    )]
    NoSegments(PathBuf),

    /// A file whose name does not say where it belongs, among others.
    #[error(
        "{} is not named by its first record, so its place among the others is unknown; verify it \
         alone",
        .0.display()
    )]
    Unnumbered(PathBuf),

    /// The file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// Bytes already verified or counted were no longer there when they were read.
    #[error("the log changed while it was read; verify it again")]
    Changed,
}

/// Verifies the log in `paths`: directories of segments, or files. A directory must hold the log
/// from record 0; files alone may be a piece of it. Segments are taken in the order of their
/// numbers, whatever the order of `paths`.
///
/// What is appended after the call began is not read.
///
/// # Errors
///
/// [`Failure::Broken`] names the first place that is wrong; the others say why nothing was found.
pub fn verify(paths: &[PathBuf], tail: Tail, threads: usize) -> Result<Verified, Failure> {
    let log = list(paths)?;
    let (report, unfinished) = Walk {
        log: &log,
        tail,
        threads,
        sizes: Sizes::USUAL,
    }
    .verify()?;
    Ok(Verified {
        report,
        ignored: log.ignored,
        unfinished,
    })
}

/// One cut of a segment, at line boundaries.
#[derive(Debug)]
struct Cut {
    segment: usize,
    start: u64,
    end: u64,
}

/// How a listed log is walked.
struct Walk<'a> {
    log: &'a Listing,
    tail: Tail,
    threads: usize,
    sizes: Sizes,
}

impl Walk<'_> {
    fn verify(&self) -> Result<(Report, u64), Failure> {
        let cuts = self.cuts()?;
        // What is known so far; `None` before the first record of a piece of a log.
        let mut so_far = self.log.whole.then_some(Piece::EMPTY);
        let mut unfinished = 0;
        // The same at the beginning of each segment, to walk again from there.
        let mut at_segment = Vec::with_capacity(self.log.segments.len());
        let mut last_good = 0;
        for (cut, walked) in cuts.iter().zip(self.walk_all(&cuts)?) {
            if cut.start == 0 {
                at_segment.push(so_far);
            }
            let joined = walked.and_then(|(piece, _)| self.join(so_far, cut, piece));
            let (Some(joined), Some((piece, rest))) = (joined, walked) else {
                return Err(self.walk_again(last_good, &at_segment));
            };
            if piece.first.is_some() {
                last_good = cut.segment;
            }
            unfinished = rest;
            so_far = joined;
        }
        match so_far {
            Some(piece) if !piece.two_in_one => Ok((piece.report(), unfinished)),
            Some(_) => Err(self.walk_again(last_good, &at_segment)),
            None => Ok((self.walk_on(0, Walker::piece())?.report(), unfinished)),
        }
    }

    fn cuts(&self) -> Result<Vec<Cut>, Failure> {
        let mut cuts = Vec::new();
        for (segment, listed) in self.log.segments.iter().enumerate() {
            let mut start = 0;
            for end in read::line_ends(listed, self.sizes.cut)? {
                cuts.push(Cut {
                    segment,
                    start,
                    end,
                });
                start = end;
            }
        }
        Ok(cuts)
    }

    /// Walks each cut by itself. In the order of `cuts`; `None` where it broke, and then no more.
    fn walk_all(&self, cuts: &[Cut]) -> Result<Vec<Option<(Piece, u64)>>, Failure> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut block = Block::new(self.sizes.block);
            let mut done = Vec::new();
            while let index = next.fetch_add(1, Ordering::Relaxed)
                && let Some(cut) = cuts.get(index)
            {
                let walked = self.walk_cut(cut, &mut block);
                if walked.is_err() {
                    // All cuts before this one are taken, and those after it no longer matter.
                    next.store(cuts.len(), Ordering::Relaxed);
                }
                done.push((index, walked));
            }
            done
        };
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads.min(cuts.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(index, _)| *index);
        let walked = done.into_iter().map(|(_, walked)| match walked {
            Ok(piece) => Ok(Some(piece)),
            Err(Failure::Broken(_)) => Ok(None),
            Err(other) => Err(other),
        });
        walked.collect()
    }

    fn walk_cut(&self, cut: &Cut, block: &mut Block) -> Result<(Piece, u64), Failure> {
        let mut walker = Walker::piece();
        let mut rest = 0;
        if let Some(segment) = self.log.segments.get(cut.segment) {
            if cut.start == 0 {
                walker.segment(&segment.name)?;
            }
            rest = block.walk(segment, cut.start..cut.end, &mut walker)?;
            self.end_segment(cut.segment, segment, rest, &mut walker)?;
        }
        Ok((walker.end_of_piece()?, rest as u64))
    }

    /// The content of a segment, or a cut of it, ends with `rest` bytes that have no newline.
    fn end_segment(
        &self,
        index: usize,
        segment: &Segment,
        rest: usize,
        walker: &mut Walker,
    ) -> Result<(), Broken> {
        let last = index + 1 == self.log.segments.len();
        if self.tail == Tail::Live && last && rest <= segment::MAX_BYTES {
            return Ok(());
        }
        walker.ends_torn(rest)?;
        // Also where only a cut ends: the log is broken, and is walked again to see where.
        walker.ends_in_zeros(if last { 0 } else { segment.extent.zeros })
    }

    /// What is known once `piece` is there too. `None` if it is not what comes next.
    fn join(&self, so_far: Option<Piece>, cut: &Cut, piece: Piece) -> Option<Option<Piece>> {
        let Some(so_far) = so_far else {
            // Only empty files so far, if any: the first of them is named for what comes now.
            let begins = self.log.segments.first()?.number;
            let begins_here = self.log.segments.get(cut.segment)?.number == begins;
            return begins_here.then(|| piece.first.map(|_| piece));
        };
        let number = self.log.segments.get(cut.segment)?.number;
        if cut.start == 0 && number.is_some_and(|number| number != so_far.head.records) {
            return None;
        }
        so_far.join(piece).map(Some)
    }

    /// Finds the break that a piece, or the joining of two, has shown to be there.
    fn walk_again(&self, from: usize, at_segment: &[Option<Piece>]) -> Failure {
        let walker = match at_segment.get(from).copied().flatten() {
            Some(piece) => Walker::after(piece.head),
            None => Walker::piece(),
        };
        match self.walk_on(from, walker) {
            Ok(_) => Failure::Changed,
            Err(failure) => failure,
        }
    }

    /// One walk, from the beginning of segment `from` to the end of the log.
    fn walk_on(&self, from: usize, mut walker: Walker) -> Result<Piece, Failure> {
        let mut block = Block::new(self.sizes.block);
        for (index, segment) in self.log.segments.iter().enumerate().skip(from) {
            walker.segment(&segment.name)?;
            let rest = block.walk(segment, 0..segment.extent.content, &mut walker)?;
            self.end_segment(index, segment, rest, &mut walker)?;
        }
        Ok(walker.finish()?)
    }
}

#[cfg(test)]
mod tests;
