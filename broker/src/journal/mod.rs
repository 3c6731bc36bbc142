//! The audit log and the clock: the one place where records are written.
//!
//! What is recorded before it takes effect goes through [`Journal::record`] and its kin, which refuse where
//! the log cannot be written. What takes effect in any case (an end, a lock, a failure) goes through
//! [`Journal::record_or_trace`]: it is written as soon as that is possible.
//!
//! Not here: what a record says, and who may do what it says.

mod readers;
mod subscription;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use broker_audit::chain::Head;
use broker_audit::record::{Body, Event};
use broker_clock::{BootId, Clock, Moment, Now};
use broker_protocol::names::LeaseId;

use broker_audit_writer::{AuditLog, AuditLogError, Effect, Export, Recorded, Use};

use self::readers::Readers;
pub(crate) use self::subscription::Subscription;

pub(crate) struct Journal {
    log: AuditLog,
    directory: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where operators' readings of the log have got to.
    pub(crate) readers: Readers,
}

impl Journal {
    /// Writes into this log, whose files are in this directory, by this clock.
    pub(crate) fn new(log: AuditLog, directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            log,
            directory,
            clock,
            readers: Readers::default(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// This moment, to be written down.
    pub(crate) fn moment(&self) -> Moment {
        Moment::new(self.now(), self.boot_id())
    }

    pub(crate) fn boot_id(&self) -> &BootId {
        self.clock.boot_id()
    }

    /// Follows the log from this record on, counted from 0.
    pub(crate) fn subscribe(&self, from: u64) -> Subscription {
        Subscription::new(self.directory.clone(), self.log.follow(), from)
    }

    /// The head after the last acknowledged record.
    pub(crate) fn head(&self) -> Head {
        self.log.head()
    }

    /// Why the log refuses records, with what helps; `None` if it does not.
    pub(crate) fn fault(&self) -> Option<String> {
        self.log.fault()
    }

    /// Writes what is waiting; later records are refused. Blocks for a few syncs.
    pub(crate) fn close(&self) {
        self.log.close();
    }

    /// Makes a record durable before what it says takes effect. Returns its place in the log.
    ///
    /// # Errors
    ///
    /// [`AuditLogError`]: it is not durable, and nothing may take effect.
    pub(crate) async fn record(&self, event: &impl Event) -> Result<u64, AuditLogError> {
        self.record_body(Body::of(event)?, Effect::Nothing).await
    }

    /// Makes a record durable whose body carries a MAC, or that has an effect on what a start rebuilds.
    ///
    /// # Errors
    ///
    /// As for [`Self::record`].
    pub(crate) async fn record_body(
        &self,
        body: Body,
        effect: Effect,
    ) -> Result<u64, AuditLogError> {
        self.log.record(body, effect).await
    }

    /// Makes the record of a use durable, and with it the proof that opens the value.
    ///
    /// # Errors
    ///
    /// As for [`Self::record`]; the use is gone with it.
    pub(crate) async fn record_use(
        &self,
        usage: Use,
        event: &impl Event,
    ) -> Result<Recorded<Use>, AuditLogError> {
        self.record_use_body(usage, Body::of(event)?, Effect::Nothing)
            .await
    }

    /// Makes the record of a use durable, with a body as for [`Self::record_body`].
    ///
    /// # Errors
    ///
    /// As for [`Self::record_use`].
    pub(crate) async fn record_use_body(
        &self,
        usage: Use,
        body: Body,
        effect: Effect,
    ) -> Result<Recorded<Use>, AuditLogError> {
        self.log.record_use(usage, body, effect).await
    }

    /// Makes the record of a backup durable, and with it the proof that lets its bytes go.
    ///
    /// # Errors
    ///
    /// As for [`Self::record`].
    pub(crate) async fn record_export(
        &self,
        export: Export,
        event: &impl Event,
    ) -> Result<Recorded<Export>, AuditLogError> {
        self.log.record_export(export, Body::of(event)?).await
    }

    /// Records what happened whether or not it can be recorded. `true` if it was.
    pub(crate) async fn record_or_trace(&self, event: &impl Event) -> bool {
        match Body::of(event) {
            Ok(body) => self.record_body_or_trace(body).await,
            Err(error) => not_json(&error),
        }
    }

    /// Records what happened, as [`Self::record_or_trace`] does, with a body that carries a MAC.
    pub(crate) async fn record_body_or_trace(&self, body: Body) -> bool {
        let written = self.log.record_anyway(body, Effect::Nothing).await;
        if !written {
            tracing::error!(
                "a record is not in the audit log yet; it is written when that is possible"
            );
        }
        written
    }

    /// Records what happened, as [`Self::record_or_trace`] does, without waiting for it.
    pub(crate) fn note(&self, event: &impl Event) {
        match Body::of(event) {
            Ok(body) => self.log.note(body),
            Err(error) => drop(not_json(&error)),
        }
    }

    /// Records the end of a lease, which has taken effect. `true` if it is in the log already.
    pub(crate) async fn record_end(&self, event: &impl Event, lease: &LeaseId) -> bool {
        match Body::of(event) {
            Ok(body) => {
                let ends = Effect::LeaseEnds(lease.clone());
                self.log.record_anyway(body, ends).await
            }
            Err(error) => not_json(&error),
        }
    }
}

fn not_json(error: &serde_json::Error) -> bool {
    tracing::error!(cause = %error, "a record could not be written as JSON");
    false
}
