//! Where a restore makes the new log and the vault before they are put in place: a directory beside
//! them, so that each is put there by one rename or link.
//!
//! The files show how far an interrupted restore got:
//!
//! ```text
//! vault in the staging directory?   log in place?   vault in place?
//! no                                no              no                start over
//! yes                               no              no                start over
//! yes                               yes, this one   no                place the vault
//! yes                               yes, this one   yes, this one     clear up
//! ```

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::paths::Paths;
use broker_protocol::whole_file;

use broker_private_files::{self as private, PrivateError};

/// See the module.
pub(super) struct Staging<'a> {
    places: &'a Paths,
    pub(super) directory: PathBuf,
}

impl<'a> Staging<'a> {
    pub(super) fn beside(places: &'a Paths) -> Self {
        Self {
            places,
            directory: places.data.join("restoring"),
        }
    }

    pub(super) fn audit(&self) -> PathBuf {
        self.directory.join("audit")
    }

    fn vault(&self) -> PathBuf {
        self.directory.join("vault.db")
    }

    /// The SHA-256 of the backup and the name of the new log, a line each.
    fn about(&self) -> PathBuf {
        self.directory.join("about")
    }

    /// Whether an attempt got as far as the vault, and did not clear up to the end.
    pub(super) fn holds_vault(&self) -> bool {
        self.vault().exists()
    }

    /// Whether the vault in place is the one that was made here: only this directory is left over.
    pub(super) fn is_in_place(&self) -> Result<bool, PrivateError> {
        let place = |path: &Path| match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found
                .map(|found| Some((found.dev(), found.ino())))
                .map_err(PrivateError::io(path)),
        };
        let ours = place(&self.vault())?;
        Ok(ours.is_some() && ours == place(&self.places.vault)?)
    }

    /// Whether all but the vault is in place; says of which backup.
    pub(super) fn waits_for_its_vault(&self) -> Result<Option<String>, PrivateError> {
        if !self.vault().exists() || self.places.vault.exists() || self.audit().exists() {
            return Ok(None);
        }
        let about = fs::read_to_string(self.about()).map_err(PrivateError::io(&self.about()))?;
        let Some((sha256, log_id)) = about.trim_end().split_once('\n') else {
            return Ok(None);
        };
        let first = self.places.audit.join("00000000000000000000.jsonl");
        let mut line = String::new();
        match fs::File::open(&first) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => {
                let file = file.map_err(PrivateError::io(&first))?;
                let read = BufReader::new(file).read_line(&mut line);
                read.map_err(PrivateError::io(&first))?;
            }
        }
        let ours = line.contains(&format!(r#""log_id":"{log_id}""#));
        Ok(ours.then(|| sha256.to_owned()))
    }

    /// Removes what an attempt left here. Nothing of it was ever in use.
    pub(super) fn clear(&self) -> Result<(), PrivateError> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(PrivateError::io(&self.directory)),
        }
    }

    pub(super) fn begin(&self, sha256: &str, log_id: &str) -> Result<(), PrivateError> {
        private::make_directory(&self.directory)?;
        private::put_new(&self.about(), format!("{sha256}\n{log_id}\n").as_bytes())
    }

    /// Keeps the vault here, whole: from now on the attempt can be finished.
    pub(super) fn keep_vault(&self, image: &[u8]) -> Result<(), PrivateError> {
        private::put_new(&self.vault(), image)?;
        private::sync_directory_of(&self.directory)
    }

    /// Puts the log in place, where nothing is or an empty directory.
    pub(super) fn place_log(&self) -> Result<(), PrivateError> {
        fs::rename(self.audit(), &self.places.audit)
            .map_err(PrivateError::io(&self.places.audit))?;
        private::sync_directory_of(&self.places.audit)
    }

    /// Puts the vault in place, where nothing is.
    pub(super) fn place_vault(&self) -> Result<(), PrivateError> {
        whole_file::link(&self.vault(), &self.places.vault)
            .map_err(PrivateError::io(&self.places.vault))?;
        private::sync_directory_of(&self.places.vault)
    }
}
