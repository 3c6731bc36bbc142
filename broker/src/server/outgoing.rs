//! A connection's bytes on their way out, to a client that may not stop taking them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::Exchange;
use super::patience::Patience;
use crate::connection::Connection;

pub(super) struct Outgoing {
    connection: Connection,
    /// `None` where answers are short: they fit into the socket, and a client that does not take one has
    /// its connection closed when another needs the slot.
    answers: Option<Answers>,
}

struct Answers {
    exchange: Arc<Exchange>,
    patience: Patience,
    blocked: bool,
}

impl Outgoing {
    pub(super) const fn short(connection: Connection) -> Self {
        Self {
            connection,
            answers: None,
        }
    }

    pub(super) fn streamed(
        connection: Connection,
        exchange: Arc<Exchange>,
        limit: Duration,
    ) -> Self {
        Self {
            connection: connection.for_streams(),
            answers: Some(Answers {
                exchange,
                patience: Patience::new(limit),
                blocked: false,
            }),
        }
    }
}

impl Answers {
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.patience.restore();
            return written;
        }
        if !self.blocked {
            self.blocked = true;
            self.exchange.blocked();
        }
        self.patience.poll_over(cx).map(|()| {
            let limit = self.patience.limit.as_secs();
            let why = format!("the client took nothing more of the answer for {limit} s");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        })
    }

    /// Asked for when all that was to be written is.
    fn flushed(&mut self) {
        if std::mem::take(&mut self.blocked) {
            self.exchange.taken();
        }
    }
}

impl AsyncRead for Outgoing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, into)
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Tried again each time, also when the wait is over: the kernel tells of room late.
        let written = Pin::new(&mut self.connection).poll_write_vectored(cx, parts);
        match &mut self.answers {
            Some(answers) => answers.poll_written(cx, written),
            None => written,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(answers) = &mut self.answers {
            answers.flushed();
        }
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
