//! Descriptors that the runtime watches for one thing only.

#![expect(unsafe_code, reason = "tokio leaves I/O safety to its caller")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that wakes its task for what is named and for nothing else.
///
/// Panics outside a runtime with I/O, as all of tokio's registrations do.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names one descriptor as long as it lives and closes it on drop, which
    // `AsyncFd` does only after it has deregistered it.
    unsafe { Ok(AsyncFd::register_with_interest(fd, interest)?) }
}
