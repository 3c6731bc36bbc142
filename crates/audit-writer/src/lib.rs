//! The durable account of decisions and outcomes; the only maker of [`Recorded`].
//!
//! ```text
//! Body ─push→ queue ─one write, one sync for all who wait→ segment ─answer→ Recorded<Use>
//! ```
//!
//! A record is acknowledged only after the sync that made it durable returned without error. When
//! that cannot be had, everybody is refused until it can (`appender`). What a crash or a failure
//! leaves behind is sorted out by `recovery`, the same code at start and while running.
//!
//! Not here: the format (`broker_audit`), what a record says, whether a MAC is right, and when a
//! lease is over. Two brokers on one store are kept apart at startup.

mod ahead;
mod appender;
mod disk;
mod error;
mod group_commit;
mod layout;
mod live_leases;
pub mod read;
mod recovery;
mod replay;
mod segment;
mod set_aside;
mod since_noted;
mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use broker_audit::chain::Head;
use broker_audit::record::Body;
use broker_clock::Clock;
use broker_protocol::names::SecretName;
use jiff::Timestamp;
use nix::unistd::Gid;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use self::ahead::Ahead;
use self::appender::{Appender, Entry};
use self::disk::{Disk, OsDisk};
use self::group_commit::{Answer, IfRefused, Pending, Queue, Writer, lock, stopped};
use self::recovery::KnownHeads;

pub use self::error::AuditLogError;
pub use self::live_leases::{Effect, LeaseRecord, LiveLease};
pub use self::since_noted::{Removal, SinceNoted};

/// What a secret is about to be used for.
#[derive(Debug)]
pub struct Use {
    /// The secret.
    pub secret: SecretName,
    /// The version of it that the record names; `None` where the value is not stored in the vault.
    pub version: Option<u64>,
}

impl Use {
    /// Of this version of a secret, or of a value that is not stored in the vault.
    #[must_use]
    pub fn of(secret: &SecretName, version: Option<u64>) -> Self {
        Self {
            secret: secret.clone(),
            version,
        }
    }
}

/// Everything is about to leave the broker, the root key too, sealed under a passphrase: a backup.
#[derive(Debug)]
pub struct Export {
    /// SHA-256 of the bytes that leave, hexadecimal; the record names it.
    pub sha256: String,
}

/// Proof that the record which allows `T` is durable. [`AuditLog`] makes it of a [`Use`] and of an
/// [`Export`], and of nothing else.
#[derive(Debug)]
pub struct Recorded<T> {
    inner: T,
    seq: u64,
}

impl<T> Recorded<T> {
    /// The record's place in the log, counted from 0.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What was recorded.
    pub const fn get(&self) -> &T {
        &self.inner
    }
}

/// Who a log belongs to. Kept in the vault; the first record of the log repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdentity {
    /// 32 hexadecimal digits.
    pub log_id: String,
    /// Ed25519 public key, base64.
    pub public_key: String,
}

/// How to open a log.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of the segments; its parent must exist.
    pub dir: PathBuf,
    /// The group that may read them; no other account if `None`.
    pub read_group: Option<Gid>,
    /// Whose log it must be.
    pub identity: LogIdentity,
    /// The head the vault last noted: the log must lead through it. `None` before the first.
    pub noted: Option<Head>,
    /// The head it last noted under a MAC, which may be an earlier one: the log must lead through it too.
    pub authenticated: Option<Head>,
    /// Whether the last segment is extended with zeros before records need the room.
    pub ahead: bool,
    /// Largest size of a segment in bytes, [`SEGMENT_LIMIT`] except in tests.
    pub segment_limit: u64,
}

/// 64 MiB.
pub const SEGMENT_LIMIT: u64 = 64 << 20;

/// What was found when the log was opened.
#[derive(Debug, Default)]
pub struct LogState {
    /// The leases that no record has ended; no MAC is checked yet.
    pub live: Vec<LiveLease>,
    /// What the records after the noted head say.
    pub since_noted: SinceNoted,
    /// When the last record was written, by the wall clock of that moment.
    pub last_time: Option<Timestamp>,
    /// Whether bytes were moved aside from the end of the log (`log.recovered` names them).
    pub recovered: bool,
    /// Whether there was no log before.
    pub created: bool,
}

/// The log and its one writer. Dropping it writes what is waiting and stops the writer.
pub struct AuditLog {
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AuditLog {
    /// Opens the log, or makes it; repairs its end; starts the writer.
    ///
    /// # Errors
    ///
    /// If the log cannot be read or written, is exposed to others, is another vault's, or lacks
    /// records that the noted head proves.
    pub fn open(
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, LogState), AuditLogError> {
        let disk = OsDisk::new(&options.dir, options.read_group)?;
        Self::open_on(disk, options, clock)
    }

    fn open_on<D: Disk>(
        disk: D,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, LogState), AuditLogError> {
        let Options {
            dir,
            identity,
            noted,
            authenticated,
            ahead,
            segment_limit,
            ..
        } = options;
        let step = if ahead { ahead::STEP } else { 0 };
        let ahead = Ahead::on_a_thread(step)
            .map_err(AuditLogError::io("start the thread that extends", &dir))?;
        let noted = KnownHeads::of(noted, authenticated);
        let now = clock.now();
        let (appender, opened) =
            Appender::open(disk, identity, noted, (segment_limit, ahead), now)?;
        let queue = Arc::new(Queue::new(appender.head));
        let writer = Writer::new(appender, Arc::clone(&queue), clock);
        let thread = std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || writer.run())
            .map_err(AuditLogError::io("start the writer of", &dir))?;
        let writer = Mutex::new(Some(thread));
        Ok((Self { queue, writer }, opened))
    }

    /// Makes a record durable and returns its place in the log.
    ///
    /// Dropping the future does not take the record back.
    ///
    /// # Errors
    ///
    /// [`AuditLogError::Unavailable`] if it is not durable. It may still have reached the disk; then
    /// it is moved aside, or, if the broker is killed first, found and kept at the next start.
    pub async fn record(&self, body: Body, effect: Effect) -> Result<u64, AuditLogError> {
        let answer = self.push(body, effect, IfRefused::Forget).await;
        answer.unwrap_or_else(|_| Err(stopped()))
    }

    /// Makes the record of a use durable, and with it the proof that allows it.
    ///
    /// # Errors
    ///
    /// As for [`AuditLog::record`]; then there is no proof, and the use must not happen.
    pub async fn record_use(
        &self,
        usage: Use,
        body: Body,
        effect: Effect,
    ) -> Result<Recorded<Use>, AuditLogError> {
        let seq = self.record(body, effect).await?;
        Ok(Recorded { inner: usage, seq })
    }

    /// The same for an export.
    ///
    /// # Errors
    ///
    /// As for [`AuditLog::record`]; the export is lost then, and must be made again.
    pub async fn record_export(
        &self,
        export: Export,
        body: Body,
    ) -> Result<Recorded<Export>, AuditLogError> {
        let seq = self.record(body, Effect::Nothing).await?;
        Ok(Recorded { inner: export, seq })
    }

    /// Records what takes effect in any case: the end of a lease, a lock. Whether it is durable; if
    /// not, it is kept in memory and written before anything else when the log works again.
    ///
    /// Kept are at most one end for each live lease, and 256 other records.
    pub async fn record_anyway(&self, body: Body, effect: Effect) -> bool {
        let answer = self.push(body, effect, IfRefused::WriteLater).await;
        answer.is_ok_and(|recorded| recorded.is_ok())
    }

    /// The same as [`AuditLog::record_anyway`], not waited for: it is written within milliseconds, together with
    /// others.
    pub fn note(&self, body: Body) {
        let entry = Entry {
            body,
            effect: Effect::Nothing,
        };
        self.queue.push(Pending {
            entry,
            if_refused: IfRefused::WriteLater,
            answer: None,
        });
    }

    /// [`AuditLog::record`] for a thread that may wait. Must not be called from async code.
    ///
    /// # Errors
    ///
    /// As for [`AuditLog::record`].
    pub fn record_blocking(&self, body: Body, effect: Effect) -> Result<u64, AuditLogError> {
        let answer = self.push(body, effect, IfRefused::Forget).blocking_recv();
        answer.unwrap_or_else(|_| Err(stopped()))
    }

    fn push(&self, body: Body, effect: Effect, if_refused: IfRefused) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        self.queue.push(Pending {
            entry: Entry { body, effect },
            if_refused,
            answer: Some(answer),
        });
        receiver
    }

    /// The head after the last acknowledged record.
    #[must_use]
    pub fn head(&self) -> Head {
        lock(&self.queue.durable).head
    }

    /// How many records are durable, updated each time there are more. The writer waits for no reader.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.queue.records.subscribe()
    }

    /// Why the log refuses to append, with what to do; `None` if it does not.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        lock(&self.queue.durable).fault.clone()
    }

    /// Writes what is waiting and stops the writer. Later records are refused.
    ///
    /// Blocks for as long as that takes: a few syncs.
    pub fn close(&self) {
        self.queue.close();
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the audit log's writer panicked");
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.close();
    }
}
