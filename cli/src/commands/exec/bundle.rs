//! The file with the certificates: private, under a new name, and removed with the command.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use nix::unistd::mkstemp;

use crate::error::Failure;

/// A file that is removed when this is dropped, unless someone else does that.
pub(super) struct Bundle {
    path: Option<PathBuf>,
}

impl Bundle {
    /// Writes it: 0600, and never over anything that is there.
    pub(super) fn write(text: &[u8]) -> Result<Self, Failure> {
        let mut tried = None;
        for dir in directories(&|name| env::var_os(name)) {
            match mkstemp(&dir.join("tokenctl-ca-XXXXXX")) {
                Ok((file, path)) => {
                    let bundle = Self {
                        path: Some(path.clone()),
                    };
                    let mut file = File::from(file);
                    file.write_all(text)
                        .map_err(Failure::file("write", &path))?;
                    return Ok(bundle);
                }
                Err(errno) => tried = Some((dir, errno)),
            }
        }
        let (dir, errno) =
            tried.unwrap_or_else(|| (PathBuf::from(LAST), nix::errno::Errno::ENOENT));
        Err(Failure::with_hint(
            format!(
                "cannot write the certificates for the command into {}: {errno}",
                dir.display()
            ),
            "set XDG_RUNTIME_DIR or TMPDIR to a directory that this account can write to",
        ))
    }

    /// Leaves it to the relay to remove the file.
    pub(super) fn into_path(mut self) -> PathBuf {
        self.path.take().unwrap_or_default()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone().unwrap_or_default()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

/// Where it may go. The first may be another account's, after `su`.
fn directories(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(env);
    let named = named.map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.chain([PathBuf::from(LAST)]).collect()
}

const LAST: &str = "/tmp";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_private_and_gone_unless_it_is_handed_over() {
        let bundle = Bundle::write(b"text").unwrap();
        let path = bundle.path();
        assert_eq!(fs::read(&path).unwrap(), b"text");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        drop(bundle);
        assert!(!path.exists());
        let path = Bundle::write(b"text").unwrap().into_path();
        assert!(path.exists());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_runtime_directory_comes_first_and_relative_ones_do_not_count() {
        let of = |xdg: &str, tmp: &str| {
            directories(&|name| match name {
                "XDG_RUNTIME_DIR" => Some(xdg.into()),
                _ => Some(tmp.into()),
            })
        };
        assert_eq!(
            of("/run/user/1", "/var/tmp"),
            ["/run/user/1", "/var/tmp", "/tmp"].map(PathBuf::from)
        );
        assert_eq!(of("", "here"), [PathBuf::from("/tmp")]);
        assert_eq!(directories(&|_| None), [PathBuf::from("/tmp")]);
    }
}
