//! Returns memory that is no longer needed to the kernel.
//!
//! Reading policies and the end of the audit log takes several times the memory of what is kept of
//! them. glibc would hold on to the rest for as long as the broker runs, because what is kept is above
//! it in the heap.

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
