//! Edits a live policy file, and undoes the edit if the broker rejects the result.
//!
//! Every byte that is not part of the edit stays as it was: comments, order, line endings. The file is
//! replaced whole: a new one is written beside it, made durable, then renamed. Mode and owner stay. A file
//! that no one may write is left alone, also by root: someone made it so.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::hex;
use broker_protocol::moving::PolicyChange;
use broker_protocol::names::SecretName;
use broker_protocol::whole_file::{self, NotAFile, WholeFile};
use sha2::{Digest as _, Sha256};
use toml_edit::{DocumentMut, TableLike, Value, value};

use crate::error::Failure;

/// A file that was edited.
pub(crate) struct AppliedEdit {
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Why a file was not edited.
pub(crate) enum NotEdited {
    /// This account may not, or the file cannot be edited here.
    NotHere(io::Error),
    /// It changed meanwhile, or the edit failed.
    Failed(Failure),
}

/// Has the file name another source for the secret.
pub(crate) fn change_source(
    secret: &SecretName,
    change: &PolicyChange,
) -> Result<AppliedEdit, NotEdited> {
    let named = Path::new(&change.file);
    let failed = |doing| move |error| NotEdited::Failed(Failure::file(doing, named)(error));
    // What a link leads to is changed, and the link stays.
    let path = fs::canonicalize(named).map_err(NotEdited::NotHere)?;
    let (before, meta) =
        read_to_write(&path).map_err(|error| match NotAFile::is_cause_of(&error) {
            true => failed("change")(error),
            false => NotEdited::NotHere(error),
        })?;
    if sha256(&before) != change.sha256 {
        return Err(NotEdited::Failed(Failure::with_hint(
            format!("{} was edited by someone else just now", change.file),
            "review the file, then run the same command again",
        )));
    }
    let text = str::from_utf8(&before).ok();
    let after = text.and_then(|text| {
        edit(text, |document| {
            set_source(declaration(document, secret)?, &change.source)
        })
    });
    let Some(after) = after else {
        let why = "it cannot be edited without changing other lines";
        return Err(NotEdited::NotHere(io::Error::other(why)));
    };
    let wanted = change.changed_sha256.as_deref();
    if wanted.is_some_and(|wanted| wanted != sha256(after.as_bytes())) {
        return Err(NotEdited::Failed(Failure::with_hint(
            format!("{} on disk is not what is in force", change.file),
            "review the file and run `tokenctl policy reload`, then the same command again",
        )));
    }
    let after = after.into_bytes();
    match replace(&path, &after, &meta) {
        Ok(()) => Ok(AppliedEdit {
            path,
            before,
            after,
        }),
        Err(error) if is_not_for_us(&error) => Err(NotEdited::NotHere(error)),
        Err(error) => Err(failed("write")(error)),
    }
}

/// Replaces a text that this command wrote and that was not changed since.
pub(crate) fn rewrite(path: &Path, before: &str, after: String) -> Result<AppliedEdit, Failure> {
    swap(path, before.as_bytes(), after.as_bytes()).map_err(Failure::file("write", path))?;
    Ok(AppliedEdit {
        path: path.to_owned(),
        before: before.as_bytes().to_vec(),
        after: after.into_bytes(),
    })
}

impl AppliedEdit {
    /// Restores the file, unless someone changed it meanwhile.
    pub(crate) fn undo(self) -> Result<(), Failure> {
        swap(&self.path, &self.after, &self.before).map_err(Failure::file("restore", &self.path))
    }
}

/// The text with this edit, and every other byte as it was. `None` if the edit cannot be made, or the text
/// cannot be kept: it is no TOML, or has two kinds of line endings.
pub(crate) fn edit(
    text: &str,
    change: impl FnOnce(&mut DocumentMut) -> Option<()>,
) -> Option<String> {
    const BOM: &str = "\u{feff}";
    let (bom, body) = match text.strip_prefix(BOM) {
        Some(body) => (BOM, body),
        None => ("", text),
    };
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let whole = |document: &DocumentMut| {
        let body = document.to_string();
        let ended = text.ends_with('\n');
        let body = if ended {
            &*body
        } else {
            body.trim_end_matches('\n')
        };
        format!("{bom}{}", body.replace('\n', newline))
    };
    let mut document: DocumentMut = body.replace("\r\n", "\n").parse().ok()?;
    if whole(&document) != text {
        return None;
    }
    change(&mut document)?;
    Some(whole(&document))
}

/// What the document says of a secret.
pub(crate) fn declaration<'d>(
    document: &'d mut DocumentMut,
    secret: &SecretName,
) -> Option<&'d mut dyn TableLike> {
    let secrets = document.get_mut("secret")?.as_table_like_mut()?;
    secrets.get_mut(secret.as_str())?.as_table_like_mut()
}

/// Sets the key, and keeps the comment behind its value.
fn set_source(declared: &mut dyn TableLike, source: &str) -> Option<()> {
    let Some(item) = declared.get_mut("source") else {
        declared.insert("source", value(source));
        return Some(());
    };
    let old = item.as_value_mut()?;
    let mut new = Value::from(source);
    *new.decor_mut() = old.decor().clone();
    *old = new;
    Some(())
}

fn swap(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let (now, meta) = read_to_write(path)?;
    if now != old {
        return Err(io::Error::other("someone else changed it meanwhile"));
    }
    replace(path, new, &meta)
}

fn sha256(text: &[u8]) -> String {
    hex::of(&Sha256::digest(text))
}

/// What a regular file holds that this account may write, and how it is kept.
fn read_to_write(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let mut file = whole_file::open(path, OpenOptions::new().read(true))?;
    let meta = file.metadata()?;
    if meta.mode() & 0o222 == 0 {
        let why = "the file is read-only";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    whole_file::open(path, OpenOptions::new().write(true))?;
    // A file in its place would be without it. Not every file system has such lists.
    if matches!(xattr::get(path, ACCESS_LIST), Ok(Some(_))) {
        let why = "the file has an access list, which would be lost";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((text, meta))
}

/// `acl(5)`.
const ACCESS_LIST: &str = "system.posix_acl_access";

fn is_not_for_us(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// Puts these bytes in the place of a file, whole or not at all.
fn replace(path: &Path, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    let mut file = WholeFile::beside(path, 0o600)?;
    file.keep_as(like)?;
    file.write_all(bytes)?;
    file.put()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TEXT: &str = "[secret.ci]\nsource = \"env:A\"  # \u{e9}\n\nkind = \"classic\"";

    fn ci() -> SecretName {
        "ci".parse().unwrap()
    }

    fn to_vault(path: &Path) -> PolicyChange {
        PolicyChange {
            file: path.display().to_string(),
            line: 1,
            source: "vault".to_owned(),
            sha256: sha256(TEXT.as_bytes()),
            changed_sha256: None,
        }
    }

    fn changed(text: &str, source: &str) -> Option<String> {
        edit(text, |document| {
            set_source(declaration(document, &ci())?, source)
        })
    }

    #[test]
    fn only_the_value_changes_whatever_the_file_looks_like() {
        for text in [
            "# \u{e9} old\n[secret.ci]\nkind = \"classic\"\n  source   = \"OLD\" # why\n\n[secret.other]\nsource = \"env:A\"",
            "[secret.ci]\r\nsource = \"OLD\"\t# why\r\n\r\n# end\r\n",
            "\u{feff}[secret.ci]\nsource = \"OLD\"",
            "\u{feff}\r\n[secret.ci]\r\nsource = \"OLD\"",
            "secret.ci = { kind = \"classic\", source = \"OLD\" }",
            "secret = { ci = {source=\"OLD\"}, other = { } } # x\n\n\n",
            "[secret]\nci.kind = \"classic\"\nci.source = \"OLD\" # x\nother.kind = \"app\"\n",
            "secret.ci.source = \"OLD\"",
            "[\"secret\" . 'ci']\n\"source\"=\"OLD\"\n[x]\n",
            "[secret.b]\nsource = \"env:A\"\n[secret.ci]\nsource = \"OLD\"\n[secret.a]\n",
        ] {
            let before = text.replace("OLD", "env:A");
            let wanted = text.replace("OLD", "op://v/i/f");
            assert_eq!(changed(&before, "op://v/i/f"), Some(wanted), "{text}");
        }
        let literal = "[secret.ci]\nsource = 'env:A' # why\n";
        let wanted = literal.replace("'env:A'", "\"vault\"");
        assert_eq!(changed(literal, "vault"), Some(wanted));
        let long = "[secret.ci]\nsource = \"\"\"\nenv:A\"\"\" # why\n";
        let wanted = "[secret.ci]\nsource = \"vault\" # why\n";
        assert_eq!(changed(long, "vault").as_deref(), Some(wanted));
    }

    #[test]
    fn a_key_that_is_not_there_is_added_to_its_own_table() {
        for (text, wanted) in [
            (
                "[secret.ci] # ours\nkind = \"classic\" # why\n\n# next\n[secret.other]\n",
                "[secret.ci] # ours\nkind = \"classic\" # why\nsource = \"env:A\"\n\n# next\n[secret.other]\n",
            ),
            (
                "[secret.ci]\r\nkind = \"classic\"",
                "[secret.ci]\r\nkind = \"classic\"\r\nsource = \"env:A\"",
            ),
            (
                "[secret]\nci = {kind = \"classic\"}",
                "[secret]\nci = {kind = \"classic\", source = \"env:A\" }",
            ),
            (
                "[secret]\nci.kind = \"classic\"\n[x]\n",
                "[secret]\nci.kind = \"classic\"\nci.source = \"env:A\"\n[x]\n",
            ),
        ] {
            assert_eq!(changed(text, "env:A").as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_cannot_be_edited_without_touching_the_rest_is_left_to_the_operator() {
        for text in [
            "[secret.ci]\r\nsource = \"env:A\"\n",
            "[secret.other]\n",
            "[secret.ci\n",
            "secret = 1\n",
            "[secret.ci.source]\n",
            "",
        ] {
            assert_eq!(changed(text, "vault"), None, "{text:?}");
        }
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.toml");
        fs::write(&path, TEXT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        (dir, path)
    }

    #[test]
    fn one_value_is_changed_and_everything_else_stays_and_it_can_be_undone() {
        let (dir, path) = scratch();
        let Ok(done) = change_source(&ci(), &to_vault(&path)) else {
            panic!("not changed");
        };
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, TEXT.replace("env:A", "vault"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        done.undo().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing beside"
        );
    }

    #[test]
    fn a_link_stays_a_link() {
        let (dir, path) = scratch();
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(change_source(&ci(), &to_vault(&link)).is_ok());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("vault"));
    }

    #[test]
    fn what_is_no_file_by_the_time_it_is_changed_is_neither_opened_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ci.toml");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let Err(NotEdited::Failed(failure)) = change_source(&ci(), &to_vault(&path)) else {
            panic!("a FIFO was taken for a policy");
        };
        assert!(failure.to_string().contains("it is a FIFO"), "{failure}");
        assert!(!fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_file_that_was_edited_since_is_left_alone() {
        let (_dir, path) = scratch();
        for text in ["", "\n\n", "[secret.ci]\r\nsource = \"env:B\"\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(
                change_source(&ci(), &to_vault(&path)),
                Err(NotEdited::Failed(_))
            ));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_change_that_does_not_lead_to_what_is_in_force_is_not_made() {
        let (_dir, path) = scratch();
        let (mut change, after) = (to_vault(&path), TEXT.replace("env:A", "vault"));
        change.changed_sha256 = Some(sha256(b"in force"));
        let refused = change_source(&ci(), &change);
        assert!(matches!(refused, Err(NotEdited::Failed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
        change.changed_sha256 = Some(sha256(after.as_bytes()));
        assert!(change_source(&ci(), &change).is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }

    #[test]
    fn a_file_that_is_read_only_or_missing_is_not_edited_here() {
        let (dir, path) = scratch();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let missing = dir.path().join("missing.toml");
        for path in [&path, &missing] {
            assert!(matches!(
                change_source(&ci(), &to_vault(path)),
                Err(NotEdited::NotHere(_))
            ));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_undone() {
        let (_dir, path) = scratch();
        let Ok(done) = change_source(&ci(), &to_vault(&path)) else {
            panic!("not changed");
        };
        fs::write(&path, "# theirs").unwrap();
        assert!(done.undo().is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "# theirs");
    }
}
