//! Gives memory that is no longer needed back to the kernel.
//!
//! Reading policies and the end of the audit log takes several times the memory of what is kept of
//! them. glibc would hold on to the rest for as long as the broker runs, because what is kept lies
//! above it in the heap.

#![expect(unsafe_code, reason = "no crate wraps malloc_trim")]

/// Gives back what is free. Takes a few milliseconds. Other allocators than glibc's do so by themselves.
pub fn unused_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
