//! Bytes that may hold a token.

use std::io::{self, Write};
use std::ops::Deref;

use zeroize::Zeroizing;

/// Room to begin with, in bytes; few need more.
const LEAST: usize = 256;

/// Bytes that are overwritten when they are dropped, and also when they have to move because there
/// are more of them than there was room for.
#[derive(Default)]
pub struct WipedBytes(Zeroizing<Vec<u8>>);

impl WipedBytes {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// So many zeros more at the end, to be written over.
    pub fn grow(&mut self, more: usize) -> &mut [u8] {
        let (old, new) = (self.0.len(), self.0.len() + more);
        if new > self.0.capacity() {
            let mut moved = Zeroizing::new(Vec::with_capacity(new.max(2 * old).max(LEAST)));
            moved.extend_from_slice(&self.0);
            self.0 = moved;
        }
        self.0.resize(new, 0);
        self.0.get_mut(old..).unwrap_or_default()
    }
}

impl Deref for WipedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for WipedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Write for WipedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.grow(bytes.len()).copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_also_after_it_had_to_move() {
        let mut bytes = WipedBytes::with_capacity(4);
        for part in ["one ", "two ", "three"] {
            bytes.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(&*bytes, b"one two three");
        assert_eq!(bytes.grow(2), [0, 0]);
    }
}
