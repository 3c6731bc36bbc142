//! Where traces and panics leave the process, without making anyone wait.
//!
//! Standard error may be a pipe whose reader has stopped, a terminal on which someone pressed Ctrl-S, or
//! a file on a server that is down: a write to it can take for ever. So a thread of its own writes, from
//! a queue that is bounded in bytes. What finds the queue full is dropped and counted, and how much it
//! was is traced as soon as standard error takes something again.
//!
//! Not here: the mask. What comes in here is masked already.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most that waits to be written, in bytes.
const MOST: usize = 256 * 1024;

/// How long the last lines of a process may take to be written.
const LAST: Duration = Duration::from_secs(1);

/// The one that leads to standard error, for [`abort`].
static STANDARD_ERROR: OnceLock<NonblockingStderr> = OnceLock::new();

/// Aborts the process, once what was traced is written, or after a second.
pub fn abort() -> ! {
    if let Some(stderr) = STANDARD_ERROR.get() {
        stderr.flush_last();
    }
    std::process::abort()
}

/// A queue of finished lines and the thread that writes them. Clones share both.
#[derive(Debug, Clone)]
pub struct NonblockingStderr(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    waiting: Mutex<Waiting>,
    /// Signalled when a line arrives.
    arrived: Condvar,
    /// Signalled when nothing is left to write.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// Of all lines, the one being written included.
    bytes: usize,
    /// How many lines were dropped.
    dropped: u64,
    /// How many of them a trace has reported.
    reported: u64,
}

impl NonblockingStderr {
    /// Starts the thread that writes to standard error.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn to_standard_error() -> io::Result<Self> {
        let stderr = Self::holding(MOST, io::stderr())?;
        Ok(STANDARD_ERROR.get_or_init(|| stderr).clone())
    }

    fn holding(most: usize, to: impl Write + Send + 'static) -> io::Result<Self> {
        let stderr = Self(Arc::new(Shared {
            most,
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
        }));
        let writing = stderr.clone();
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || writing.write_to(to))?;
        Ok(stderr)
    }

    /// Queues one line, or drops it if the queue is full.
    fn push(&self, line: Vec<u8>) {
        let mut waiting = self.waiting();
        if line.is_empty() {
            return;
        }
        if waiting.bytes + line.len() > self.0.most {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line);
        drop(waiting);
        self.0.arrived.notify_one();
    }

    /// How many lines were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.waiting().dropped
    }

    /// That lines were dropped, for the operator.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let dropped = Some(self.dropped()).filter(|dropped| *dropped > 0)?;
        Some(format!(
            "{dropped} traces were dropped since the start, because tokend's standard error took none"
        ))
    }

    /// Returns when everything is written, or after a second: then the rest is lost.
    pub fn flush_last(&self) {
        self.flush(LAST);
    }

    fn flush(&self, within: Duration) {
        let waiting = self.waiting();
        let written = self
            .0
            .written
            .wait_timeout_while(waiting, within, |waiting| waiting.bytes > 0);
        drop(written);
    }

    fn write_to(&self, mut to: impl Write) {
        loop {
            let line = self.next();
            let written = to.write_all(&line).and_then(|()| to.flush());
            let mut waiting = self.waiting();
            waiting.bytes -= line.len();
            if written.is_err() {
                // Counted, and not reported: that could not be written either.
                waiting.dropped += 1;
                waiting.reported += 1;
            }
            if waiting.bytes > 0 {
                continue;
            }
            let more = waiting.dropped - waiting.reported;
            waiting.reported = waiting.dropped;
            drop(waiting);
            if more > 0 {
                // Through the filter and the mask, like any other; there is room for it now.
                tracing::warn!(
                    dropped = more,
                    "standard error took nothing for a while; traces were dropped"
                );
            }
            if self.waiting().bytes == 0 {
                self.0.written.notify_all();
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = self.waiting();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                return line;
            }
            let woken = self.0.arrived.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing panics while it holds this, and no write happens under it.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each write is a line of its own.
impl Write for NonblockingStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line.to_vec());
        Ok(line.len())
    }

    /// Does nothing: to know that lines are written, call [`NonblockingStderr::flush_last`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for NonblockingStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// What takes a line only when it is told to, and passes on what it took.
    struct Reader {
        go_on: mpsc::Receiver<()>,
        took: mpsc::Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.go_on.recv().map_err(io::Error::other)?;
            let text = String::from_utf8(line.to_vec()).unwrap();
            self.took.send(text).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stalled(most: usize) -> (NonblockingStderr, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let ((reads, go_on), (took, taken)) = (mpsc::channel(), mpsc::channel());
        let stderr = NonblockingStderr::holding(most, Reader { go_on, took }).unwrap();
        (stderr, reads, taken)
    }

    #[test]
    fn a_reader_that_stalls_makes_nobody_wait_and_what_it_misses_is_counted() {
        let (mut stderr, reads, taken) = stalled(10);
        for _ in 0..1000 {
            stderr.write_all(b"12345").unwrap();
        }
        assert_eq!(stderr.dropped(), 998);
        stderr.flush(Duration::ZERO);
        reads.send(()).unwrap();
        reads.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), "12345");
        assert_eq!(taken.recv().unwrap(), "12345");
        stderr.flush(Duration::from_secs(600));
        stderr.write_all(b"again").unwrap();
        reads.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), "again", "it flows again");
        assert_eq!(stderr.dropped(), 998);
    }

    #[test]
    fn a_flush_waits_for_what_is_being_written() {
        let (mut stderr, reads, taken) = stalled(100);
        stderr.write_all(b"last words").unwrap();
        reads.send(()).unwrap();
        stderr.flush(Duration::from_secs(600));
        assert_eq!(taken.try_recv().unwrap(), "last words");
    }

    #[test]
    fn a_reader_that_left_is_no_reason_to_wait() {
        let (mut stderr, reads, taken) = stalled(100);
        drop((reads, taken));
        stderr.write_all(b"to nobody").unwrap();
        stderr.flush(Duration::from_secs(600));
        assert_eq!(stderr.dropped(), 1);
    }
}
