//! A connection that is watched for what its client sends, and for nothing else until it must be.
//!
//! A stream of tokio's is watched for room to write as well, so each answer that a client takes from
//! the socket wakes the broker for nothing. Here that is watched only while an answer does not fit.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{Shutdown, shutdown};
use nix::sys::uio::writev;
use nix::unistd::read;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::readiness::watched;

/// The most that is read at once, in bytes: requests are short.
const READ: usize = 2048;
/// The most that is read at once of an upload. Less than a socket holds, so that the client can go on.
pub(crate) const READ_OF_STREAMS: usize = 64 * 1024;

/// An accepted connection.
pub struct Connection {
    incoming: Arc<AsyncFd<OwnedFd>>,
    /// While an answer waits for room.
    room: Option<AsyncFd<OwnedFd>>,
    /// How much is read at once.
    read: usize,
    /// What that grows to while more keeps coming.
    most: usize,
}

impl Connection {
    /// Watches a socket that does not block.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            incoming: Arc::new(watched(socket, Interest::READABLE)?),
            room: None,
            read: READ,
            most: READ,
        })
    }

    /// The same, for bodies of any size: what is read at once grows with what comes, so that a short
    /// request costs no more than elsewhere.
    pub(crate) fn for_streams(self) -> Self {
        Self {
            most: READ_OF_STREAMS,
            ..self
        }
    }

    /// A watch on its client. It keeps the descriptor open as long as it lives.
    pub(crate) fn client(&self) -> Client {
        Client(Arc::clone(&self.incoming))
    }

    /// Where all that was asked for came, twice as much is asked for next.
    fn adapt_to(&mut self, length: usize) {
        if length >= self.read {
            self.read = length.saturating_mul(2).min(self.most);
        } else if length < READ {
            self.read = READ;
        }
    }

    /// Returns when there may be room again.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.room.is_none() {
            let again = self.incoming.get_ref().try_clone()?;
            self.room = Some(watched(again, Interest::WRITABLE)?);
        }
        let room = self.room.as_ref();
        room.map_or(Poll::Ready(Ok(())), |room| {
            room.poll_write_ready(cx)
                .map_ok(|mut room| room.clear_ready())
        })
    }
}

/// The other end of a connection.
pub(crate) struct Client(Arc<AsyncFd<OwnedFd>>);

impl Client {
    /// Returns when it has closed the connection, and not while it has closed its side of it alone: then it may
    /// still read.
    pub(crate) async fn left(&self) {
        // Room is not watched here, so this is ready once both directions are closed, or the socket is broken.
        drop(self.0.ready(Interest::WRITABLE).await);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.incoming.get_ref().as_fd()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let mut incoming = ready!(this.incoming.poll_read_ready(cx))?;
            // No more than that need be zeroed first; a longer request takes several reads.
            let free = into.initialize_unfilled_to(into.remaining().min(this.read));
            let result = incoming.try_io(|socket| Ok(read(socket, free)?));
            match result {
                Ok(Ok(length)) => {
                    // Less than there was room for: all that was there.
                    if length > 0 && length < free.len() {
                        incoming.clear_ready();
                    }
                    into.advance(length);
                    this.adapt_to(length);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(self, cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = writev(self.incoming.get_ref(), parts).map_err(io::Error::from);
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_room(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => {
                    self.room = None;
                    return Poll::Ready(done);
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.incoming.as_raw_fd();
        Poll::Ready(shutdown(socket, Shutdown::Write).map_err(io::Error::from))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Connection::new(ours.into()).unwrap(), theirs)
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_socket_waits_for_its_reader_and_arrives_whole() {
        let (mut connection, mut client) = pair();
        let answer: Vec<u8> = (0..4_u32 << 20).map(|at| (at % 251) as u8).collect();
        let expected = answer.clone();
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            client.read_to_end(&mut read).unwrap();
            assert!(read == expected, "{} bytes of them", read.len());
        });
        connection.write_all(&answer).await.unwrap();
        assert!(connection.room.is_none(), "watched no longer than needed");
        connection.shutdown().await.unwrap();
        reader.join().unwrap();
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_read_to_completion() {
        let (mut connection, mut client) = pair();
        let sender = std::thread::spawn(move || {
            for piece in [&b"one "[..], b"two ", b"three"] {
                client.write_all(piece).unwrap();
                std::thread::yield_now();
            }
        });
        let mut read = [0; 8];
        connection.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"one two ");
        let mut rest = String::new();
        connection.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "three");
        sender.join().unwrap();
    }

    #[tokio::test]
    async fn a_stream_is_read_in_ever_larger_pieces_and_a_short_request_as_ever() {
        for (for_streams, most) in [(false, READ), (true, READ_OF_STREAMS)] {
            let (connection, mut client) = pair();
            let mut connection = if for_streams {
                connection.for_streams()
            } else {
                connection
            };
            client.write_all(&[7; 4 * READ]).unwrap();
            let mut into = vec![0; 1 << 20];
            assert_eq!(connection.read(&mut into).await.unwrap(), READ);

            client.write_all(&[7; 120 * 1024]).unwrap();
            let mut largest = 0;
            let mut left = 120 * 1024 + 3 * READ;
            while left > 0 {
                let read = connection.read(&mut into).await.unwrap();
                largest = largest.max(read);
                left -= read;
            }
            assert_eq!(largest, most);

            client.write_all(b"short").unwrap();
            assert_eq!(connection.read(&mut into).await.unwrap(), 5);
            assert_eq!(connection.read, READ);
        }
    }

    #[tokio::test]
    async fn a_client_has_left_when_it_has_closed_both_sides_and_not_one() {
        let (mut connection, mut client) = pair();
        let watch = connection.client();
        let mut left = std::pin::pin!(watch.left());
        client.write_all(b"x").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        tokio::select! {
            biased;
            () = &mut left => panic!("it reads still"),
            read = connection.read_u8() => assert_eq!(read.unwrap(), b'x'),
        }
        let mut rest = [0; 8];
        tokio::select! {
            biased;
            () = &mut left => panic!("it reads still"),
            read = connection.read(&mut rest) => assert_eq!(read.unwrap(), 0),
        }
        connection.write_all(b"y").await.unwrap();
        let mut answer = [0];
        client.read_exact(&mut answer).unwrap();
        drop(client);
        left.await;
    }

    #[tokio::test]
    async fn a_client_that_left_is_an_error_and_no_signal() {
        let (mut connection, client) = pair();
        drop(client);
        let error = connection.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(connection.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
