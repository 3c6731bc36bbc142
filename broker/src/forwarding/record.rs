//! What is on record of a request: before it goes on, and where it does not.

use std::sync::Arc;

use broker_audit::record::{Body, ProxyEvent};
use broker_audit_writer::Effect;
use broker_protocol::error::ErrorCode;

use super::decide::Passage;
use super::outcome::{ForwardedRequest, Outcome};
use super::{Forwarding, ProxyRequest, Refusal};
use crate::caller::Peer;
use crate::lease::Lease;
use crate::lease_record;
use crate::leases::issue::IssueError;

/// What the record of a refusal says of a request.
#[derive(Clone, Copy)]
pub(crate) struct RefusedRequest<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

impl ProxyRequest {
    pub(super) fn described(&self) -> RefusedRequest<'_> {
        RefusedRequest {
            peer: &self.peer,
            method: self.method.as_str(),
            path: &self.path,
        }
    }
}

impl Forwarding {
    /// Makes a write durable before it goes on; a read only where configuration says so. The record of the
    /// outcome is never refused, so it is paid for here.
    pub(super) async fn record(
        &self,
        lease: &Lease,
        request: &ProxyRequest,
        passage: &mut Passage,
    ) -> Result<Outcome, Refusal> {
        let account = lease.caller.account();
        let forwarded = ForwardedRequest::new(lease, request, passage);
        self.leases
            .spend_bytes(account, forwarded.longest_outcome())?;
        let journal = Arc::clone(&self.journal);
        if forwarded.is_read() && !self.config.record_reads_first {
            return match journal.fault() {
                Some(fault) => Err(Refusal::not_recorded(&fault)),
                None => Ok(Outcome::new(journal, forwarded, None)),
            };
        }
        let body = Body::of(&forwarded.announced()).map_err(IssueError::Record)?;
        self.leases.spend_bytes(account, body.as_str().len())?;
        // In a task: what is announced has an outcome on record, also if the caller is gone by then.
        let recording = tokio::spawn(async move {
            let recorded = journal.record_body(body, Effect::Nothing).await;
            recorded.map(|seq| Outcome::new(journal, forwarded, Some(seq)))
        });
        let recorded = recording.await.map_err(|_panic| IssueError::Stopping)?;
        Ok(recorded.map_err(IssueError::NotRecorded)?)
    }

    /// Records a refusal, as a denial is: up to a number for each account and minute.
    pub(crate) async fn refuse(
        &self,
        request: RefusedRequest<'_>,
        lease: Option<&Lease>,
        refusal: Refusal,
    ) -> Refusal {
        let caller = request.peer.described();
        let event = ProxyEvent::Refused {
            caller: lease_record::caller(&caller),
            lease: lease.map(|lease| lease.id.as_str()),
            method: request.method,
            path: request.path,
            code: refusal.code.as_str(),
            why: &refusal.why,
        };
        let account = caller.account();
        let recorded = self.leases.record_refusal(account, refusal.code, &event);
        match recorded.await {
            Ok(_) => refusal,
            // One of many, which are counted. What it says of the wait is what holds.
            Err(IssueError::Flood { .. } | IssueError::LogFlood { .. })
                if refusal.code == ErrorCode::RateLimited =>
            {
                refusal
            }
            Err(instead) => instead.into(),
        }
    }
}
