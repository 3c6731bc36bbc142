//! How segments are named: 20 digits, the number of their first record, and `.jsonl`; and where the content of one
//! ends.

/// The largest segment the broker writes, and so the longest a line can be, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// The name of the segment that begins with record `first`.
#[must_use]
pub fn name(first: u64) -> String {
    format!("{first:020}.jsonl")
}

/// The first record of the segment with this file name; `None` if no segment is named so.
///
/// Record numbers have at most 19 digits, so the first of the 20 is a zero and nothing overflows.
#[must_use]
pub fn first_record(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl")?;
    let good = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    (good && digits.starts_with('0'))
        .then(|| digits.parse().ok())
        .flatten()
}

/// What a segment holds before the zero bytes at its end. Only the last of a log may have them: its blocks are
/// written before they are needed. All of `bytes` where there are more of them than [`MAX_BYTES`], which no
/// broker leaves.
#[must_use]
pub fn content(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    let end = end.map_or(0, |last| last + 1);
    match bytes.len() - end {
        ..=MAX_BYTES => bytes.get(..end).unwrap_or_default(),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zeros_up_to_the_end_are_not_content() {
        for (bytes, want) in [
            (&b""[..], &b""[..]),
            (b"\0\0", b""),
            (b"a\n\0\0", b"a\n"),
            (b"a\n\0b\0", b"a\n\0b"),
            (b"a\n", b"a\n"),
        ] {
            assert_eq!(content(bytes), want);
        }
        let most = [&b"a\n"[..], &vec![0; MAX_BYTES]].concat();
        assert_eq!(content(&most), b"a\n");
        let more = [&most[..], b"\0"].concat();
        assert_eq!(content(&more).len(), more.len());
    }

    #[test]
    fn a_name_gives_back_the_number_it_was_made_of() {
        assert_eq!(name(120), "00000000000000000120.jsonl");
        for first in [0, 120, 9_999_999_999_999_999_999] {
            assert_eq!(first_record(&name(first)), Some(first));
        }
    }

    #[test]
    fn other_files_are_no_segments() {
        for other in [
            "120.jsonl",
            "00000000000000000120.jsonl.512.torn",
            "+0000000000000000120.jsonl",
            "10000000000000000000.jsonl",
            "00000000000000000120.json",
        ] {
            assert_eq!(first_record(other), None, "{other}");
        }
    }
}
