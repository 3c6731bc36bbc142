//! Where the content of a segment ends: its last blocks may be zeros that were written ahead of any record.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::segment;

/// How far the content of a segment goes, and what is behind it. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// The content, from the beginning of the file.
    pub content: u64,
    /// The zero bytes from there to the end of the file, at most [`segment::MAX_BYTES`]. More of them are content.
    pub zeros: u64,
}

impl Extent {
    /// Reads a file backwards, block by block, up to the first byte that is not zero.
    ///
    /// What a broker adds to the file meanwhile is not seen, or only the beginning of it. All content that is
    /// found can be read from then on: records are written one behind the other.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn of(file: &File) -> io::Result<Self> {
        Self::backwards(file, file.metadata()?.len())
    }

    /// The same for a file that had this length a moment ago.
    fn backwards(file: &File, mut length: u64) -> io::Result<Self> {
        let mut block = vec![0; BLOCK];
        // All bytes from here to `length` are zero.
        let mut end = length;
        while end > 0 && length - end <= MOST {
            let begin = end.saturating_sub(BLOCK as u64);
            let wanted = usize::try_from(end - begin).unwrap_or(BLOCK);
            let read = read_at(file, block.get_mut(..wanted).unwrap_or_default(), begin)?;
            if read < wanted {
                // A broker has closed the segment, or is about to, and has cut the zeros off.
                length = begin + read as u64;
            }
            let held = segment::content(block.get(..read).unwrap_or_default()).len();
            end = begin + held as u64;
            if held > 0 {
                break;
            }
        }
        let content = if length - end <= MOST { end } else { length };
        Ok(Self {
            content,
            zeros: length - content,
        })
    }
}

/// As much as there is.
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

const MOST: u64 = segment::MAX_BYTES as u64;

/// Read at once. Of a segment without zeros at its end that is all that is read here.
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_while_it_is_read_has_the_length_that_is_left() {
        let mut file = tempfile::tempfile().unwrap();
        let block = BLOCK as u64;
        for (content, zeros) in [(0, 0), (5, 0), (5, 7), (block, 0), (block, 9)] {
            file.set_len(0).unwrap();
            io::Write::write_all(&mut file, &vec![b'x'; usize::try_from(content).unwrap()])
                .unwrap();
            file.set_len(content + zeros).unwrap();
            let want = Extent { content, zeros };
            assert_eq!(Extent::of(&file).unwrap(), want);
            for cut in [1, 5000, block, 3 * block + 1] {
                let found = Extent::backwards(&file, content + zeros + cut).unwrap();
                assert_eq!(found, want, "{cut} bytes were cut");
            }
            io::Seek::rewind(&mut file).unwrap();
        }
    }
}
