//! Whether no other account can replace what is in a directory.
//!
//! The mode of a file is no protection where another account owns its directory, or one above it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::account;

/// The directory by its own name, without links, if it is fit for a file of this account's alone.
pub(super) fn check(dir: &Path) -> io::Result<PathBuf> {
    let dir = fs::canonicalize(dir)?;
    let owners = Owners::of_this_process();
    for above in dir.ancestors() {
        let metadata = fs::metadata(above)?;
        owners.refuse_others(&metadata).map_err(|why| {
            if above == dir {
                io::Error::other(why)
            } else {
                io::Error::other(format!("{} is above it: {why}", above.display()))
            }
        })?;
    }
    Ok(dir)
}

/// The accounts that may own it.
struct Owners(Vec<u32>);

impl Owners {
    /// Root, and the account of this process.
    ///
    /// In a user namespace that has no number for the machine's root, the kernel shows what belongs to root
    /// as another account's (user_namespaces(7)). `/proc/sys` is always root's, so it tells which.
    fn of_this_process() -> Self {
        let root = fs::metadata("/proc/sys").map(|metadata| metadata.uid());
        let owners = [0, geteuid().as_raw()].into_iter().chain(root);
        Self(owners.collect())
    }

    fn refuse_others(&self, dir: &Metadata) -> Result<(), String> {
        if !self.0.contains(&dir.uid()) {
            return Err(format!("it belongs to {}", account::name(dir.uid())));
        }
        // In a sticky directory only its owner and the file's can rename or remove a file: `/tmp`.
        if dir.mode() & OTHERS_WRITE != 0 && dir.mode() & STICKY == 0 {
            return Err("other accounts can write to it".to_owned());
        }
        Ok(())
    }
}

const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn mode(dir: &Path, mode: u32) {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_to_is_refused_here_and_above() {
        let dir = tempfile::tempdir().unwrap();
        let inner = fs::canonicalize(dir.path()).unwrap().join("inner");
        fs::create_dir(&inner).unwrap();
        for (good, bits) in [
            (true, 0o700),
            (true, 0o755),
            (true, 0o1777),
            (false, 0o720),
            (false, 0o702),
            (false, 0o777),
        ] {
            mode(&inner, bits);
            assert_eq!(check(&inner).is_ok(), good, "{bits:o}");
            mode(&inner, 0o700);
            mode(dir.path(), bits);
            let above = check(&inner);
            assert_eq!(above.is_ok(), good, "{bits:o}");
            if let Err(error) = above {
                let text = error.to_string();
                assert!(text.contains("is above it: other accounts"), "{text}");
            }
            mode(dir.path(), 0o700);
        }
    }

    #[test]
    fn a_link_counts_as_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        mode(&open, 0o700);
        symlink(&open, dir.path().join("link")).unwrap();
        assert_eq!(
            check(&dir.path().join("link")).unwrap(),
            fs::canonicalize(&open).unwrap()
        );
        mode(&open, 0o777);
        assert!(check(&dir.path().join("link")).is_err());
        assert!(check(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn another_accounts_directory_is_refused_although_root_can_write_there() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for bits in [0o700, 0o755, 0o1777] {
            mode(dir.path(), bits);
            chown(dir.path(), Some(4711), None).unwrap();
            let error = check(dir.path()).unwrap_err();
            assert_eq!(error.to_string(), "it belongs to uid 4711");
            chown(dir.path(), Some(0), None).unwrap();
            assert!(check(dir.path()).is_ok());
        }
    }
}
