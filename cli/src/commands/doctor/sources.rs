//! Values outside the vault: each source is asked before the status is read, which then has the result.

use broker_protocol::api::{OnePasswordView, SecretView, SourcesProbed};
use broker_protocol::client::ClientError;
use broker_protocol::error::ErrorCode;

use super::Findings;
use crate::broker::Broker;
use crate::clock;
use crate::error::Failure;

/// Has the broker read every source.
pub(super) fn probe(broker: &Broker) -> Result<SourcesProbed, Failure> {
    Ok(broker.act("/v1/sources/probe")?.json()?)
}

/// That sources could not be read. A caller who is no operator is not shown them, and a locked store is
/// a finding of its own.
pub(super) fn not_asked(found: &mut Findings, why: &Failure) {
    if let Failure::Broker(ClientError::Problem { problem, .. }) = why
        && matches!(problem.code, ErrorCode::Denied | ErrorCode::Locked)
    {
        return;
    }
    found.wrong(
        format!("cannot tell whether values outside the vault can be read: {why}"),
        "see `tokenctl status` for what is known; if a source hangs, shorten `[onepassword] wait`",
    );
}

/// The limits of 1Password.
pub(super) fn of_one_password(found: &mut Findings, view: &OnePasswordView) {
    if let Some(fault) = &view.fault {
        let fault = fault.strip_prefix("1Password: ").unwrap_or(fault);
        found.look(
            format!("1Password did not report its limits: {fault}"),
            "see the findings on secrets for values that cannot be read; while 1Password is down, earlier values are served until `[sources] stale` is over",
        );
    }
    if view.requests * 10 >= view.allowed * 9 {
        found.look(
            format!(
                "the broker made {} requests to 1Password within a day; its own limit is {}",
                view.requests, view.allowed
            ),
            "raise `[sources] ttl`, or set `[onepassword] plan` to what the account pays for",
        );
    }
    for limit in &view.limits {
        if limit.remaining * 10 <= limit.limit {
            found.look(
                format!(
                    "1Password has {} of {} requests left for this {} ({})",
                    limit.remaining, limit.limit, limit.whose, limit.action
                ),
                "find out who else uses the account's service accounts; a new service account does not help",
            );
        }
    }
}

/// A value that is served although its source is down.
pub(super) fn of_stale(found: &mut Findings, secret: &SecretView) {
    let (Some(since), Some(fault)) = (secret.stale_since, &secret.source_fault) else {
        return;
    };
    found.look(
        format!(
            "secret {} is served from what was read before, past its time since {}: {fault}",
            secret.name,
            clock::short(since)
        ),
        "leases go on until `[sources] stale` is over; fix the source before that",
    );
}
