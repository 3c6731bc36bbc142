//! A systemd credential: `$CREDENTIALS_DIRECTORY/NAME`, decrypted by the service manager for this
//! unit alone, often with the machine's TPM.
//!
//! The directory's own protection is systemd's business: it is read-only, and closed to others by a
//! mount or by its mode, which differ between versions. So no mode is evaluated here.

use std::fs;
use std::io;
use std::path::Path;

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
