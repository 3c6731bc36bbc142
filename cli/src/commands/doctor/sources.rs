//! Values that lie elsewhere: each place is asked before the status is read, which then says what it
//! came to.

use broker_protocol::api::{OnePasswordView, SecretView, SourcesProbed};
use broker_protocol::client::Request;

use super::Findings;
use crate::broker::Broker;
use crate::clock;

/// Has the broker ask every place. Whoever is no operator hears nothing of them.
pub(super) fn probe(broker: &Broker) -> Option<SourcesProbed> {
    let answer = broker.send(&Request::new("POST", "/v1/sources/probe"));
    answer.ok()?.json().ok()
}

/// How it stands with 1Password's limits.
pub(super) fn of_one_password(found: &mut Findings, view: &OnePasswordView) {
    if let Some(fault) = &view.fault {
        found.look(
            format!("1Password does not say what is left of its limits: {fault}"),
            "secrets that lie there are asked for as far as this broker's own count allows",
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
        "leases go on until `[sources] stale` is over; mend the place before that",
    );
}
