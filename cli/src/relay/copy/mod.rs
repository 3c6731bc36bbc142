//! Passes on what comes, both ways, until both have ended.
//!
//! A half-close is passed on as one, and a broken connection as a broken one: a transfer that was cut off must
//! not look complete.
//!
//! An open tunnel may be silent for as long as its ends like. Once one way has ended, the other may be silent for
//! a while only: a client that keeps a connection which its host has closed would hold the tunnel's place.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::stream::Stream;

/// Returns when both ways have ended. A way whose other one has ended breaks after one to two times `silence` in
/// which nothing moves.
pub(super) fn both_ways(client: &Stream, upstream: &Stream, silence: Duration) -> io::Result<()> {
    client.set_patience(silence)?;
    upstream.set_patience(silence)?;
    let tunnel = &Tunnel::default();
    let way = move |from: &Stream, to: &Stream| {
        if tunnel.one_way(from, to).is_err() && !tunnel.broken.swap(true, Ordering::SeqCst) {
            for end in [from, to] {
                end.break_on_close();
                end.shut_down(Shutdown::Read);
            }
        }
    };
    thread::scope(|scope| {
        let sending = thread::Builder::new().stack_size(STACK);
        sending.spawn_scoped(scope, || way(client, upstream))?;
        way(upstream, client);
        Ok(())
    })
}

/// What the two ways know of each other.
#[derive(Default)]
struct Tunnel {
    half_closed: AtomicBool,
    broken: AtomicBool,
}

impl Tunnel {
    fn one_way(&self, from: &Stream, to: &Stream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = self.patiently(|| from.read(&mut buffer))?;
            if self.broken.load(Ordering::SeqCst) {
                return Ok(());
            }
            if length == 0 {
                to.shut_down(Shutdown::Write);
                if from.is_closed() {
                    // It takes no more either, so the other way has ended too.
                    to.shut_down(Shutdown::Read);
                }
                self.half_closed.store(true, Ordering::SeqCst);
                return Ok(());
            }
            let mut left = buffer.get(..length).unwrap_or_default();
            while !left.is_empty() {
                let written = self.patiently(|| to.write(left))?;
                left = left.get(written..).unwrap_or_default();
            }
        }
    }

    /// Tries again as long as both ways are open, and once more after one has ended.
    fn patiently(&self, mut transfer: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        let mut had_half_closed = false;
        loop {
            let error = match transfer() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => error,
                transferred => return transferred,
            };
            if self.broken.load(Ordering::SeqCst) || had_half_closed {
                return Err(error);
            }
            had_half_closed = self.half_closed.load(Ordering::SeqCst);
        }
    }
}

/// Bytes.
const BUFFER: usize = 64 * 1024;

/// Bytes: nothing large is on it.
const STACK: usize = 128 * 1024;

#[cfg(test)]
mod tests;
