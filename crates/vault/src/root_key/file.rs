//! The key file: 64 hexadecimal digits and a newline, for this account alone.
//!
//! Whoever can read the file and the vault can read the secrets; keep backups of the two apart.

use std::fs;
use std::path::Path;

use broker_private_files::{self as private, PrivateError};
use zeroize::Zeroizing;

use super::{RootKey, RootKeyError};

pub(super) fn read(path: &Path) -> Result<RootKey, RootKeyError> {
    private::check_file(path).map_err(|error| match error.is_not_found() {
        true => RootKeyError::NoFile(path.to_owned()),
        false => error.into(),
    })?;
    let content = Zeroizing::new(fs::read(path).map_err(PrivateError::io(path))?);
    RootKey::read(&content, || path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::root_key::make_file;

    #[test]
    fn a_key_file_is_made_once_and_read_ever_after() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("root.key");
        let (made, new) = make_file(&path).unwrap();
        assert!(new);
        let (read, new) = make_file(&path).unwrap();
        assert!(!new);
        assert_eq!(made.expose(), read.expose());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_missing_open_or_damaged_key_file_is_refused_with_what_to_do() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("root.key");
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains("put it back from a backup"), "{error}");
        make_file(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains("run: chmod 0600 "), "{error}");
        // Also `make_file` must not take this for a reason to make another.
        assert!(make_file(&path).is_err());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not a key\n").unwrap();
        let error = make_file(&path).err().unwrap().to_string();
        assert!(error.contains("holds no root key"), "{error}");
        assert!(!error.contains("not a key\n"), "{error}");
    }
}
