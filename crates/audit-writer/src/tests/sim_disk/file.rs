//! One file: what the kernel has of it, what the device has, and which pages differ.

use std::collections::BTreeSet;

/// Small, so that lines span many.
const PAGE: usize = 64;

#[derive(Clone, Default)]
pub(super) struct File {
    pub(super) cache: Vec<u8>,
    pub(super) device: Vec<u8>,
    pub(super) dirty: BTreeSet<usize>,
}

impl File {
    pub(super) fn touch(&mut self, from: usize, to: usize) {
        self.dirty.extend(from / PAGE..to.div_ceil(PAGE));
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.cache.resize(self.cache.len().max(end), 0);
        self.cache[at..end].copy_from_slice(bytes);
        self.touch(at, end);
    }

    /// Copies a page between two images of a file, as far as the target reaches.
    pub(super) fn copy_page(from: &[u8], to: &mut [u8], page: usize) {
        let end = to.len();
        let slot = &mut to[(page * PAGE).min(end)..((page + 1) * PAGE).min(end)];
        for (i, byte) in slot.iter_mut().enumerate() {
            *byte = from.get(page * PAGE + i).copied().unwrap_or(0);
        }
    }

    pub(super) fn sync(&mut self) {
        self.device.resize(self.cache.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            Self::copy_page(&self.cache, &mut self.device, page);
        }
    }

    pub(super) fn forget_clean_pages(&mut self) {
        for page in 0..self.cache.len().div_ceil(PAGE) {
            if !self.dirty.contains(&page) {
                Self::copy_page(&self.device, &mut self.cache, page);
            }
        }
    }

    /// What may be on the device after the power failed.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        let (low, high) = (
            self.device.len().min(self.cache.len()),
            self.device.len().max(self.cache.len()),
        );
        let size = match dice.roll(4) {
            0 => low,
            1 => high,
            _ => low + dice.roll(high - low + 1),
        };
        self.device.resize(size, 0);
        let keep_all = dice.roll(3) == 0;
        for page in std::mem::take(&mut self.dirty) {
            if keep_all || dice.roll(2) == 0 {
                Self::copy_page(&self.cache, &mut self.device, page);
            }
        }
        self.cache = self.device.clone();
    }
}

/// Repeatable chance.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % sides
    }
}
