//! Values that GitHub refused: no request goes on with one before a check finds that GitHub accepts it.
//!
//! Which these are `secrets` knows. Here is when a check of each was last begun.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_secret_memory::token::HashedToken;

use super::{Forwarding, Refusal};
use crate::checks::Pace;
use crate::lease::Lease;

/// Boot time of the last check of each that this began.
#[derive(Default)]
pub(super) struct ChecksBegun(Mutex<HashMap<HashedToken, Duration>>);

/// How long a check that GitHub did not answer is not tried again. Ours.
const CHECK_AGAIN: Duration = Duration::from_secs(60);

impl ChecksBegun {
    fn lock(&self) -> MutexGuard<'_, HashMap<HashedToken, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time for a check of this value. If so, it counts as begun.
    fn is_due(&self, value: &HashedToken, now: Duration) -> bool {
        let mut begun = self.lock();
        let is_recent = |begun: &Duration| now < begun.saturating_add(CHECK_AGAIN);
        if begun.get(value).is_some_and(is_recent) {
            return false;
        }
        // Of values that were replaced meanwhile.
        begun.retain(|_, begun| is_recent(begun));
        begun.insert(value.clone(), now);
        true
    }
}

impl Forwarding {
    /// Refuses a value that GitHub refused, unless a check since then found that it accepts it.
    pub(super) fn refuse_unaccepted(
        self: &Arc<Self>,
        lease: &Lease,
        value: &HashedToken,
    ) -> Result<(), Refusal> {
        let Some(refused_at) = self.secrets.refused_at(value) else {
            return Ok(());
        };
        let policies = self.policies.in_force();
        let declared = policies.set.secret(&lease.secret);
        let checked = declared.and_then(|declared| self.secrets.last_check_of(declared));
        match checked.filter(|checked| refused_at.is_reached(&checked.checked_at)) {
            Some(checked) if checked.accepted => {
                self.secrets.note_accepted(value);
                self.checks_begun.lock().remove(value);
                return Ok(());
            }
            Some(_) => {}
            // GitHub did not answer it, or it was refused where no check follows.
            None => self.check_if_due(lease, value),
        }
        Err(Refusal::value_refused(&lease.secret))
    }

    /// Notes that GitHub refused a value, and asks whether it accepts it at all: a 401 may be about one
    /// request.
    pub(super) fn check_refused(self: &Arc<Self>, lease: &Lease, value: &HashedToken) {
        self.secrets.note_refused(value);
        self.check_if_due(lease, value);
    }

    fn check_if_due(self: &Arc<Self>, lease: &Lease, value: &HashedToken) {
        if !self.checks_begun.is_due(value, self.journal.now().boot) {
            return;
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
