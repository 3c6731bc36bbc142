//! The audit log's files, as someone changes them who may write them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Home;

/// The last segment.
#[must_use]
pub fn last_segment(home: &Home) -> PathBuf {
    files_ending(&home.places.audit, ".jsonl").pop().unwrap()
}

/// The files of a directory whose names end so, in order.
#[must_use]
pub fn files_ending(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    found.sort();
    found
}

/// Writes to the end of the log.
pub fn append(home: &Home, bytes: &[u8]) {
    let segment = last_segment(home);
    let mut file = OpenOptions::new().append(true).open(segment).unwrap();
    file.write_all(bytes).unwrap();
}

/// Leaves a file its first `size` bytes.
pub fn cut(path: &Path, size: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(size as u64).unwrap();
}

/// Fails unless all these words are in the text.
#[track_caller]
pub fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not said: {text}");
    }
}
