//! Values that GitHub refused (401): at their last check, or at a use since then.
//!
//! A use is noted in memory, until a later check finds that GitHub accepts the value. A refusal at a check is noted
//! too: the vault keeps only the last check of a secret, and who was handed the value before still has it. Such a value
//! is still handed out where policy says so; leases, `status` and `doctor` say that it is refused.
//!
//! Not here: what follows for requests under a proxy lease (`forwarding`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_clock::Moment;
use broker_policy::SecretDeclaration;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use broker_vault::Checked;
use jiff::{SignedDuration, Timestamp};

use super::Secrets;

#[derive(Default)]
pub(super) struct RefusedValues {
    /// When GitHub last refused each at a use.
    at_use: Mutex<HashMap<HashedToken, Moment>>,
    /// When each was last checked, and whether GitHub accepted it: of those that it refused, at a check or a use.
    checked: Mutex<HashMap<HashedToken, (Moment, bool)>>,
}

/// Longer ago it was, a value was replaced long since, or would have been refused again.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

impl RefusedValues {
    fn lock(&self) -> MutexGuard<'_, HashMap<HashedToken, Moment>> {
        self.at_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<HashedToken, (Moment, bool)>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
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
        let checked = checked.map(|checked| (checked.checked_at, checked.accepted));
        let in_use = self.hash_in_use(declared);
        since(checked, in_use.and_then(|value| self.refused_at(&value)))
    }

    /// Notes what a check found of a value that still is the one in use.
    pub(crate) fn note_checked(&self, secret: &SecretName, checked: &Checked) {
        let held = self.vault.held(secret);
        let held = held.filter(|held| checked.version == Some(held.version));
        let value = checked.hashed.clone();
        let Some(value) = value.or_else(|| Some(held?.hashed_credential)) else {
            return;
        };
        let now = self.journal.moment();
        let mut values = self.refused_values.checked();
        values.retain(|_, (at, _)| now.wall().duration_since(at.seen_from(&now)) < KEPT);
        if !checked.accepted || self.was_refused(&value) {
            values.insert(value, (checked.checked_at.clone(), checked.accepted));
        } else {
            values.remove(&value);
        }
    }

    /// Since when GitHub refuses this value of a secret, which need not be the one in use; `version` is the value's
    /// in the vault, if it was taken from there.
    pub(crate) fn value_rejected_since(
        &self,
        secret: &SecretName,
        value: &HashedToken,
        version: Option<u64>,
    ) -> Option<Timestamp> {
        let kept = self.vault.check(secret).checked.filter(|kept| {
            kept.hashed.as_ref() == Some(value) || (version.is_some() && kept.version == version)
        });
        let kept = kept.map(|kept| (kept.checked_at, kept.accepted));
        let checked = kept.or_else(|| self.refused_values.checked().get(value).cloned());
        since(checked, self.refused_at(value))
    }
}

/// Since when a value is refused, by its last check and when it was refused at a use.
fn since(checked: Option<(Moment, bool)>, at_use: Option<Moment>) -> Option<Timestamp> {
    if let Some((at, false)) = &checked {
        return Some(at.wall());
    }
    let at_use = at_use?;
    let since_then = checked.is_some_and(|(at, _)| at_use.is_reached(&at));
    (!since_then).then(|| at_use.wall())
}
