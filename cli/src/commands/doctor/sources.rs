//! Values that lie elsewhere: each place is asked before the status is read, which then says what it
//! came to.

use broker_protocol::api::{OnePasswordView, SecretView, SourcesProbed};
use broker_protocol::client::{ClientError, Request};
use broker_protocol::error::ErrorCode;

use super::Findings;
use crate::broker::Broker;
use crate::clock;
use crate::commands::PATIENCE;
use crate::error::Failure;

/// Has the broker ask every place.
pub(super) fn probe(broker: &Broker) -> Result<SourcesProbed, Failure> {
    let request = Request::new("POST", "/v1/sources/probe").patience(PATIENCE);
    Ok(broker.send(&request)?.json()?)
}

/// What is not known of the places. Whoever is no operator hears nothing of them, and of a locked store
/// the status tells.
pub(super) fn not_asked(found: &mut Findings, why: &Failure) {
    if let Failure::Broker(ClientError::Problem { problem, .. }) = why
        && matches!(problem.code, ErrorCode::Denied | ErrorCode::Locked)
    {
        return;
    }
    found.wrong(
        format!("it is not known whether values outside the vault can be had: {why}"),
        "`tokenctl status` says what is known; where a place hangs, shorten `[onepassword] wait`",
    );
}

/// How it stands with 1Password's limits.
pub(super) fn of_one_password(found: &mut Findings, view: &OnePasswordView) {
    if let Some(fault) = &view.fault {
        let fault = fault.strip_prefix("1Password: ").unwrap_or(fault);
        found.look(
            format!("1Password was asked how it is, and: {fault}"),
            "the lines of the secrets say which values cannot be had; while 1Password is down, those read before are served until `[sources] stale` is over",
        );
    }
    if view.requests * 10 >= view.allowed * 9 {
        found.look(
            format!(
                "1Password was asked {} times within a day, and this broker allows itself {}",
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
                "find who else uses the account's service accounts; a new one does not help",
            );
        }
    }
}

/// A value that is served although its place is down.
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
        "leases go on until `[sources] stale` is over; fix the place before that",
    );
}
