//! One end of a tunnel: a TCP connection, or one to the broker's socket.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

/// Read, written and shut down from two threads at once.
pub(super) enum Stream {
    /// A command's, another host's, or a proxy's.
    Tcp(TcpStream),
    /// The broker's.
    Unix(UnixStream),
}

impl Stream {
    /// A TCP connection that sends what it has at once: a handshake is many small pieces.
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub(super) fn read(&self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Tcp(stream) => (&*stream).read(out),
                Self::Unix(stream) => (&*stream).read(out),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Self::Tcp(stream) => (&*stream).write(bytes),
                Self::Unix(stream) => (&*stream).write(bytes),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                written => return written,
            }
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    /// Limits each read and write.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience);
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
        }
    }

    /// Says that no more is sent, or wakes who reads. One that has gone needs neither.
    pub(super) fn shut_down(&self, how: Shutdown) {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        }
        .unwrap_or_default();
    }

    /// Has the other end see a broken connection, and not an orderly end, once this one is closed.
    pub(super) fn break_on_close(&self) {
        if let Self::Tcp(stream) = self {
            let at_once = linger {
                l_onoff: 1,
                l_linger: 0,
            };
            setsockopt(stream, sockopt::Linger, &at_once).unwrap_or_default();
        }
    }

    /// Whether the other end is closed both ways. Of a TCP connection that cannot be known.
    pub(super) fn is_closed(&self) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::empty())];
        let polled = poll(&mut fds, PollTimeout::ZERO);
        let [fd] = fds;
        polled.is_ok()
            && fd
                .revents()
                .is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
