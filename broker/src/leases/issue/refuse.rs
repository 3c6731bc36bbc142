//! Refusals: recorded, up to a number an account and minute, and counted from there.

use broker_audit::record::{Body, LeaseEvent};
use broker_audit_writer::Effect;
use broker_policy::{Denial, Request};
use broker_protocol::error::ErrorCode;

use super::{IssueError, LeaseOptions};
use crate::api_error::ApiError as _;
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::budget::Budget;

impl Leases {
    /// Records a refusal, or counts it where the account has had too many.
    pub(crate) async fn deny(
        &self,
        request: &Request,
        options: &LeaseOptions,
        denial: Denial,
    ) -> IssueError {
        let (code, rule, why) = match &denial {
            Denial::NoSuchPurpose => (ErrorCode::Denied, None, "no such purpose"),
            Denial::NoRule => (ErrorCode::Denied, None, "no rule matches the caller"),
            Denial::TooWide { rule, what } => {
                (ErrorCode::TooWide, Some(rule.as_ref()), what.as_str())
            }
        };
        let refusal = DenialRecord {
            code,
            rule,
            why,
            reason: options.reason.as_deref(),
        };
        match self.record_refusal(request, refusal).await {
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
        let why = error.to_string();
        let refusal = DenialRecord {
            code: error.answer().code,
            rule: None,
            why: &why,
            reason: None,
        };
        match self.record_refusal(request, refusal).await {
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

    async fn record_refusal(
        &self,
        request: &Request,
        refusal: DenialRecord<'_>,
    ) -> Result<u64, IssueError> {
        let account = request.caller.account();
        self.spend(&self.refusals, account)?;
        let body = Body::of(&LeaseEvent::Denied {
            caller: lease_record::caller(&request.caller),
            purpose: request.purpose.as_str(),
            rule: refusal.rule,
            code: refusal.code.as_str(),
            why: refusal.why,
            reason: refusal.reason,
        })?;
        // Only counted from there, like all that is past a budget.
        let bytes = u32::try_from(body.as_str().len()).unwrap_or(u32::MAX);
        self.spend_bytes(account, bytes)?;
        let code = [("code", refusal.code.as_str().to_owned())];
        self.counters.refusals.get_or_create(&code).inc();
        self.journal
            .record_body(body, Effect::Nothing)
            .await
            .map_err(IssueError::NotRecorded)
    }

    /// Takes what a record takes of the log from an account's budget for this minute.
    pub(crate) fn spend_bytes(&self, account: u32, bytes: u32) -> Result<(), IssueError> {
        let spent = self.written.spend_some(account, bytes, self.journal.now());
        spent.map_err(|spent| IssueError::LogFlood {
            mib: self.config.limits.audit_mib_per_account,
            retry_after: spent.retry_after,
        })
    }

    /// Takes one from an account's budget for this minute.
    pub(crate) fn spend(&self, budget: &Budget, uid: u32) -> Result<(), IssueError> {
        budget
            .spend(uid, self.journal.now())
            .map_err(|spent| IssueError::Flood {
                retry_after: spent.retry_after,
            })
    }
}

struct DenialRecord<'a> {
    code: ErrorCode,
    rule: Option<&'a str>,
    why: &'a str,
    reason: Option<&'a str>,
}
