//! Where keys live: memory that is not swapped out, not dumped, not inherited, and wiped when done.
//!
//! On kernels that have `memfd_secret(2)` the pages leave the kernel's own map as well: neither
//! `/proc/PID/mem` nor another process with `process_vm_readv` can read them. Elsewhere ordinary
//! pages are locked with `mlock`. Where even that is refused (`RLIMIT_MEMLOCK`), the bytes are still
//! kept out of dumps and wiped, and [`LockedBytes::is_locked`] says so for the status.
//!
//! Each value has pages of its own, since a page is the least that can be locked. So it costs a page for
//! each key, each value that is cached, taken from the environment or used by proxy leases, and each live
//! installation token.
//!
//! Not here: what the bytes mean.

#![expect(
    unsafe_code,
    reason = "mapping memory is asking the kernel for raw pages"
)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use nix::sys::mman::{
    MapFlags, MmapAdvise, ProtFlags, madvise, mlock, mmap, mmap_anonymous, munmap,
};
use nix::unistd::{SysconfVar, ftruncate, sysconf};
use zeroize::Zeroize;

/// Bytes in locked memory. They have no `Debug` and no `Clone`.
pub struct LockedBytes {
    pages: Pages,
    len: usize,
}

impl LockedBytes {
    /// Copies bytes into pages of their own.
    ///
    /// # Errors
    ///
    /// The kernel's reason for giving no memory at all.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let len = bytes.len();
        let mut pages = Pages::map(len)?;
        pages.bytes_mut(len).copy_from_slice(bytes);
        Ok(Self { pages, len })
    }

    /// The bytes. Whoever copies them out wipes the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.pages.bytes(self.len)
    }

    /// Whether the kernel keeps these pages from being swapped out.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.pages.locked
    }
}

/// A 256-bit key in locked memory. It has no `Debug` and no `Clone`.
pub struct LockedKey(LockedBytes);

impl LockedKey {
    /// Maps room for a key, all zero, and lets `fill` write it in place, so that no copy is anywhere else.
    ///
    /// # Errors
    ///
    /// What `fill` returns, or the kernel's reason for giving no memory at all.
    pub fn filled<E: From<io::Error>>(
        fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let pages = Pages::map(32)?;
        // SAFETY: as in `bytes_mut`; the pages hold at least 32 bytes, and an array of bytes needs
        // no alignment.
        fill(unsafe { &mut *pages.start.as_ptr().cast::<[u8; 32]>() })?;
        Ok(Self(LockedBytes { pages, len: 32 }))
    }

    /// Copies a key into pages of its own.
    ///
    /// # Errors
    ///
    /// The kernel's reason for giving no memory at all.
    pub fn copy_of(key: &[u8; 32]) -> io::Result<Self> {
        Self::filled(|room| {
            room.copy_from_slice(key);
            Ok(())
        })
    }

    /// The key. Whoever copies it wipes the copy.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        // SAFETY: as in `bytes`; `filled` mapped at least 32 bytes, and an array of bytes needs no
        // alignment.
        unsafe { &*self.0.pages.start.as_ptr().cast::<[u8; 32]>() }
    }

    /// Whether the kernel keeps the key from being swapped out.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// Whole pages of this process's own.
struct Pages {
    start: NonNull<u8>,
    /// Length of the mapping in bytes, a multiple of the page size.
    len: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone and are reached through it alone; nothing about them
// is tied to a thread.
unsafe impl Send for Pages {}
// SAFETY: a shared `Pages` only gives out shared slices.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(wanted: usize) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(4096);
        let len = wanted
            .max(1)
            .checked_next_multiple_of(page)
            .and_then(NonZeroUsize::new)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = match Self::map_secret(len) {
            Ok(pages) => pages,
            // No such call, switched off, or over the limit for locked memory.
            Err(_) => Self::map_ordinary(len)?,
        };
        for advice in [MmapAdvise::MADV_DONTDUMP, MmapAdvise::MADV_DONTFORK] {
            // SAFETY: the range is exactly the mapping just made. A child of a fork does not have
            // these pages; the broker forks only to execute another program.
            unsafe { madvise(pages.start.cast(), pages.len, advice)? };
        }
        Ok(pages)
    }

    /// Pages that the kernel itself does not map. It locks them and keeps them out of dumps.
    fn map_secret(len: NonZeroUsize) -> nix::Result<Self> {
        // SAFETY: the call takes one flag and returns a new descriptor or an error.
        let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let fd = nix::errno::Errno::result(fd)?;
        let fd = i32::try_from(fd).map_err(|_cause| nix::errno::Errno::EBADF)?;
        // SAFETY: the descriptor is new, so nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = i64::try_from(len.get()).map_err(|_cause| nix::errno::Errno::ENOMEM)?;
        ftruncate(fd.as_fd(), size)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choosing overlaps nothing. The pages
        // stay when the descriptor is closed, and no other process can open them.
        let start = unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, fd.as_fd(), 0)? };
        Ok(Self {
            start: start.cast(),
            len: len.get(),
            locked: true,
        })
    }

    fn map_ordinary(len: NonZeroUsize) -> nix::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choosing overlaps nothing.
        let start = unsafe { mmap_anonymous(None, len, access, MapFlags::MAP_PRIVATE)? };
        // SAFETY: the range is exactly the mapping just made.
        let locked = unsafe { mlock(start, len.get()) }.is_ok();
        Ok(Self {
            start: start.cast(),
            len: len.get(),
            locked,
        })
    }

    const fn bytes(&self, len: usize) -> &[u8] {
        let len = if len < self.len { len } else { self.len };
        // SAFETY: the pages are mapped, readable, zeroed by the kernel and live as long as `self`;
        // writing needs `&mut self`; `len` is within them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len) }
    }

    const fn bytes_mut(&mut self, len: usize) -> &mut [u8] {
        let len = if len < self.len { len } else { self.len };
        // SAFETY: as in `bytes`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.bytes_mut(self.len).zeroize();
        // SAFETY: the range is exactly one mapping of ours, and no reference into it outlives
        // `self`. It cannot fail for such a range; if it did, the wiped pages would stay mapped.
        let _unmapped = unsafe { munmap(self.start.cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::fs;

    use nix::sys::resource::{Resource, getrlimit};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;

    assert_not_impl_any!(LockedBytes: Clone, Debug);
    assert_not_impl_any!(LockedKey: Clone, Debug);
    assert_impl_all!(LockedKey: Send, Sync);

    fn holding(text: &[u8]) -> LockedBytes {
        LockedBytes::copy_of(text).unwrap()
    }

    /// The flags of the mapping that holds `at`, as the kernel lists them.
    fn flags_of(at: *const u8) -> String {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|r| r.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (
                    usize::from_str_radix(from, 16),
                    usize::from_str_radix(to, 16),
                )
            {
                inside = (from..to).contains(&at.addr());
            }
            if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return format!("{flags} ");
            }
        }
        panic!("no mapping holds {at:?}");
    }

    #[test]
    fn bytes_read_back_also_when_they_need_more_than_a_page() {
        for len in [0, 1, 32, 4096, 10_000] {
            let text = vec![7; len];
            assert_eq!(holding(&text).expose(), text);
        }
    }

    #[test]
    fn the_pages_are_locked_kept_out_of_dumps_and_not_inherited() {
        let bytes = holding(b"a key");
        let flags = flags_of(bytes.expose().as_ptr());
        assert_eq!(bytes.is_locked(), flags.contains(" lo "), "{flags}");
        let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
        assert!(bytes.is_locked() || limit < 64 * 1024, "{flags}");
        for flag in [" dd ", " dc "] {
            assert!(flags.contains(flag), "{flag} is missing from {flags}");
        }
    }

    #[test]
    fn ordinary_pages_serve_where_secret_ones_are_not_to_be_had() {
        let pages = Pages::map_ordinary(NonZeroUsize::new(4096).unwrap()).unwrap();
        assert_eq!(pages.bytes(32), [0; 32]);
    }

    #[test]
    fn a_failed_filling_leaves_no_value() {
        let failed = LockedKey::filled(|_| Err(io::Error::other("no")));
        assert!(failed.is_err());
    }
}
