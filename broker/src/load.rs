//! Reads the policies of a directory into a set that can be put in force.

use std::collections::BTreeMap;
use std::path::Path;

use crate::accounts::SystemAccounts;
use crate::policy::{Host, PolicyErrors, PolicySet};
use crate::policy_files::{self, PolicyFilesError};

/// A set that was accepted, and what it was read from.
pub struct Loaded {
    /// The set.
    pub set: PolicySet,
    /// SHA-256 of every file, hexadecimal, by its name.
    pub files: BTreeMap<String, String>,
}

/// Why a set was refused, whole.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files cannot be read, or others may write them.
    #[error(transparent)]
    Files(#[from] PolicyFilesError),
    /// What they say is refused.
    #[error(transparent)]
    Refused(#[from] PolicyErrors),
}

/// Reads and judges every policy of a directory.
///
/// # Errors
///
/// [`LoadError`] with everything that is wrong, by file and line.
pub fn load(directory: &Path, host: &Host) -> Result<Loaded, LoadError> {
    let files = policy_files::read_live(directory)?;
    let set = PolicySet::parse(&files.policies, &SystemAccounts, host)?;
    Ok(Loaded {
        set,
        files: files.digests(),
    })
}
