//! AES-256-GCM over bytes, with nonces from the kernel.
//!
//! Not here: which key seals what, and what is bound to it.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _, Nonce, Tag};
use aes_gcm::{Aes256Gcm, Key};

/// Something that was sealed does not open: another key, another place, or changed bytes. Which of
/// them, the cipher cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed does not open")]
pub struct DoesNotOpen;

/// Why nothing could be sealed: the kernel gave no random numbers.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the kernel gave no random numbers")]
pub struct NoRandom(#[source] getrandom::Error);

/// Fills `room` from the kernel's generator.
///
/// # Errors
///
/// [`NoRandom`].
pub fn random(room: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(room).map_err(NoRandom)
}

/// A key that seals or opens many texts.
pub struct Cipher(Aes256Gcm);

impl Cipher {
    /// With this key, of which it keeps what it needs, wiped with it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)))
    }

    /// Seals `text` in place, and returns its tag. No nonce may be used twice with one key.
    ///
    /// # Panics
    ///
    /// If the text has 64 GiB or more.
    #[must_use]
    pub fn seal(&self, nonce: [u8; NONCE], bound: &[u8], text: &mut [u8]) -> [u8; TAG] {
        #[expect(
            clippy::expect_used,
            reason = "GCM refuses 64 GiB of text or more, and what is sealed is a backup's chunk at most"
        )]
        let tag = (self.0)
            .encrypt_inout_detached(&Nonce::<Aes256Gcm>::from(nonce), bound, text.into())
            .expect("a text is shorter than 64 GiB");
        tag.into()
    }

    /// Opens `text` in place.
    ///
    /// # Errors
    ///
    /// [`DoesNotOpen`].
    pub fn open(
        &self,
        nonce: [u8; NONCE],
        bound: &[u8],
        text: &mut [u8],
        tag: [u8; TAG],
    ) -> Result<(), DoesNotOpen> {
        let (nonce, tag) = (Nonce::<Aes256Gcm>::from(nonce), Tag::<Aes256Gcm>::from(tag));
        let opened = self
            .0
            .decrypt_inout_detached(&nonce, bound, text.into(), &tag);
        opened.map_err(|_cause| DoesNotOpen)
    }
}

/// Appends nonce, sealed text and tag. Whoever calls it has reserved the room, so that nothing in the
/// clear is left behind.
pub fn append_sealed(
    out: &mut Vec<u8>,
    key: &[u8; 32],
    nonce: [u8; NONCE],
    bound: &[u8],
    clear: &[u8],
) {
    out.extend_from_slice(&nonce);
    let at = out.len();
    out.extend_from_slice(clear);
    let tag = Cipher::new(key).seal(nonce, bound, out.get_mut(at..).unwrap_or_default());
    out.extend_from_slice(&tag);
}

/// Leaves the opened text in `sealed`, without nonce and tag.
///
/// # Errors
///
/// [`DoesNotOpen`].
pub fn open_in_place(
    key: &[u8; 32],
    bound: &[u8],
    sealed: &mut Vec<u8>,
) -> Result<(), DoesNotOpen> {
    let nonce = *sealed.first_chunk::<NONCE>().ok_or(DoesNotOpen)?;
    sealed.drain(..NONCE);
    let tag = *sealed.last_chunk::<TAG>().ok_or(DoesNotOpen)?;
    sealed.truncate(sealed.len() - TAG);
    Cipher::new(key).open(nonce, bound, sealed, tag)
}

/// Bytes of a nonce.
pub const NONCE: usize = 12;
/// Bytes of a tag.
pub const TAG: usize = 16;
