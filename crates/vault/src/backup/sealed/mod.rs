//! The file itself: a header that tells how the key is made, and the content in sealed chunks.
//!
//! ```text
//! byte  0      `tokend backup` and a newline
//!       14     format, 2 or 1        u16; all numbers big endian
//!       16     salt                  16 bytes
//!       32     memory in KiB, passes two u32, of Argon2id with one lane
//!       40     length of the content u64
//!       48     key check             HMAC-SHA256 over bytes 0 to 48
//!       80     checksum              SHA-256 over bytes 0 to 80
//!       112    chunks                each at most 64 KiB of content, and a tag of 16 bytes
//! ```
//!
//! The chunks are a STREAM: AES-256-GCM, the nonce counts them and marks the last, and the whole header
//! is associated data. So no chunk can be changed, left out, added or moved, nor the file cut or
//! continued. The key check tells a wrong passphrase from a damaged file, and binds the file to one key,
//! which GCM by itself does not. Every file has a salt of its own, so no key ever meets a nonce twice.
//!
//! Pure but for the random salt. docs/backup-format.md describes the same for other readers. Not here:
//! what the content is.

use broker_secret_memory::cipher::{Cipher, NONCE, TAG};
use broker_secret_memory::locked_memory::LockedKey;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::BackupError;
use crate::envelope;
use crate::keys::Tag;
use crate::root_key::{COSTS, Passphrase, RootKeyError};

/// Seals the content of a backup under a passphrase.
pub(super) fn seal(by: &Passphrase, content: &[u8]) -> Result<Vec<u8>, BackupError> {
    let mut salt = [0; 16];
    envelope::random(&mut salt).map_err(RootKeyError::from)?;
    seal_as(FORMAT, by, content, &salt, COSTS)
}

fn seal_as(
    format: u16,
    by: &Passphrase,
    content: &[u8],
    salt: &[u8; 16],
    (memory_kib, passes): (u32, u32),
) -> Result<Vec<u8>, BackupError> {
    let length = content.len() as u64;
    let keys = Keys::derive(by, salt, memory_kib, passes)?;
    let mut out = Vec::with_capacity(usize::try_from(size(length)).unwrap_or_default());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&format.to_be_bytes());
    out.extend_from_slice(salt);
    out.extend_from_slice(&memory_kib.to_be_bytes());
    out.extend_from_slice(&passes.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&keys.check(&out).bytes());
    let checksum = Sha256::digest(&out);
    out.extend_from_slice(&checksum);
    let header = out.clone();
    let cipher = keys.cipher();
    let last = chunks(length) - 1;
    let mut rest = content;
    for number in 0..=last {
        let (clear, after) = rest.split_at(rest.len().min(CHUNK));
        rest = after;
        let at = out.len();
        // Within the capacity, so that nothing in the clear is left behind.
        out.extend_from_slice(clear);
        let sealed = out.get_mut(at..).unwrap_or_default();
        let tag = cipher.seal(nonce(number, number == last), &header, sealed);
        out.extend_from_slice(&tag);
    }
    Ok(out)
}

/// A content that was opened.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// In which format it was written.
    pub(super) format: u16,
}

/// Opens a backup, or says in which way it is none.
pub(super) fn open(by: &Passphrase, file: &[u8]) -> Result<Content, BackupError> {
    let header = Header::read(file)?;
    let is_wrong = |error: &BackupError| matches!(error, BackupError::WrongPassphrase);
    let keys = by.open_with(is_wrong, |reading| header.keys(reading))?;
    let cipher = keys.cipher();
    let last = chunks(header.length) - 1;
    let mut sealed = file.get(HEADER..).unwrap_or_default();
    // All of it at once: a buffer that grows leaves its old bytes behind.
    let mut content = Zeroizing::new(Vec::with_capacity(sealed.len()));
    for number in 0..=last {
        let altered = || BackupError::Altered {
            at: (file.len() - sealed.len()) as u64,
        };
        let (chunk, after) = sealed.split_at(sealed.len().min(CHUNK + TAG));
        let (text, tag) = chunk.split_last_chunk::<TAG>().ok_or_else(altered)?;
        let at = content.len();
        content.extend_from_slice(text);
        let room = content.get_mut(at..).unwrap_or_default();
        cipher
            .open(nonce(number, number == last), header.whole, room, *tag)
            .map_err(|_cause| altered())?;
        sealed = after;
    }
    Ok(Content {
        bytes: content,
        format: header.format,
    })
}

/// The header of a file that has the length it should have.
struct Header<'a> {
    format: u16,
    salt: [u8; 16],
    memory_kib: u32,
    passes: u32,
    length: u64,
    /// What the key check covers.
    checked: &'a [u8],
    key_check: [u8; 32],
    /// Associated data of every chunk.
    whole: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(file: &'a [u8]) -> Result<Self, BackupError> {
        let cut = |wanted: u64| BackupError::Truncated {
            found: file.len() as u64,
            wanted,
        };
        let magic = file.get(..MAGIC.len()).unwrap_or(file);
        if magic.is_empty() || !MAGIC.starts_with(magic) {
            return Err(BackupError::NotABackup);
        }
        let mut fields = Fields(file.get(MAGIC.len()..).unwrap_or_default());
        let short = || cut(HEADER as u64);
        let format = u16::from_be_bytes(fields.take().ok_or_else(short)?);
        if format > FORMAT {
            return Err(BackupError::Newer {
                found: format,
                known: FORMAT,
            });
        }
        let whole = file.get(..HEADER).ok_or_else(short)?;
        let (summed, checksum) = whole.split_at(SUMMED);
        if format < OLDEST || *checksum != *Sha256::digest(summed) {
            return Err(BackupError::Altered { at: 0 });
        }
        let header = Self {
            format,
            salt: fields.take().ok_or_else(short)?,
            memory_kib: u32::from_be_bytes(fields.take().ok_or_else(short)?),
            passes: u32::from_be_bytes(fields.take().ok_or_else(short)?),
            length: u64::from_be_bytes(fields.take().ok_or_else(short)?),
            checked: whole.get(..CHECKED).unwrap_or_default(),
            key_check: fields.take().ok_or_else(short)?,
            whole,
        };
        let (found, wanted) = (file.len() as u64, size(header.length));
        if found < wanted {
            return Err(cut(wanted));
        }
        if found > wanted {
            return Err(BackupError::Longer { found, wanted });
        }
        Ok(header)
    }
}

impl Header<'_> {
    /// What the passphrase becomes, if it is this file's.
    fn keys(&self, by: &Passphrase) -> Result<Keys, BackupError> {
        let keys = Keys::derive(by, &self.salt, self.memory_kib, self.passes)?;
        match keys.check(self.checked).is(&self.key_check) {
            true => Ok(keys),
            false => Err(BackupError::WrongPassphrase),
        }
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

/// What the passphrase becomes.
struct Keys(LockedKey);

impl Keys {
    fn derive(
        by: &Passphrase,
        salt: &[u8; 16],
        memory_kib: u32,
        passes: u32,
    ) -> Result<Self, BackupError> {
        let derived = by.derive(salt, memory_kib, passes);
        derived.map(Self).map_err(|error| match error {
            RootKeyError::Costs { .. } => BackupError::Altered { at: 32 },
            other => BackupError::Key(other),
        })
    }

    fn check(&self, checked: &[u8]) -> Tag {
        let mut mac = Tag::under(self.0.expose(), "tokend backup check v1");
        mac.update(checked);
        mac
    }

    fn cipher(&self) -> Cipher {
        let key = Tag::under(self.0.expose(), "tokend backup content v1");
        Cipher::new(&Zeroizing::new(key.bytes()))
    }
}

/// Eleven bytes that count the chunks from 0, and one that is 1 for the last.
fn nonce(number: u64, last: bool) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    let (count, mark) = nonce.split_at_mut(11);
    if let Some(low) = count.last_chunk_mut::<8>() {
        *low = number.to_be_bytes();
    }
    mark.fill(u8::from(last));
    nonce
}

/// How many chunks a content of this length takes: one at least.
fn chunks(length: u64) -> u64 {
    length.div_ceil(CHUNK as u64).max(1)
}

/// The whole file's size.
fn size(length: u64) -> u64 {
    length
        .saturating_add(chunks(length).saturating_mul(TAG as u64))
        .saturating_add(HEADER as u64)
}

const MAGIC: &[u8; 14] = b"tokend backup\n";
/// What is written. The file is made as in format 1; the content may have further parts.
const FORMAT: u16 = 2;
/// The oldest that is read.
const OLDEST: u16 = 1;
const CHECKED: usize = 48;
const SUMMED: usize = CHECKED + 32;
const HEADER: usize = SUMMED + 32;
const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests;
