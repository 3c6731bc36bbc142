//! The three calls for which no safe wrapper exists.

#![expect(
    unsafe_code,
    reason = "nix has neither PeerGroups nor pidfd_open nor statx"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `SO_PEERGROUPS`: the opener's supplementary groups when it connected.
pub(super) fn peer_groups(stream: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 32];
    loop {
        let room = size_of_val(groups.as_slice());
        let mut bytes = libc::socklen_t::try_from(room).map_err(io::Error::other)?;
        // SAFETY: `groups` is valid for writes of `bytes` bytes, the kernel writes no more than
        // that, and any bytes make a `u32`.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let error = io::Error::last_os_error();
        let wanted = usize::try_from(bytes).map_err(io::Error::other)? / size_of::<u32>();
        if result == 0 {
            groups.truncate(wanted);
            return Ok(groups);
        }
        if error.raw_os_error() != Some(libc::ERANGE) || wanted <= groups.len() {
            return Err(error);
        }
        groups.resize(wanted, 0);
    }
}

/// A descriptor for the process that has this number now.
pub(super) fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and gives a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(fd) {
        // SAFETY: the kernel just gave this descriptor to us alone.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The state of the file that a process runs, as far as the kernel remembers it: a file server that
/// does not answer is not asked.
pub(super) fn running_file(process: BorrowedFd<'_>) -> io::Result<libc::statx> {
    let mut status = MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the descriptor is open, the path ends with a zero, and the kernel writes one `statx`.
    let result = unsafe {
        libc::statx(
            process.as_raw_fd(),
            c"exe".as_ptr(),
            libc::AT_STATX_DONT_SYNC,
            libc::STATX_BASIC_STATS,
            status.as_mut_ptr(),
        )
    };
    match result {
        // SAFETY: it succeeded, so all of it was written.
        0 => Ok(unsafe { status.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}
