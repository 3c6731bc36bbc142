//! Edits a live policy file, and undoes the edit if the broker rejects the result.
//!
//! Every byte that is not part of the edit stays as it was: comments, order, line endings. The file is
//! replaced whole: a new one is written beside it, made durable, then renamed. Mode and owner stay. A file
//! that no one may write is left alone, also by root: someone made it so.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::api::Reloaded;
use broker_protocol::client::Response;
use broker_protocol::hex;
use broker_protocol::moving::PolicyChange;
use broker_protocol::names::SecretName;
use broker_protocol::whole_file::{self, NotAFile, WholeFile};
use sha2::{Digest as _, Sha256};
use toml_edit::{DocumentMut, TableLike, Value, value};

use crate::broker::Broker;
use crate::error::Failure;
use crate::policy_file::not_read;

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

/// Adds lines at the end of a file that was read as `before`.
pub(crate) fn append(named: &Path, before: &str, lines: &str) -> Result<AppliedEdit, NotEdited> {
    let path = fs::canonicalize(named).map_err(NotEdited::NotHere)?;
    let after = appended(before, lines);
    match swap(&path, before.as_bytes(), after.as_bytes()) {
        Ok(()) => Ok(AppliedEdit {
            path,
            before: before.as_bytes().to_vec(),
            after: after.into_bytes(),
        }),
        Err(error) if is_not_for_us(&error) => Err(NotEdited::NotHere(error)),
        Err(error) => Err(NotEdited::Failed(Failure::file("write", named)(error))),
    }
}

/// The text with these lines after it, an empty line between them, and the text's own line ends.
fn appended(text: &str, lines: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let end = if text.ends_with('\n') { "" } else { newline };
    let lines = lines.replace('\n', newline);
    format!("{text}{end}{newline}{lines}")
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
    /// Has the broker load the file as it is now, or undoes the edit. It is a file that the broker reads.
    pub(crate) fn load(self, broker: &Broker) -> Result<(), Failure> {
        match broker.reload() {
            Ok(_) => Ok(()),
            Err(refused) => Err(self.taken_back(broker, refused)),
        }
    }

    /// The same, after the broker was asked to load it; it may not read that file (it belongs to another
    /// configuration).
    pub(crate) fn keep_if_loaded(
        self,
        broker: &Broker,
        answer: Result<Response, Failure>,
    ) -> Result<Reloaded, Failure> {
        let loaded = answer.and_then(|answer| {
            let loaded: Reloaded = answer.json()?;
            require_read(&loaded, &self.path, &self.after)?;
            Ok(loaded)
        });
        loaded.map_err(|refused| self.taken_back(broker, refused))
    }

    /// Undoes it, and lets the broker see that. Returns why, or why it could not be undone.
    fn taken_back(self, broker: &Broker, refused: Failure) -> Failure {
        if let Err(failure) = self.undo() {
            return failure;
        }
        broker.reload_without_it();
        refused
    }

    /// Restores the file, unless someone changed it meanwhile.
    pub(crate) fn undo(self) -> Result<(), Failure> {
        swap(&self.path, &self.after, &self.before).map_err(Failure::file("restore", &self.path))
    }
}

/// Fails unless a broker that loaded its policies read this text.
pub(crate) fn require_read(loaded: &Reloaded, path: &Path, text: &[u8]) -> Result<(), Failure> {
    let own = sha256(text);
    if loaded.files.values().any(|read| *read == own) {
        return Ok(());
    }
    Err(not_read(path))
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

/// Its mode lets no account write it.
#[derive(Debug, thiserror::Error)]
#[error("the file is read-only")]
pub(crate) struct ReadOnly;

impl ReadOnly {
    /// Whether that is why a file was not edited.
    pub(crate) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

/// What a regular file holds that this account may write, and how it is kept.
fn read_to_write(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let mut file = whole_file::open(path, OpenOptions::new().read(true))?;
    let meta = file.metadata()?;
    if meta.mode() & 0o222 == 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, ReadOnly));
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
mod tests;
