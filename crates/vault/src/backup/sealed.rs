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
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::BackupError;
use crate::envelope;
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
    let check = keys.check(&out);
    out.extend_from_slice(&check.finalize().into_bytes());
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
        let check = keys.check(self.checked);
        match check.verify_slice(&self.key_check) {
            Ok(()) => Ok(keys),
            Err(_differs) => Err(BackupError::WrongPassphrase),
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

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, domain: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.0.expose()).expect("a key of 32 bytes");
        mac.update(domain.as_bytes());
        mac
    }

    fn check(&self, checked: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac("tokend backup check v1");
        mac.update(checked);
        mac
    }

    fn cipher(&self) -> Cipher {
        let mut key = self.mac("tokend backup content v1").finalize().into_bytes();
        let cipher = Cipher::new(&key.into());
        zeroize::Zeroize::zeroize(&mut *key);
        cipher
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
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        sealed_with("correct horse battery", content, 7)
    }

    /// As cheap as Argon2 lets it be.
    fn sealed_with(by: &str, content: &[u8], salt: u8) -> Vec<u8> {
        seal_as(FORMAT, &passphrase(by), content, &[salt; 16], (8, 1)).unwrap()
    }

    fn opened(file: &[u8]) -> Result<Vec<u8>, BackupError> {
        open(&passphrase("correct horse battery"), file).map(|content| content.bytes.to_vec())
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }

    #[test]
    fn a_content_of_any_length_comes_back() {
        for length in [0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let file = sealed(&text(length));
            assert_eq!(file.len() as u64, size(length as u64));
            assert_eq!(opened(&file).unwrap(), text(length), "{length}");
        }
    }

    #[test]
    fn with_todays_costs_it_opens_too_and_never_looks_the_same_twice() {
        let by = passphrase("correct horse battery");
        let one = seal(&by, b"x").unwrap();
        let two = seal(&by, b"x").unwrap();
        assert!(one[16..32] != two[16..32] && one[HEADER..] != two[HEADER..]);
        assert_eq!(*open(&by, &one).unwrap().bytes, b"x");
    }

    #[test]
    fn a_passphrase_that_was_read_opens_it_by_the_rule_and_else_as_it_was_read() {
        for (set, read) in [
            ("correct horse battery", "\u{feff}correct horse battery\r\n"),
            ("correct horse battery\r", "correct horse battery\r\n"),
        ] {
            let file = sealed_with(set, b"x", 7);
            assert_eq!(
                *open(&passphrase(read), &file).unwrap().bytes,
                b"x",
                "{set:?}"
            );
        }
        let file = sealed_with("correct horse\r", b"x", 7);
        let wrong = open(&passphrase("correct horse\n"), &file);
        assert!(matches!(wrong, Err(BackupError::WrongPassphrase)));
    }

    #[test]
    fn no_byte_can_be_changed() {
        let file = sealed(&text(300));
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn no_byte_can_be_cut_and_none_added() {
        let file = sealed(&text(300));
        for length in 0..file.len() {
            let error = opened(&file[..length]).unwrap_err();
            let told = if length == 0 {
                matches!(error, BackupError::NotABackup)
            } else {
                matches!(error, BackupError::Truncated { .. })
            };
            assert!(told, "{length}: {error}");
        }
        for more in [1, 16, 1000] {
            let mut longer = file.clone();
            longer.resize(file.len() + more, 0);
            let error = opened(&longer).unwrap_err();
            assert!(matches!(error, BackupError::Longer { .. }), "{error}");
        }
    }

    #[test]
    fn no_chunk_can_take_another_ones_place() {
        let file = sealed(&text(4 * CHUNK));
        let chunk = |n: usize| HEADER + n * (CHUNK + TAG)..HEADER + (n + 1) * (CHUNK + TAG);
        for (one, two) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
            let mut swapped = file.clone();
            swapped[chunk(one)].copy_from_slice(&file[chunk(two)]);
            swapped[chunk(two)].copy_from_slice(&file[chunk(one)]);
            let error = opened(&swapped).unwrap_err();
            let at = chunk(one).start as u64;
            assert!(
                matches!(error, BackupError::Altered { at: found } if found == at),
                "{error}"
            );
        }
        // Nor one of another file under the same passphrase.
        let other = sealed_with("correct horse battery", &text(4 * CHUNK), 8);
        let mut mixed = file;
        mixed[chunk(1)].copy_from_slice(&other[chunk(1)]);
        assert!(matches!(opened(&mixed), Err(BackupError::Altered { .. })));
    }

    /// A header that someone made up to fit a shorter file: the last mark finds it.
    #[test]
    fn a_file_cut_between_chunks_is_found_although_its_length_was_mended() {
        let file = sealed(&text(2 * CHUNK));
        let keys = Keys::derive(&passphrase("correct horse battery"), &[7; 16], 8, 1).unwrap();
        let mut cut = file[..HEADER + CHUNK + TAG].to_vec();
        cut[40..48].copy_from_slice(&(CHUNK as u64).to_be_bytes());
        let check = keys.check(&cut[..CHECKED]).finalize().into_bytes();
        cut[CHECKED..SUMMED].copy_from_slice(&check);
        let checksum = Sha256::digest(&cut[..SUMMED]);
        cut[SUMMED..HEADER].copy_from_slice(&checksum);
        assert!(matches!(
            opened(&cut),
            Err(BackupError::Altered { at: 112 })
        ));
    }

    #[test]
    fn each_fault_has_its_own_words() {
        let file = sealed(b"some content");
        let wrong = open(&passphrase("correct horse batterY"), &file);
        assert!(matches!(wrong, Err(BackupError::WrongPassphrase)));
        assert!(matches!(
            opened(b"SQLite format 3\0"),
            Err(BackupError::NotABackup)
        ));
        let mut newer = file.clone();
        newer[15] = 3;
        // Also if its header is of another length.
        for newer in [&newer[..], &newer[..20]] {
            let error = opened(newer).unwrap_err();
            assert!(
                matches!(error, BackupError::Newer { found: 3, known: 2 }),
                "{error}"
            );
        }
        let mut older = file;
        older[15] = 0;
        assert!(matches!(opened(&older), Err(BackupError::Altered { .. })));
    }

    #[test]
    fn costs_that_nobody_asked_for_are_refused_before_any_memory_is() {
        let mut file = sealed(b"x");
        file[32..36].copy_from_slice(&u32::MAX.to_be_bytes());
        let checksum = Sha256::digest(&file[..SUMMED]);
        file[SUMMED..HEADER].copy_from_slice(&checksum);
        assert!(matches!(
            opened(&file),
            Err(BackupError::Altered { at: 32 })
        ));
    }

    /// A file, byte for byte, computed by another implementation (the comment in it says which). If
    /// this fails, no backup in the field would open: give the new form a new format number and a new
    /// vector, and keep this one.
    #[test]
    fn each_format_matches_its_published_vector() {
        for (format, vector) in [
            (1, include_str!("../../../../tests/vectors/backup-v1.txt")),
            (2, include_str!("../../../../tests/vectors/backup-v2.txt")),
        ] {
            matches_the_vector(format, vector);
        }
    }

    fn matches_the_vector(format: u16, vector: &str) {
        let field = |name: &str| {
            let lines = vector.lines().filter(|line| !line.starts_with('#'));
            let mut fields = lines.filter_map(|line| line.split_once('='));
            fields.find(|(field, _)| *field == name).unwrap().1
        };
        let bytes = |name: &str| -> Vec<u8> {
            let digits = field(name).as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.map(byte).collect()
        };
        let number = |name: &str| field(name).parse::<u32>().unwrap();
        let by = passphrase(field("passphrase"));
        let file = seal_as(
            format,
            &by,
            field("content").as_bytes(),
            &bytes("salt").try_into().unwrap(),
            (number("memory_kib"), number("passes")),
        );
        assert_eq!(file.unwrap(), bytes("file"));
        let opened = open(&by, &bytes("file")).unwrap();
        assert_eq!(*opened.bytes, field("content").as_bytes());
        assert_eq!(opened.format, format);
    }
}
