//! Values that GitHub refused under a lease, until a check finds that it accepts them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::Moment;
use broker_secret_memory::token::HashedToken;

use super::{Forwarding, Refusal};
use crate::checks::Pace;
use crate::lease::Lease;

#[derive(Default)]
pub(super) struct RefusedValues(Mutex<HashMap<HashedToken, RefusedValue>>);

struct RefusedValue {
    at: Moment,
    /// Boot time of the last check that this began.
    tried: Duration,
}

/// How long a check that GitHub did not answer is not tried again. Ours.
const CHECK_AGAIN: Duration = Duration::from_secs(60);

impl RefusedValues {
    fn lock(&self) -> MutexGuard<'_, HashMap<HashedToken, RefusedValue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forwarding {
    /// Refuses a value that GitHub refused, unless a check since then found that it accepts it.
    pub(super) fn refuse_unaccepted(
        self: &Arc<Self>,
        lease: &Lease,
        value: &HashedToken,
    ) -> Result<(), Refusal> {
        let mut values = self.refused_values.lock();
        let Some(refused) = values.get_mut(value) else {
            return Ok(());
        };
        let policies = self.policies.in_force();
        let declared = policies.set.secret(&lease.secret);
        let checked = declared.and_then(|declared| self.secrets.last_check_of(declared));
        let checked = checked.filter(|checked| refused.at.is_reached(&checked.checked_at));
        let now = self.journal.now().boot;
        match checked {
            Some(checked) if checked.accepted => {
                values.remove(value);
                return Ok(());
            }
            Some(_) => {}
            // GitHub did not answer it.
            None if now >= refused.tried + CHECK_AGAIN => {
                refused.tried = now;
                self.begin_check(lease);
            }
            None => {}
        }
        Err(Refusal::value_refused(&lease.secret))
    }

    /// Notes that GitHub refused a value, and asks whether it accepts it at all: a 401 may be about one
    /// request.
    pub(super) fn check_refused(self: &Arc<Self>, lease: &Lease, value: &HashedToken) {
        let refused = RefusedValue {
            at: self.journal.moment(),
            tried: self.journal.now().boot,
        };
        let before = {
            let mut values = self.refused_values.lock();
            // Of values that were replaced meanwhile.
            values.retain(|_, old| refused.tried < old.tried + A_DAY);
            values.insert(value.clone(), refused)
        };
        // Else a check is under way, or found the same.
        if before.is_none() {
            self.begin_check(lease);
        }
    }

    fn begin_check(self: &Arc<Self>, lease: &Lease) {
        let (this, secret) = (Arc::clone(self), lease.secret.clone());
        tokio::spawn(async move {
            let checked = this.checks.check_secret(None, &secret, Pace::Prompt).await;
            if let Err(error) = checked {
                tracing::warn!(%secret, cause = %error, "GitHub refused its value, and it could not be checked");
            }
        });
    }
}

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
