//! Reads records back by their numbers, as the bytes they are.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use broker_audit::segment::first_record;
use broker_protocol::whole_file;

/// The bytes of up to `count` records from number `from` on, newlines included.
///
/// Blocks. Nothing is verified here: whoever asks for the bytes verifies them.
///
/// # Errors
///
/// If a segment cannot be listed or read.
pub fn range(directory: &Path, from: u64, count: u64) -> io::Result<Vec<u8>> {
    let mut segments = segments(directory)?;
    // The segment that holds `from` is the last that begins at or before it.
    let first = segments
        .partition_point(|(seq, _)| *seq <= from)
        .saturating_sub(1);
    segments.drain(..first);
    let mut bytes = Vec::new();
    let mut line = Vec::new();
    let end = from.saturating_add(count);
    for (mut seq, path) in segments {
        let mut reader = BufReader::with_capacity(1 << 20, whole_file::open_to_read(&path)?);
        while seq < end {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if seq >= from {
                bytes.extend_from_slice(&line);
            }
            seq += 1;
        }
    }
    Ok(bytes)
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
        let read =
            |from, count| String::from_utf8(range(home.path(), from, count).unwrap()).unwrap();
        assert_eq!(read(0, 1), "zero\n");
        assert_eq!(read(1, 2), "one\ntwo\n");
        assert_eq!(
            read(3, 9),
            "three\n",
            "a line being written is not a record yet"
        );
        assert_eq!(read(9, 9), "");
    }
}
