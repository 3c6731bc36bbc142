//! Reads records back by their numbers, as the bytes they are.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use broker_audit::segment::first_record;
use broker_protocol::whole_file;

/// Some of a log's records, as they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Their lines, newlines included.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub records: u64,
}

/// Up to `count` records from number `from` on, and no more than fit into `most` bytes; the first in any
/// case.
///
/// Blocks. Nothing is verified here: whoever asks for the bytes verifies them.
///
/// # Errors
///
/// If a segment cannot be listed or read.
pub fn range(directory: &Path, from: u64, count: u64, most: usize) -> io::Result<Range> {
    let mut segments = segments(directory)?;
    // The segment that holds `from` is the last that begins at or before it.
    let first = segments
        .partition_point(|(seq, _)| *seq <= from)
        .saturating_sub(1);
    segments.drain(..first);
    let mut range = Range::default();
    let mut line = Vec::new();
    let end = from.saturating_add(count);
    for (mut seq, path) in segments {
        let mut reader = BufReader::with_capacity(1 << 20, whole_file::open_to_read(&path)?);
        // Zeros where a record would begin are blocks that were written ahead: not read into one long line.
        while seq < end && reader.fill_buf()?.first() != Some(&0) {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if seq >= from {
                if range.records > 0 && range.bytes.len() + line.len() > most {
                    return Ok(range);
                }
                range.bytes.extend_from_slice(&line);
                range.records += 1;
            }
            seq += 1;
        }
    }
    Ok(range)
}

/// Segments by the number of their first record.
fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(first_record) {
            segments.push((first, entry.path()));
        }
    }
    segments.sort();
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use broker_audit::segment::name;

    use super::*;

    #[test]
    fn records_are_found_by_number_across_segments() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(name(0)), "zero\none\n").unwrap();
        fs::write(home.path().join(name(2)), "two\nthree\nhal").unwrap();
        fs::write(home.path().join("notes.txt"), "x\n").unwrap();
        let read = |from, count| {
            let range = range(home.path(), from, count, 100).unwrap();
            let text = String::from_utf8(range.bytes).unwrap();
            assert_eq!(range.records, text.lines().count() as u64);
            text
        };
        assert_eq!(read(0, 1), "zero\n");
        assert_eq!(read(1, 2), "one\ntwo\n");
        assert_eq!(
            read(3, 9),
            "three\n",
            "a line being written is not a record yet"
        );
        assert_eq!(read(9, 9), "");
    }

    #[test]
    fn blocks_written_ahead_are_no_record_and_not_read_as_a_line() {
        let home = tempfile::tempdir().unwrap();
        let ahead = [&b"two\n"[..], &vec![0; 3 << 20], b"\n"].concat();
        fs::write(home.path().join(name(0)), "zero\none\n\0\0").unwrap();
        fs::write(home.path().join(name(2)), ahead).unwrap();
        let range = range(home.path(), 0, u64::MAX, usize::MAX).unwrap();
        assert_eq!(
            (&*range.bytes, range.records),
            (&b"zero\none\ntwo\n"[..], 3)
        );
    }

    #[test]
    fn what_is_read_at_once_is_cut_by_its_bytes_and_goes_on_where_it_was_cut() {
        let home = tempfile::tempdir().unwrap();
        let long = "x".repeat(50);
        fs::write(home.path().join(name(0)), format!("zero\n{long}\n")).unwrap();
        fs::write(home.path().join(name(2)), "two\nthree\n").unwrap();
        let (mut from, mut pages) = (0, Vec::new());
        while from < 4 {
            let page = range(home.path(), from, 4, 10).unwrap();
            assert!(page.bytes.len() <= 10 || page.records == 1);
            from += page.records;
            pages.push(String::from_utf8(page.bytes).unwrap());
        }
        assert_eq!(pages, ["zero\n", &format!("{long}\n"), "two\nthree\n"]);
    }
}
