//! What a restore would overwrite. No existing file is ever touched.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use broker_private_files::PrivateError;
use broker_protocol::paths::Paths;
use broker_protocol::whole_file::{self, NotAFile};
use broker_vault::backup::Backup;

use super::named_files::Arranged;
use super::{InTheWay, RestoreError};
use crate::commands::entries;
use crate::policy_files;

/// Everything that a restore would write over, join or put in force besides its own.
pub(super) fn in_the_way(
    places: &Paths,
    backup: &Backup,
    arranged: &Arranged<'_>,
) -> Result<Vec<InTheWay>, RestoreError> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, why| found.push(InTheWay { path, why });
    if fs::symlink_metadata(&places.vault).is_ok() {
        add(places.vault.clone(), "a vault");
    }
    if !entries(&places.audit)?.is_empty() {
        add(
            places.audit.clone(),
            "an audit log, which cannot be joined with another",
        );
    }
    match &arranged.config {
        Some(config) if differs(&places.config, config.as_bytes())? => {
            add(places.config.clone(), "another configuration");
        }
        None if fs::symlink_metadata(&places.config).is_ok() => {
            add(
                places.config.clone(),
                "a configuration, and the backup has none",
            );
        }
        _ => {}
    }
    for (path, pem) in &arranged.files {
        if differs(path, pem)? {
            add(path.clone(), "another file of certificates");
        }
    }
    for name in policies_at(&places.policies)? {
        let path = places.policies.join(&name);
        let ours = backup
            .files
            .policies
            .iter()
            .find(|ours| *ours.name == *name);
        match ours {
            None => add(path, "a policy that is not in the backup"),
            Some(ours) if differs(&path, ours.text.as_bytes())? => add(path, "another policy"),
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Whether something else than `wanted` has the name.
pub(super) fn differs(path: &Path, wanted: &[u8]) -> Result<bool, PrivateError> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    let read = whole_file::open_to_read(path)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes != wanted),
        // A FIFO, or a link that leads nowhere.
        Err(error) if NotAFile::is_cause_of(&error) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(PrivateError::io(path)(error)),
    }
}

/// The names of what a broker would read as policies: all of them, also where it would refuse so many.
fn policies_at(directory: &Path) -> Result<Vec<OsString>, PrivateError> {
    match policy_files::names_in(directory, usize::MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(PrivateError::io(directory)),
    }
}
