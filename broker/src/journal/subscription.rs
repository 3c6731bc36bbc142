//! Following the audit log: anchors, reports, `tail -f`.
//!
//! What is followed is the log's files, and the writer only says that there is more. So a reader that
//! hangs, panics or falls behind holds nothing up and loses no record: it goes on where it was, and knows
//! how far behind it is.

use std::io;
use std::path::PathBuf;

use tokio::sync::watch;

use broker_audit_writer::read::{self, Range};

/// A place in the log, and news of what comes after it.
pub(crate) struct Subscription {
    directory: PathBuf,
    /// How many records are durable.
    durable: watch::Receiver<u64>,
    next: u64,
}

impl Subscription {
    pub(super) const fn new(directory: PathBuf, durable: watch::Receiver<u64>, from: u64) -> Self {
        Self {
            directory,
            durable,
            next: from,
        }
    }

    /// How many records are durable that this has not read yet.
    pub(crate) fn behind(&self) -> u64 {
        self.durable.borrow().saturating_sub(self.next)
    }

    /// Returns when there is more to read. Of a log that is closed it waits for as long as the journal is
    /// there.
    pub(crate) async fn more(&mut self) {
        let next = self.next;
        if self
            .durable
            .wait_for(|durable| *durable > next)
            .await
            .is_err()
        {
            tracing::trace!("the journal is gone");
        }
    }

    /// What follows, at most `records` of it, and no more than fit into `bytes`; the first in any case.
    ///
    /// # Errors
    ///
    /// If the log's files cannot be read; the place stays where it is.
    pub(crate) async fn read(&mut self, records: u64, bytes: usize) -> io::Result<Range> {
        let (directory, from) = (self.directory.clone(), self.next);
        // No more than what is acknowledged: what is not may yet be taken back.
        let records = records.min(self.behind());
        let reading = move || read::range(&directory, from, records, bytes);
        let range = tokio::task::spawn_blocking(reading).await??;
        self.next += range.records;
        Ok(range)
    }
}
