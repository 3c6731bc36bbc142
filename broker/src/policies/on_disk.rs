//! Whether the files are still those that are in force.
//!
//! What was seen of them counts for the set that was in force then: of one that was loaded since, nothing differs until
//! the next look.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::{InForce, Policies};
use crate::looks::Looks;
use crate::policy_files;

/// What was last seen of the files; `None`: nothing was looked at yet.
pub(super) type OnDisk = Looks<Option<Seen>>;

#[derive(Clone)]
pub(super) struct Seen {
    /// The set in force when it was looked.
    beside: Weak<InForce>,
    /// SHA-256 of each, hexadecimal, by name; or why they cannot be read.
    files: Result<BTreeMap<String, String>, String>,
}

impl Policies {
    /// Looks at the files.
    pub(crate) async fn look_at_files(&self) {
        let beside = Arc::downgrade(&self.in_force());
        let directory = self.directory.clone();
        let look = move || {
            let files = digests(&directory);
            Some(Seen { beside, files })
        };
        self.on_disk.look(look).await;
    }

    /// The files that were changed, added or removed since the set in force was loaded, as far as they were looked
    /// at; or why they cannot be read.
    pub(crate) fn changed_files(&self) -> Vec<String> {
        let in_force = self.in_force();
        let seen = self.on_disk.seen();
        let seen = seen.filter(|seen| seen.beside.as_ptr() == Arc::as_ptr(&in_force));
        match seen.map(|seen| seen.files) {
            None => Vec::new(),
            Some(Err(why)) => vec![why],
            Some(Ok(seen)) => differing(&seen, &in_force.files),
        }
    }
}

fn digests(directory: &Path) -> Result<BTreeMap<String, String>, String> {
    let files = policy_files::read(directory, None);
    let digests = files.map(|files| files.digests());
    digests.map_err(|error| error.to_string())
}

fn differing(seen: &BTreeMap<String, String>, in_force: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |name: &&String| seen.get(*name) != in_force.get(*name);
    let mut names: Vec<_> = seen.keys().chain(in_force.keys()).filter(differs).collect();
    names.sort();
    names.dedup();
    names.into_iter().cloned().collect()
}
