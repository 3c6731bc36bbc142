//! Returns memory that is no longer needed to the kernel.
//!
//! Reading policies and the end of the audit log takes several times the memory of what is kept of
//! them. glibc would hold on to the rest for as long as the broker runs, because what is kept is above
//! it in the heap.

/// Keeps the allocator from holding on to more than 128 KiB of free memory at the end of each of its heaps, and
/// lets large blocks have pages of their own. To be called while there is one thread.
///
/// glibc begins like that, and raises both thresholds to the size of the largest block that it sees freed
/// (mallopt(3)): a start that reads ten thousand secrets would leave megabytes in the heap of each thread that
/// helped, which [`unused_memory`] does not reach. Setting a threshold keeps both as they are.
pub fn from_now_on() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate wraps mallopt")]
    // SAFETY: it sets a number of the allocator's own, and there is no other thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
    }
}

/// Returns free memory to the kernel. Takes a few milliseconds. Other allocators than glibc's do so by
/// themselves.
pub fn unused_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate wraps malloc_trim")]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
