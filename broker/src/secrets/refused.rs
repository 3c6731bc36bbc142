//! Values that GitHub refused (401): at their last check, or at a use since then.
//!
//! A use is noted in memory, until a later check finds that GitHub accepts the value. Such a value is still handed
//! out where policy says so; leases, `status` and `doctor` say that it is refused.
//!
//! Not here: what follows for requests under a proxy lease (`forwarding`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_clock::Moment;
use broker_policy::SecretDeclaration;
use broker_secret_memory::token::HashedToken;
use jiff::{SignedDuration, Timestamp};

use super::Secrets;

/// When GitHub last refused each.
#[derive(Default)]
pub(super) struct RefusedValues(Mutex<HashMap<HashedToken, Moment>>);

/// Longer ago it was, a value was replaced long since, or would have been refused again.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

impl RefusedValues {
    fn lock(&self) -> MutexGuard<'_, HashMap<HashedToken, Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secrets {
    /// Notes that GitHub refused a value at a use.
    pub(crate) fn note_refused(&self, value: &HashedToken) {
        let now = self.journal.moment();
        let mut values = self.refused_values.lock();
        values.retain(|_, at| now.wall().duration_since(at.seen_from(&now)) < KEPT);
        values.insert(value.clone(), now);
    }

    /// Notes that GitHub accepts a value.
    pub(crate) fn note_accepted(&self, value: &HashedToken) {
        self.refused_values.lock().remove(value);
    }

    /// When GitHub refused this value at a use, if no acceptance was noted since.
    pub(crate) fn refused_at(&self, value: &HashedToken) -> Option<Moment> {
        self.refused_values.lock().get(value).cloned()
    }

    /// Whether GitHub refused this value at a use.
    pub(crate) fn was_refused(&self, value: &HashedToken) -> bool {
        self.refused_values.lock().contains_key(value)
    }

    /// Since when GitHub refuses the value in use of a secret: at its last check, or at a use since then. `None` if
    /// it does not, or that is not known.
    pub(crate) fn rejected_since(&self, declared: &SecretDeclaration) -> Option<Timestamp> {
        let checked = self.last_check_of(declared);
        let in_use = self.hash_in_use(declared);
        let at_use = in_use.and_then(|value| self.refused_at(&value));
        if let Some(checked) = &checked
            && !checked.accepted
        {
            return Some(checked.checked_at.wall());
        }
        let at_use = at_use?;
        let since_then = checked.is_some_and(|checked| at_use.is_reached(&checked.checked_at));
        (!since_then).then(|| at_use.wall())
    }
}
