//! Which files are segments, and in which order.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Failure;
use super::extent::Extent;
use crate::segment;

/// The segments of a log, or of a piece of it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The segments.
    pub segments: Vec<Segment>,
    /// Whether the log must begin with record 0, because a directory was named.
    pub whole: bool,
    /// Files in a named directory that are no segments.
    pub ignored: Vec<PathBuf>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is stored.
    pub path: PathBuf,
    /// Its file name.
    pub name: String,
    /// The first record by that name; `None` only for a file that was named by hand.
    pub number: Option<u64>,
    /// What it held when it was listed, after all names were.
    pub extent: Extent,
}

/// Lists the segments in `paths`, directories or files.
///
/// # Errors
///
/// [`Failure`], except `Broken` and `Changed`.
pub fn list(paths: &[PathBuf]) -> Result<Listing, Failure> {
    let mut listing = Listing {
        segments: Vec::new(),
        whole: false,
        ignored: Vec::new(),
    };
    for path in paths {
        if path.is_dir() {
            listing.whole = true;
            for entry in fs::read_dir(path).map_err(unreadable(path))? {
                let entry = entry.map_err(unreadable(path))?.path();
                match named(&entry) {
                    (name, Some(number)) => listing.add(entry, name, Some(number)),
                    (_, None) => listing.ignored.push(entry),
                }
            }
        } else {
            let (name, number) = named(path);
            listing.add(path.clone(), name, number);
        }
    }
    match (&*listing.segments, paths) {
        ([], paths) => {
            return Err(Failure::NoSegments(
                paths.first().cloned().unwrap_or_default(),
            ));
        }
        ([_], _) => {}
        (many, _) => {
            if let Some(lost) = many.iter().find(|segment| segment.number.is_none()) {
                return Err(Failure::Unnumbered(lost.path.clone()));
            }
        }
    }
    listing.segments.sort_by_key(|segment| segment.number);
    listing.ignored.sort();
    // Last: a segment that is followed by another is complete by now, and no zero bytes are behind it.
    for segment in &mut listing.segments {
        segment.extent = extent(&segment.path).map_err(unreadable(&segment.path))?;
    }
    Ok(listing)
}

impl Listing {
    fn add(&mut self, path: PathBuf, name: String, number: Option<u64>) {
        self.segments.push(Segment {
            path,
            name,
            number,
            extent: Extent::default(),
        });
    }
}

fn named(path: &Path) -> (String, Option<u64>) {
    let name = path.file_name().unwrap_or(path.as_os_str()).display();
    let name = name.to_string();
    let number = segment::first_record(&name);
    (name, number)
}

fn extent(path: &Path) -> io::Result<Extent> {
    // To open a pipe is to wait for who writes into it.
    if fs::metadata(path)?.is_file() {
        Extent::of(&File::open(path)?)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Names the path in an I/O error.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Failure + use<> {
    let path = path.to_owned();
    |source| Failure::Unreadable { path, source }
}
