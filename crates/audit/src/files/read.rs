//! Reads segments block by block.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use memchr::memchr;

use super::Failure;
use super::list::{Segment, unreadable};
use crate::segment;
use crate::verify::Walker;

/// How a log is portioned, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// What one thread takes at a time, up to the next end of a line.
    pub(super) cut: u64,
    /// What is read at once.
    pub(super) block: usize,
}

impl Sizes {
    /// Cuts large enough that opening files costs nothing, blocks small enough to stay in the
    /// processor's cache.
    pub(super) const USUAL: Self = Self {
        cut: 8 << 20,
        block: 512 << 10,
    };
}

/// Where to cut a segment: at the first end of a line after each `cut` bytes, and where its content ends.
pub(super) fn line_ends(segment: &Segment, cut: u64) -> Result<Vec<u64>, Failure> {
    let mut ends = Vec::new();
    let mut at = cut;
    let end = segment.extent.content;
    if at < end {
        let file = File::open(&segment.path).map_err(unreadable(&segment.path))?;
        let mut block = vec![0; 4096];
        while at < end {
            let bytes = read_at(&file, segment, &mut block, at)?;
            match memchr(b'\n', bytes) {
                Some(newline) if at + newline as u64 + 1 < end => {
                    at += newline as u64 + 1;
                    ends.push(at);
                    at += cut;
                }
                _ => at += bytes.len() as u64,
            }
        }
    }
    ends.push(end);
    Ok(ends)
}

/// Memory for one block, or for one line that is longer.
#[derive(Debug)]
pub(super) struct Block(Vec<u8>);

impl Block {
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }

    /// Walks the lines in `range`, which begins with a line, and returns how many bytes at its end
    /// have no newline.
    pub(super) fn walk(
        &mut self,
        segment: &Segment,
        range: Range<u64>,
        walker: &mut Walker,
    ) -> Result<usize, Failure> {
        if range.is_empty() {
            return Ok(0);
        }
        let file = File::open(&segment.path).map_err(unreadable(&segment.path))?;
        let mut at = range.start;
        // The bytes at the beginning of the block that are the beginning of a line.
        let mut kept = 0;
        while at < range.end {
            if kept == self.0.len() {
                self.0.resize(kept * 2, 0);
            }
            let Some(free) = self.0.get_mut(kept..) else {
                return Err(Failure::Changed);
            };
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let wanted = free.len().min(left);
            let fresh = free.get_mut(..wanted).unwrap_or_default();
            let read = read_at(&file, segment, fresh, at)?.len();
            at += read as u64;
            let filled = kept + read;
            let done = walker.lines(self.0.get(..filled).unwrap_or_default())?;
            self.0.copy_within(done..filled, 0);
            kept = filled - done;
            if kept > segment::MAX_BYTES {
                break;
            }
        }
        Ok(kept)
    }
}

fn read_at<'b>(
    file: &File,
    segment: &Segment,
    into: &'b mut [u8],
    at: u64,
) -> Result<&'b [u8], Failure> {
    loop {
        match file.read_at(into, at) {
            Ok(0) => return Err(Failure::Changed),
            Ok(read) => return Ok(into.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&segment.path)(error)),
        }
    }
}
