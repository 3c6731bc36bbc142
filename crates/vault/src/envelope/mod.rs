//! The envelope: one value, sealed so that it opens only in its own place.
//!
//! ```text
//! byte  0        format, 1
//!       1..5     version of the root key, big endian
//!       5..65    data key under the root key:   nonce 12, key 32, tag 16
//!       65..     value under the data key:      nonce 12, value, tag 16
//! ```
//!
//! AES-256-GCM throughout, every nonce fresh from the kernel. Each value has a data key of its own,
//! so no key ever meets two nonces but the root key, which seals at most a few data keys per secret.
//! What the value is (vault, name, version, kind, hash, dates) is its associated data, length before
//! each text, so no row opens in another's place and no column can be edited alone. A change of root
//! key rewrites bytes 1 to 65 only, and opens no value.
//!
//! Pure but for the random numbers. Not here: where envelopes are kept, who may open one.

use std::io;

use broker_policy::SecretKind;
use broker_secret_memory::cipher::{Cipher, NONCE, TAG, append_sealed, open_in_place};
use jiff::Timestamp;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::VaultError;

pub(crate) use broker_secret_memory::cipher::{DoesNotOpen, NoRandom, random};

/// What a sealed value is; bound to it as associated data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) vault: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: u64,
    pub(crate) kind: Option<SecretKind>,
    /// Base64 SHA-256 of the value.
    pub(crate) hash: &'a str,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) set_at: Timestamp,
}

/// Seals a value under a data key made for it.
pub(crate) fn seal(
    root: RootKeyRef<'_>,
    what: &Identity<'_>,
    value: &[u8],
) -> Result<Box<[u8]>, NoRandom> {
    let mut fresh = Fresh {
        data_key: Zeroizing::new([0; 32]),
        key_nonce: [0; NONCE],
        value_nonce: [0; NONCE],
    };
    random(&mut *fresh.data_key)?;
    random(&mut fresh.key_nonce)?;
    random(&mut fresh.value_nonce)?;
    Ok(seal_with(root, what, value, &fresh))
}

/// The random numbers of one envelope. A test can give its own.
struct Fresh {
    data_key: Zeroizing<[u8; 32]>,
    key_nonce: [u8; NONCE],
    value_nonce: [u8; NONCE],
}

fn seal_with(root: RootKeyRef<'_>, what: &Identity<'_>, value: &[u8], fresh: &Fresh) -> Box<[u8]> {
    let mut out = Vec::with_capacity(VALUE_AT + NONCE + value.len() + TAG);
    out.push(FORMAT);
    out.extend_from_slice(&root.version.to_be_bytes());
    let key_of = data_key_of(what.data_key());
    let clear = &*fresh.data_key;
    append_sealed(&mut out, root.root, fresh.key_nonce, &key_of, clear);
    let bound = value_of(what);
    append_sealed(&mut out, &fresh.data_key, fresh.value_nonce, &bound, value);
    out.into_boxed_slice()
}

/// Opens a value.
pub(crate) fn unseal(
    root: RootKeyRef<'_>,
    what: &Identity<'_>,
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let (head, value) = envelope.split_first_chunk().ok_or(DoesNotOpen)?;
    // On the stack for the microsecond it takes, and wiped.
    let mut data_key = Zeroizing::new([0; 32]);
    open_data_key(root, &data_key_of(what.data_key()), head, &mut data_key)?;
    let mut opened = Zeroizing::new(value.to_vec());
    open_in_place(&data_key, &value_of(what), &mut opened)?;
    Ok(opened)
}

/// All of an envelope that a change of the root key rewrites: format, version, sealed data key.
pub(crate) type Head = [u8; VALUE_AT];

/// The version of the root key that an envelope's data key is sealed under.
pub(crate) fn root_version(head: &Head) -> u32 {
    let [_, a, b, c, d, ..] = *head;
    u32::from_be_bytes([a, b, c, d])
}

/// One root key and its version.
#[derive(Clone, Copy)]
pub(crate) struct RootKeyRef<'a> {
    pub(crate) root: &'a [u8; 32],
    pub(crate) version: u32,
}

/// Where an envelope belongs, as far as its data key is bound to it.
#[derive(Clone, Copy)]
pub(crate) struct DataKeyId<'a> {
    pub(crate) vault: &'a str,
    pub(crate) name: &'a str,
    pub(crate) version: u64,
}

impl<'a> Identity<'a> {
    const fn data_key(&self) -> DataKeyId<'a> {
        DataKeyId {
            vault: self.vault,
            name: self.name,
            version: self.version,
        }
    }
}

/// Opens a data key into `room`, which the caller wipes: returned by value it would leave copies.
fn open_data_key(
    root: RootKeyRef<'_>,
    key_of: &[u8],
    head: &Head,
    room: &mut [u8; 32],
) -> Result<(), DoesNotOpen> {
    let (start, sealed_key) = head.split_first_chunk::<KEY_AT>().ok_or(DoesNotOpen)?;
    if start.first() != Some(&FORMAT) || root_version(head) != root.version {
        return Err(DoesNotOpen);
    }
    open_key(root.root, key_of, sealed_key, room)
}

/// Seals the same data key under another root key. The value is neither needed nor opened.
pub(crate) fn rewrap(
    old: RootKeyRef<'_>,
    new: RootKeyRef<'_>,
    place: DataKeyId<'_>,
    head: &Head,
) -> Result<Head, KeyError> {
    let key_of = data_key_of(place);
    // On the stack for the microsecond it takes, and wiped.
    let mut data_key = Zeroizing::new([0; 32]);
    open_data_key(old, &key_of, head, &mut data_key)?;
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    let mut out = Vec::with_capacity(VALUE_AT);
    out.push(FORMAT);
    out.extend_from_slice(&new.version.to_be_bytes());
    append_sealed(&mut out, new.root, nonce, &key_of, &*data_key);
    Head::try_from(out).map_err(|_longer| DoesNotOpen.into())
}

/// Why a sealed key could not be opened, or not be sealed under another root key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    #[error(transparent)]
    Memory(#[from] io::Error),
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl KeyError {
    /// The same as an error of the vault; `does_not_open` where that is what is wrong.
    pub(crate) fn or(self, does_not_open: VaultError) -> VaultError {
        match self {
            Self::DoesNotOpen(_) => does_not_open,
            Self::Memory(cause) => VaultError::Memory(cause),
            Self::NoRandom(cause) => VaultError::Random(cause),
        }
    }
}

/// Seals a key under another: nonce, key, tag. `purpose` is the associated data.
pub(crate) fn seal_key(
    root: &[u8; 32],
    purpose: &[u8],
    key: &[u8; 32],
) -> Result<Box<[u8]>, NoRandom> {
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    let mut out = Vec::with_capacity(NONCE + 32 + TAG);
    append_sealed(&mut out, root, nonce, purpose, key);
    Ok(out.into_boxed_slice())
}

/// Opens what [`seal_key`] made, into `room`.
pub(crate) fn open_key(
    root: &[u8; 32],
    purpose: &[u8],
    sealed: &[u8],
    room: &mut [u8; 32],
) -> Result<(), DoesNotOpen> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(DoesNotOpen)?;
    let (sealed, tag) = sealed.split_last_chunk::<TAG>().ok_or(DoesNotOpen)?;
    *room = sealed.try_into().map_err(|_cause| DoesNotOpen)?;
    let opened = Cipher::new(root).open(*nonce, purpose, room, *tag);
    opened.inspect_err(|_| room.zeroize())
}

/// Associated data for what is sealed under the root key once per vault.
pub(crate) fn purpose(what: &str, vault: &str, root_version: u32) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, what);
    text(&mut out, vault);
    out.extend_from_slice(&root_version.to_be_bytes());
    out
}

fn data_key_of(place: DataKeyId<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    text(&mut out, "tokend data key v1");
    text(&mut out, place.vault);
    text(&mut out, place.name);
    out.extend_from_slice(&place.version.to_be_bytes());
    out
}

fn value_of(what: &Identity<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    text(&mut out, "tokend secret v1");
    text(&mut out, what.vault);
    text(&mut out, what.name);
    out.extend_from_slice(&what.version.to_be_bytes());
    text(&mut out, what.kind.map_or("", SecretKind::as_str));
    text(&mut out, what.hash);
    let expires_at = what.expires_at.map(Timestamp::as_microsecond);
    optional(&mut out, expires_at.map(i64::to_be_bytes));
    out.extend_from_slice(&what.set_at.as_microsecond().to_be_bytes());
    out
}

/// Length as eight bytes, big endian, and the text.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    // usize is never wider than 64 bits where this builds.
    out.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A zero byte for what is not there, or else a one and what it is.
pub(crate) fn optional(out: &mut Vec<u8>, part: Option<impl AsRef<[u8]>>) {
    out.push(u8::from(part.is_some()));
    if let Some(part) = part {
        out.extend_from_slice(part.as_ref());
    }
}

const FORMAT: u8 = 1;
const KEY_AT: usize = 5;
const VALUE_AT: usize = KEY_AT + NONCE + 32 + TAG;

#[cfg(test)]
mod tests;
