//! AES-256-GCM over bytes, with nonces from the kernel.
//!
//! Not here: which key seals what, and what is bound to it.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _, Nonce, Tag};
use aes_gcm::{Aes256Gcm, Key};

/// Something that was sealed does not open: another key, another place, or changed bytes. Which of
/// them, the cipher cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// Why nothing could be sealed: the kernel gave no random numbers.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the kernel gave no random numbers")]
pub struct NoRandom(#[source] pub(crate) getrandom::Error);

/// Fills `room` from the kernel's generator.
pub(crate) fn random(room: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(room).map_err(NoRandom)
}

/// Appends nonce, sealed text and tag. Whoever calls it has reserved the room, so that nothing in the
/// clear is left behind.
pub(crate) fn append_sealed(
    out: &mut Vec<u8>,
    key: &[u8; 32],
    nonce: [u8; NONCE],
    bound: &[u8],
    clear: &[u8],
) {
    out.extend_from_slice(&nonce);
    let at = out.len();
    out.extend_from_slice(clear);
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    let sealed = out.get_mut(at..).unwrap_or_default();
    #[expect(
        clippy::expect_used,
        reason = "GCM refuses 64 GiB of text or more, and bodies end at 64 KiB"
    )]
    let tag = cipher
        .encrypt_inout_detached(&Nonce::<Aes256Gcm>::from(nonce), bound, sealed.into())
        .expect("a secret is shorter than 64 GiB");
    out.extend_from_slice(&tag);
}

/// Leaves the opened text in `sealed`, without nonce and tag.
pub(crate) fn open_in_place(
    key: &[u8; 32],
    bound: &[u8],
    sealed: &mut Vec<u8>,
) -> Result<(), DoesNotOpen> {
    let nonce = *sealed.first_chunk::<NONCE>().ok_or(DoesNotOpen)?;
    sealed.drain(..NONCE);
    let tag = *sealed.last_chunk::<TAG>().ok_or(DoesNotOpen)?;
    sealed.truncate(sealed.len() - TAG);
    open(key, &nonce, bound, sealed, &tag)
}

/// Opens `text` where it lies.
pub(crate) fn open(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    bound: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), DoesNotOpen> {
    let nonce = Nonce::<Aes256Gcm>::from(*nonce);
    let tag = Tag::<Aes256Gcm>::from(*tag);
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
        .decrypt_inout_detached(&nonce, bound, text.into(), &tag)
        .map_err(|_cause| DoesNotOpen)
}

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;
