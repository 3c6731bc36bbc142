//! Reads the files of a policy directory, and says who else could write them.
//!
//! Files are `*.toml` directly in the directory; files whose name begins with a dot, and files in
//! folders, are no policies. `*.cases.toml` are decision tables: run by `policy test` and whenever
//! policies are loaded, never part of a live set.
//!
//! An account that may write a policy may give itself tokens. So a live set is refused where group or
//! others may write a file, the directory, or a directory above it, and where one of these belongs to
//! another account than root or the broker's own. In a checkout in CI, whose modes say nothing about
//! the machine that will use it, modes are only warned of, and owners not checked.
//!
//! Not here: what the files say.

mod exposed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use broker_policy::PolicyFile;
use broker_protocol::hex;
use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use self::exposed::ExposureScan;

pub use self::exposed::{Exposed, Exposure, Owners};

/// The largest policy file, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// The most files of a set.
pub const MAX_FILES: usize = 1000;

/// The files of one directory, in the order of their names.
#[derive(Debug)]
pub struct PolicyFiles {
    /// Purposes and secrets.
    pub policies: Vec<PolicyFile>,
    /// Decision tables.
    pub tables: Vec<PolicyFile>,
    /// What others than root and the broker's account could change.
    pub exposed: Vec<Exposed>,
}

impl PolicyFiles {
    /// SHA-256 of every policy, hexadecimal, by file name: what the record of a load names.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, String> {
        let files = self.policies.iter();
        files
            .map(|file| (file.name.clone(), digest(&file.text)))
            .collect()
    }
}

/// SHA-256 of a policy's text, hexadecimal.
#[must_use]
pub fn digest(text: &str) -> String {
    hex::of(&Sha256::digest(text))
}

/// Why a policy directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFilesError {
    /// The directory or a file in it cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name ends in `.toml` and belongs to a folder, a pipe or the like.
    #[error("{} is not a file; rename it if it is no policy", .0.display())]
    NotAFile(PathBuf),
    /// A file's name or text is not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A file's name would garble every message that holds it.
    #[error("{0:?} has a control character in its name; rename it")]
    ControlCharacter(String),
    /// More than [`MAX_FILE`] bytes.
    #[error("{} is larger than 1 MiB; split it", .0.display())]
    TooLarge(PathBuf),
    /// More than [`MAX_FILES`] files.
    #[error("{} holds more than {MAX_FILES} policies; merge some", .0.display())]
    TooMany(PathBuf),
    /// Someone else could change the policies.
    #[error("{}", one_a_line(.0))]
    Exposed(Vec<Exposed>),
}

/// Reads a directory for use: only root and this process's account may be able to change it.
///
/// # Errors
///
/// [`PolicyFilesError::Exposed`], and what keeps the files from being read.
pub fn read_live(dir: &Path) -> Result<PolicyFiles, PolicyFilesError> {
    let mut files = read(dir, Some(&Owners::of_this_process()))?;
    refuse(std::mem::take(&mut files.exposed))?;
    Ok(files)
}

/// Refuses one file, such as the configuration, that others than root and this process's account could
/// change. None is no fault.
///
/// # Errors
///
/// [`PolicyFilesError::Exposed`], or if the file or a directory above it cannot be read.
pub fn refuse_exposed(path: &Path) -> Result<(), PolicyFilesError> {
    let real = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        real => real.map_err(io(path))?,
    };
    let owners = Owners::of_this_process();
    let mut scan = ExposureScan::new(Some(&owners), None);
    scan.above(&real).map_err(io(path))?;
    scan.at(path, &fs::metadata(&real).map_err(io(path))?);
    refuse(scan.found())
}

fn refuse(exposed: Vec<Exposed>) -> Result<(), PolicyFilesError> {
    if exposed.is_empty() {
        return Ok(());
    }
    Err(PolicyFilesError::Exposed(exposed))
}

/// Reads a directory and notes all that others than these owners could change. They are `None` for a
/// checkout, whose owner says nothing of the machine that will use it: noted is then only what group or
/// others may write.
///
/// # Errors
///
/// If the directory or a policy in it cannot be read.
pub fn read(dir: &Path, owners: Option<&Owners>) -> Result<PolicyFiles, PolicyFilesError> {
    let real = fs::canonicalize(dir).map_err(io(dir))?;
    let mut scan = ExposureScan::new(owners, Some(&real));
    scan.above(&real.join("any")).map_err(io(dir))?;
    let names = names_in(&real, MAX_FILES + 1).map_err(io(dir))?;
    if names.len() > MAX_FILES {
        return Err(PolicyFilesError::TooMany(dir.to_owned()));
    }
    let mut files = Vec::new();
    for name in names {
        let path = real.join(&name);
        let text = read_file(&path, &mut scan)?;
        let name = name
            .into_string()
            .map_err(|_name| PolicyFilesError::NotText(path))?;
        if name.contains(char::is_control) {
            return Err(PolicyFilesError::ControlCharacter(name));
        }
        files.push(PolicyFile { name, text });
    }
    let (tables, policies) = files.into_iter().partition(is_table);
    Ok(PolicyFiles {
        policies,
        tables,
        exposed: scan.found(),
    })
}

/// The names of policies and decision tables in a directory, in order; no more of them than `most`.
pub(crate) fn names_in(dir: &Path, most: usize) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            names.push(name);
        }
        if names.len() >= most {
            break;
        }
    }
    names.sort();
    Ok(names)
}

/// Whether this is a decision table, which gives no one anything.
pub(crate) fn is_table(file: &PolicyFile) -> bool {
    file.name.ends_with(".cases.toml")
}

/// Reads one file and notes who could change it, or a directory above what it links to.
fn read_file(path: &Path, scan: &mut ExposureScan<'_>) -> Result<String, PolicyFilesError> {
    let real = fs::canonicalize(path).map_err(io(path))?;
    let file = OpenOptions::new()
        .read(true)
        // Opening a pipe must not wait for a writer.
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&real)
        .map_err(io(path))?;
    let metadata = file.metadata().map_err(io(path))?;
    if !metadata.is_file() {
        return Err(PolicyFilesError::NotAFile(path.to_owned()));
    }
    scan.at(path, &metadata);
    scan.above(&real).map_err(io(path))?;
    read_text(file, path)
}

fn read_text(file: File, path: &Path) -> Result<String, PolicyFilesError> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io(path))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(PolicyFilesError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_error| PolicyFilesError::NotText(path.to_owned()))
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> PolicyFilesError {
    let path = path.to_owned();
    |source| PolicyFilesError::Io { path, source }
}

fn one_a_line(exposed: &[Exposed]) -> String {
    let lines: Vec<_> = exposed.iter().map(Exposed::to_string).collect();
    lines.join("\n")
}
