//! Refusals: recorded, up to a number an account and minute, and counted from there.

use broker_audit::record::{Body, Event, LeaseEvent};
use broker_audit_writer::Effect;
use broker_policy::{Denial, Request};
use broker_protocol::error::ErrorCode;

use super::IssueError;
use crate::api_error::ApiError as _;
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::budget::Budget;

impl Leases {
    /// Records a refusal, or counts it where the account has had too many.
    pub(crate) async fn deny(
        &self,
        request: &Request,
        reason: Option<&str>,
        denial: Denial,
    ) -> IssueError {
        let (code, rule, why) = match &denial {
            Denial::NoSuchPurpose => (ErrorCode::Denied, None, "no such purpose"),
            Denial::NoRule => (ErrorCode::Denied, None, "no rule matches the caller"),
            Denial::TooWide { rule, what } => {
                (ErrorCode::TooWide, Some(rule.as_ref()), what.as_str())
            }
        };
        let event = LeaseEvent::Denied {
            caller: lease_record::caller(&request.caller),
            purpose: request.purpose.as_str(),
            rule,
            code: code.as_str(),
            why,
            reason,
        };
        let recorded = self.record_refusal(request.caller.account(), code, &event);
        match recorded.await {
            Ok(seq) => match denial {
                Denial::NoSuchPurpose | Denial::NoRule => IssueError::Denied {
                    purpose: request.purpose.clone(),
                    seq,
                },
                Denial::TooWide { rule, what } => IssueError::TooWide { rule, what, seq },
            },
            Err(error) => error,
        }
    }

    /// Records that policy said yes and the secret was not there to be handed out, or the account
    /// behind it is limited.
    pub(super) async fn unavailable(&self, request: &Request, error: IssueError) -> IssueError {
        if !matches!(
            error,
            IssueError::SecretMissing(_)
                | IssueError::SecretExpired(_)
                | IssueError::Limited { .. }
        ) {
            return error;
        }
        let code = error.answer().code;
        let event = LeaseEvent::Denied {
            caller: lease_record::caller(&request.caller),
            purpose: request.purpose.as_str(),
            rule: None,
            code: code.as_str(),
            why: &error.to_string(),
            reason: None,
        };
        let recorded = self.record_refusal(request.caller.account(), code, &event);
        match recorded.await {
            Ok(_) => error,
            // One of many, which are counted. The limit lasts whatever the account has left.
            Err(IssueError::Flood { .. } | IssueError::LogFlood { .. })
                if matches!(error, IssueError::Limited { .. }) =>
            {
                error
            }
            Err(instead) => instead,
        }
    }

    /// Records a refusal with this code; past the account's budget it is only counted.
    pub(crate) async fn record_refusal(
        &self,
        account: u32,
        code: ErrorCode,
        event: &impl Event,
    ) -> Result<u64, IssueError> {
        self.spend(&self.refusals, account)?;
        let body = Body::of(event)?;
        // Only counted from there, like all that is past a budget.
        self.spend_bytes(account, body.as_str().len())?;
        let code = [("code", code.as_str().to_owned())];
        self.counters.refusals.get_or_create(&code).inc();
        self.journal
            .record_body(body, Effect::Nothing)
            .await
            .map_err(IssueError::NotRecorded)
    }

    /// Takes what a record takes of the log from an account's budget for this minute.
    pub(crate) fn spend_bytes(&self, account: u32, bytes: usize) -> Result<(), IssueError> {
        let spent = self.written.spend(account, bytes, self.journal.now());
        spent.map_err(|retry_after| IssueError::LogFlood {
            mib: self.config.limits.audit_mib_per_account,
            retry_after,
        })
    }

    /// Takes one from an account's budget for this minute.
    pub(crate) fn spend(&self, budget: &Budget, account: u32) -> Result<(), IssueError> {
        let spent = budget.spend(account, 1, self.journal.now());
        spent.map_err(|retry_after| IssueError::Flood { retry_after })
    }
}
