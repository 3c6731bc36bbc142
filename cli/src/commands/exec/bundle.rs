//! The file with the certificates: private, under a new name, and removed with the command.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::mkstemp;

use super::private_dir;
use crate::error::Failure;

/// A file that is removed when this is dropped, unless someone else does that.
pub(super) struct Bundle {
    path: Option<PathBuf>,
}

impl Bundle {
    /// Writes it: 0600, never over anything that is there, and where no other account can replace it. Who
    /// replaces it says whom the command's clients trust.
    pub(super) fn write(text: &[u8]) -> Result<Self, Failure> {
        Self::write_below(&directories(&|name| env::var_os(name)), text)
    }

    fn write_below(directories: &[PathBuf], text: &[u8]) -> Result<Self, Failure> {
        let mut failed = Vec::new();
        for dir in directories {
            match private_dir::check(dir).and_then(|dir| Self::write_into(&dir, text)) {
                Ok(bundle) => return Ok(bundle),
                Err(error) => failed.push((dir, error)),
            }
        }
        let why = failed
            .iter()
            .map(|(dir, error)| format!("{}: {error}", dir.display()));
        let why = why.collect::<Vec<_>>().join("; ");
        Err(Failure::with_hint(
            format!("cannot write the certificates for the command: {why}"),
            hint(failed.iter().map(|(_, error)| error)),
        ))
    }

    fn write_into(dir: &Path, text: &[u8]) -> io::Result<Self> {
        let (file, path) = mkstemp(&dir.join("tokenctl-ca-XXXXXX"))?;
        let bundle = Self { path: Some(path) };
        File::from(file).write_all(text)?;
        Ok(bundle)
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

/// What helps: against what no other directory helps with, if it is that.
fn hint<'a>(errors: impl Iterator<Item = &'a io::Error> + Clone) -> &'static str {
    let failed_with = |wanted: &[Errno]| {
        let mut numbers = errors.clone().filter_map(io::Error::raw_os_error);
        numbers.any(|number| wanted.contains(&Errno::from_raw(number)))
    };
    if failed_with(&[Errno::EMFILE, Errno::ENFILE]) {
        "too many files are open: raise the limit (`ulimit -n`), or close some"
    } else if failed_with(&[Errno::ENOSPC, Errno::EDQUOT]) {
        "make room there, or set XDG_RUNTIME_DIR or TMPDIR to a directory on another file system"
    } else {
        "set XDG_RUNTIME_DIR or TMPDIR to a directory that this account alone can write to, also for the \
         directories above it: `chmod go-w`"
    }
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

    #[test]
    fn a_directory_that_another_account_can_write_to_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (open, private) = (dir.path().join("open"), dir.path().join("private"));
        for (dir, mode) in [(&open, 0o777), (&private, 0o700)] {
            fs::create_dir(dir).unwrap();
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
        let below = [open.clone(), private.clone()];
        let bundle = Bundle::write_below(&below, b"text").ok().unwrap();
        assert!(bundle.path().starts_with(&private));
        let missing = dir.path().join("missing");
        let failure = Bundle::write_below(&[open.clone(), missing.clone()], b"text");
        let failure = failure.err().unwrap();
        let text = failure.to_string();
        let why = format!("{}: other accounts can write to it", open.display());
        assert!(text.contains(&why), "{text}");
        let why = format!("; {}: No such file or directory", missing.display());
        assert!(text.contains(&why), "{text}");
        assert!(failure.hint().unwrap().contains("set XDG_RUNTIME_DIR"));
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    }

    #[test]
    fn the_hint_is_for_what_failed() {
        let of = |errnos: &[i32]| {
            let errors: Vec<_> = errnos
                .iter()
                .copied()
                .map(io::Error::from_raw_os_error)
                .collect();
            hint(errors.iter())
        };
        assert!(of(&[2, 24]).contains("`ulimit -n`"));
        assert!(of(&[23]).contains("`ulimit -n`"));
        assert!(of(&[28, 13]).contains("make room there"));
        assert!(of(&[122]).contains("make room there"));
        assert!(of(&[13, 2]).contains("this account alone"));
        assert!(hint([io::Error::other("x")].iter()).contains("this account alone"));
    }
}
