//! The configuration in a backup and the files it names, as they are to be on this machine.
//!
//! A file that the configuration names beside itself goes there. One that it names elsewhere, such as in
//! `/etc/ssl`, is not put there: that place belongs to others. If a file with the same content exists there, it is used.
//! Otherwise it is put beside the configuration, which then names it there.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use broker_protocol::paths::Paths;
use broker_vault::backup::{Authorities, Backup};

use super::in_the_way::differs;
use crate::commands::backup::holds;
use crate::config::AuthorityFile;

/// See the module.
pub(super) struct Arranged<'a> {
    /// The configuration, as it is to be here.
    pub(super) config: Option<Cow<'a, str>>,
    /// Files to be put in place, and what is in them.
    pub(super) files: Vec<(PathBuf, &'a [u8])>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

impl<'a> Arranged<'a> {
    pub(super) fn at(places: &Paths, backup: &'a Backup) -> Self {
        let mut arranged = Self {
            config: backup.files.config.as_deref().map(Cow::Borrowed),
            files: Vec::new(),
            notes: Vec::new(),
        };
        for file in &backup.files.authorities {
            arranged.place(file, &places.config);
        }
        arranged.missing(backup, &places.config);
        arranged
    }

    fn place(&mut self, file: &'a Authorities, config: &Path) {
        let text = self.config.as_deref().unwrap_or_default();
        let mut named = AuthorityFile::named_in(text, config).into_iter();
        let Some(named) = named.find(|named| named.table == file.table) else {
            return;
        };
        let directory = config.parent().unwrap_or(config);
        if named.is_below(directory) {
            self.files.push((named.path, &file.pem));
            return;
        }
        let is_there = named.path.exists();
        if is_there && matches!(differs(&named.path, &file.pem), Ok(false)) {
            return;
        }
        let name = format!("restored-{}-ca.pem", file.table);
        let Some(renamed) = named.renamed_in(text, &name) else {
            return;
        };
        self.notes.push(format!(
            "`[{}] ca` names {name} now, beside {}: nothing was written to {}",
            file.table,
            config.display(),
            named.path.display()
        ));
        self.config = Some(Cow::Owned(renamed));
        self.files.push((directory.join(name), &file.pem));
    }

    /// Notes what is named and not to be had: it was missing when the backup was made, or the backup is of
    /// before format 2.
    fn missing(&mut self, backup: &Backup, config: &Path) {
        let text = self.config.as_deref().unwrap_or_default();
        for named in AuthorityFile::named_in(text, config) {
            if !holds(backup, &named)
                && let Err(why) = named.read()
            {
                self.notes.push(format!("not in the backup: {why}"));
            }
        }
    }
}
