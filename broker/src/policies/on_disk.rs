//! Whether the files are still those that are in force.
//!
//! They are read and hashed on a thread of their own, one reading at a time, and whoever asks waits only briefly: a
//! disk may not answer. What was seen last is compared with the set in force at that moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Policies;
use crate::policy_files;

/// What was last seen of the files.
#[derive(Debug, Default)]
pub(super) struct OnDisk {
    looking: AtomicBool,
    /// SHA-256 of each, hexadecimal, by name; or why they cannot be read. `None`: nothing was looked at yet.
    seen: Mutex<Option<Result<BTreeMap<String, String>, String>>>,
}

impl Policies {
    /// Looks at the files.
    pub(crate) async fn look_at_files(&self) {
        let on_disk = Arc::clone(&self.on_disk);
        if on_disk.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let directory = self.directory.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let seen = digests(&directory);
            *on_disk.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
            on_disk.looking.store(false, Ordering::Release);
        });
        drop(tokio::time::timeout(A_MOMENT, looking).await);
    }

    /// The files that were changed, added or removed since the set in force was loaded, as far as they were looked
    /// at; or why they cannot be read.
    pub(crate) fn changed_files(&self) -> Vec<String> {
        let seen = self.on_disk.seen.lock();
        let seen = seen.unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            None => Vec::new(),
            Some(Err(why)) => vec![why.clone()],
            Some(Ok(seen)) => differing(seen, &self.in_force().files),
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

const A_MOMENT: Duration = Duration::from_millis(500);
