//! Passes on what comes, both ways, until both have ended.
//!
//! A half-close is passed on as one, and a broken connection as a broken one: a transfer that was cut off must
//! not look complete.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::stream::Stream;

/// Returns when both ways have ended.
pub(super) fn both_ways(client: &Stream, upstream: &Stream) -> io::Result<()> {
    let broken = &AtomicBool::new(false);
    let way = move |from: &Stream, to: &Stream| {
        if one_way(from, to, broken).is_err() && !broken.swap(true, Ordering::SeqCst) {
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

fn one_way(from: &Stream, to: &Stream, broken: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer)?;
        if broken.load(Ordering::SeqCst) {
            return Ok(());
        }
        if length == 0 {
            to.shut_down(Shutdown::Write);
            if from.is_closed() {
                // It takes no more either, so the other way has ended too.
                to.shut_down(Shutdown::Read);
            }
            return Ok(());
        }
        to.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}

/// Bytes.
const BUFFER: usize = 64 * 1024;

/// Bytes: nothing large is on it.
const STACK: usize = 128 * 1024;
