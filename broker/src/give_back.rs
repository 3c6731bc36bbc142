//! Gives memory that is no longer needed back to the kernel.
//!
//! Reading policies and the end of the audit log takes several times the memory of what is kept of
//! them. glibc would hold on to the rest for as long as the broker runs, because what is kept lies
//! above it in the heap. And a start, and the first rounds after it, run parts of the program that
//! nothing runs again: their pages are the file's own, and come back from the kernel's cache where they
//! are wanted after all.

#![expect(
    unsafe_code,
    reason = "no crate wraps malloc_trim, and madvise takes addresses"
)]

use std::ffi::c_void;
use std::fs;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// Gives back what is free. Takes a few milliseconds. Other allocators than glibc's do so by themselves.
pub fn unused_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
    if let Some((start, length)) = program_text() {
        // SAFETY: these pages are the program's file, mapped to be read and run alone. Nobody can have
        // changed them, so what comes back from the file is what was there.
        let given = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
        if let Err(cause) = given {
            tracing::debug!(%cause, "the pages that only the start ran stay in memory");
        }
    }
}

/// Where the program's own instructions lie, if the kernel says so.
fn program_text() -> Option<(NonNull<c_void>, usize)> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let here = unused_memory as fn() as usize;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        if !(start..end).contains(&here) || !rest.starts_with("r-xp ") {
            return None;
        }
        let start = NonNull::new(std::ptr::with_exposed_provenance_mut(start))?;
        Some((start, end - usize::from(start.addr())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_text_is_found_and_runs_on_after_its_pages_were_given_back() {
        let (start, length) = program_text().unwrap();
        assert!(length > 4096 && start.addr().get() % 4096 == 0);
        unused_memory();
        assert!(program_text().is_some());
    }
}
