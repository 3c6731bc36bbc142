//! Values that GitHub refused under a lease, until a check finds that it accepts them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_clock::Moment;
use broker_secret_memory::token::HashedToken;

use super::{Forwarding, Refusal};
use crate::checks::Pace;
use crate::lease::Lease;

/// When each was refused.
#[derive(Default)]
pub(super) struct RefusedValues(Mutex<HashMap<HashedToken, Moment>>);

impl RefusedValues {
    fn lock(&self) -> MutexGuard<'_, HashMap<HashedToken, Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forwarding {
    /// Refuses a value that GitHub refused, unless a check since then found that it accepts it.
    pub(super) fn refuse_unaccepted(
        &self,
        lease: &Lease,
        value: &HashedToken,
    ) -> Result<(), Refusal> {
        let mut refused = self.refused_values.lock();
        let Some(at) = refused.get(value) else {
            return Ok(());
        };
        let policies = self.policies.in_force();
        let declared = policies.set.secret(&lease.secret);
        let checked = declared.and_then(|declared| self.secrets.last_check_of(declared));
        if checked.is_some_and(|checked| checked.accepted && at.is_reached(&checked.checked_at)) {
            refused.remove(value);
            return Ok(());
        }
        Err(Refusal::value_refused(&lease.secret))
    }

    /// Notes that GitHub refused a value, and asks whether it accepts it at all: a 401 may be about one
    /// request.
    pub(super) fn check_refused(self: &Arc<Self>, lease: &Lease, value: &HashedToken) {
        let at = self.journal.moment();
        if self
            .refused_values
            .lock()
            .insert(value.clone(), at)
            .is_some()
        {
            return; // A check is under way, or found the same.
        }
        let (this, secret) = (Arc::clone(self), lease.secret.clone());
        tokio::spawn(async move {
            let checked = this.checks.check_secret(None, &secret, Pace::Prompt).await;
            if let Err(error) = checked {
                tracing::warn!(%secret, cause = %error, "GitHub refused its value, and it could not be checked");
            }
        });
    }
}
