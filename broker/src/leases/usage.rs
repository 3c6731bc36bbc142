//! Grants since the vault last noted the audit log's head: figures for operators.
//!
//! The audit log is the account of record; these are a summary of it, so that `tokenctl secret show`
//! need not read the whole log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use broker_protocol::names::{Delivery, Purpose, SecretName};
use broker_vault::UsageDelta;
use jiff::Timestamp;

use crate::lease::Lease;

/// What the next note will add.
#[derive(Debug, Default)]
pub(crate) struct PendingUsage {
    /// How many, and when the last.
    pending: Mutex<HashMap<UsageKey, (u64, Timestamp)>>,
}

/// What is counted together.
#[derive(Debug, PartialEq, Eq, Hash)]
struct UsageKey {
    secret: SecretName,
    version: Option<u64>,
    exposed_to: Option<(u32, Purpose)>,
}

impl PendingUsage {
    /// Counts one lease.
    pub(crate) fn granted(&self, lease: &Lease) {
        let of = UsageKey {
            secret: lease.secret.clone(),
            version: lease.version,
            exposed_to: (lease.deliver == Delivery::Raw)
                .then(|| (lease.caller.account(), lease.purpose.clone())),
        };
        let at = lease.span.issued.wall;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = pending.entry(of).or_insert((0, at));
        *count += 1;
        *last = at.max(*last);
    }

    /// Takes what has been counted.
    pub(crate) fn take(&self) -> Vec<UsageDelta> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let deltas = pending.drain().map(|(of, (leases, at))| UsageDelta {
            secret: of.secret,
            version: of.version,
            leases,
            at,
            exposed_to: of.exposed_to,
        });
        deltas.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use broker_clock::Now;

    #[test]
    fn leases_of_one_account_are_counted_together_and_once() {
        let usage = PendingUsage::default();
        for (uid, second) in [(7, 20), (7, 10), (8, 30)] {
            let now = Now {
                wall: Timestamp::from_second(second).unwrap(),
                boot: Duration::ZERO,
            };
            usage.granted(&Lease::in_a_test(1, uid, now, Duration::from_secs(60)));
        }
        let mut counted: Vec<_> = usage
            .take()
            .into_iter()
            .map(|delta| {
                (
                    delta.exposed_to.unwrap().0,
                    delta.leases,
                    delta.at.as_second(),
                )
            })
            .collect();
        counted.sort_unstable();
        assert_eq!(counted, [(7, 2, 20), (8, 1, 30)]);
        assert!(usage.take().is_empty());
    }
}
