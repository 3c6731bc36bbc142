//! A systemd credential: `$CREDENTIALS_DIRECTORY/NAME`, decrypted by the service manager for this
//! unit alone, often with the machine's TPM.
//!
//! The directory's own protection is systemd's business: it is read-only, and closed to others by a
//! mount or by its mode, which differ between versions. So no mode is evaluated here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use broker_private_files::PrivateError;
use zeroize::Zeroizing;

use super::{RootKey, RootKeyError};

/// What the credential is called unless the vault says otherwise.
pub const DEFAULT_NAME: &str = "tokend-root-key";

pub(super) fn read(directory: Option<&Path>, name: &str) -> Result<RootKey, RootKeyError> {
    let directory = directory.ok_or_else(|| RootKeyError::NoCredentials(name.to_owned()))?;
    let path = directory.join(name);
    let content = match fs::read(&path) {
        Ok(content) => Zeroizing::new(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RootKeyError::NoCredential {
                directory: directory.to_owned(),
                name: name.to_owned(),
            });
        }
        Err(error) => return Err(PrivateError::io(&path)(error).into()),
    };
    RootKey::read(&content, || format!("the systemd credential `{name}`"))
}

/// When systemd put the credential there, which is when the unit started: a start alone reads its file.
pub(super) fn loaded_at(directory: Option<&Path>, name: &str) -> Option<SystemTime> {
    fs::metadata(directory?.join(name)).ok()?.modified().ok()
}

/// The file that the credential is loaded from, where it was written since: the next start reads another key. Where
/// only root may look, the directory that it would be in, if anything in there was.
pub(super) fn changed_since(
    loaded: SystemTime,
    name: &str,
    stores: &[impl AsRef<Path>],
) -> Option<PathBuf> {
    let is_later = |meta: fs::Metadata| meta.modified().is_ok_and(|at| at > loaded);
    stores.iter().map(AsRef::as_ref).find_map(|store| {
        let file = store.join(name);
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let changed = fs::metadata(store).is_ok_and(is_later);
                changed.then(|| store.to_owned())
            }
            looked => looked.is_ok_and(is_later).then_some(file),
        }
    })
}

/// Where units load credentials from, unless they name a file: systemd.exec(5), `LoadCredential=`. Ours names one in
/// the first.
pub(super) const STORES: &[&str] = &[
    "/etc/credstore.encrypted",
    "/run/credstore.encrypted",
    "/etc/credstore",
    "/run/credstore",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_of_that_name_is_the_key() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join(DEFAULT_NAME), [7; 32]).unwrap();
        let key = read(Some(scratch.path()), DEFAULT_NAME).unwrap();
        assert_eq!(key.expose(), &[7; 32]);
    }

    #[test]
    fn a_file_that_was_written_after_the_credential_was_loaded_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        use std::time::Duration;

        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("credstore");
        let stores = [scratch.path().join("none"), store.clone()];
        let loaded = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        assert_eq!(changed_since(loaded, "x", &stores), None, "no file");
        fs::create_dir(&store).unwrap();
        let file = store.join("x");
        fs::write(&file, [7; 32]).unwrap();
        assert_eq!(changed_since(loaded, "x", &stores), Some(file.clone()));
        let written = |at| fs::File::open(&file).unwrap().set_modified(at).unwrap();
        written(loaded - Duration::from_secs(5));
        assert_eq!(changed_since(loaded, "x", &stores), None);
        // Root may look into every directory.
        fs::set_permissions(&store, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::metadata(&file).is_err() {
            assert_eq!(changed_since(loaded, "x", &stores), Some(store.clone()));
        }
        fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn without_one_the_error_says_what_the_unit_lacks() {
        let error = read(None, DEFAULT_NAME).err().unwrap().to_string();
        assert!(
            error.contains("LoadCredentialEncrypted=tokend-root-key"),
            "{error}"
        );
        let scratch = tempfile::tempdir().unwrap();
        let error = read(Some(scratch.path()), "x").err().unwrap().to_string();
        assert!(error.contains("LoadCredentialEncrypted=x"), "{error}");
        fs::write(scratch.path().join("x"), "short").unwrap();
        let error = read(Some(scratch.path()), "x").err().unwrap().to_string();
        assert!(
            error.contains("credential `x` holds no root key"),
            "{error}"
        );
    }
}
