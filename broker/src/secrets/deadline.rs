//! By when a secret must have changed, and what is known of its value.

use std::time::Duration;

use broker_policy::SecretDeclaration;
use broker_protocol::source::SourceSpec;
use broker_vault::{Checked, RootKeyInForce, StoredSecret};
use jiff::{SignedDuration, Timestamp};

use super::{SecretTurn, Secrets, UpkeepError};
use crate::deadline::Deadline;
use crate::lease::Lease;

impl Secrets {
    /// What the last check found, if it was of the value in use.
    pub(crate) fn last_check_of(&self, declared: &SecretDeclaration) -> Option<Checked> {
        let checked = self.vault.check(&declared.name).checked?;
        let same = match &declared.source {
            SourceSpec::Vault => {
                let held = self.vault.held(&declared.name);
                checked.version.is_some() && checked.version == held.map(|held| held.version)
            }
            source => checked.hashed.is_some() && checked.hashed == self.sources.hashed(source),
        };
        same.then_some(checked)
    }

    /// Whether the vault no longer holds the secret that was taken from it for this lease. One that was
    /// moved elsewhere is not gone.
    pub(crate) fn secret_is_gone(&self, lease: &Lease) -> bool {
        lease.version.is_some()
            && self.vault.held(&lease.secret).is_none()
            && self.policies.take_from_vault(&lease.secret)
    }

    /// By when a secret must have changed: by what policy says of it, and what is known of its value.
    pub(crate) fn deadline(
        &self,
        declared: Option<&SecretDeclaration>,
        held: Option<&StoredSecret>,
    ) -> Deadline {
        let rotated = declared.filter(|declared| declared.rotate_every.is_some());
        let since = match rotated {
            Some(declared) => self.known_since(declared),
            None => held.map(|held| held.set_at),
        };
        Deadline::of(
            since,
            rotated.and_then(|declared| declared.rotate_every),
            self.ends_at(declared, held),
        )
    }

    /// When a secret ends at GitHub, as far as is known: what a check of this value found, or else what
    /// was entered with it.
    pub(crate) fn ends_at(
        &self,
        declared: Option<&SecretDeclaration>,
        held: Option<&StoredSecret>,
    ) -> Option<Timestamp> {
        match declared {
            Some(declared) if !declared.source.is_vault() => {
                self.last_check_of(declared)?.expires_at
            }
            _ => held?.expires_at,
        }
    }

    /// A new value in the vault would be left behind by a move out of it.
    pub(crate) fn refuse_while_moving(&self, turn: &SecretTurn) -> Result<(), UpkeepError> {
        let name = turn.name();
        let Some(known) = self.vault.moving(name) else {
            return Ok(());
        };
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let in_force = declared.map(|declared| declared.source.to_string());
        if known.leaves_behind(&SourceSpec::Vault.to_string(), in_force.as_deref()) {
            return Err(UpkeepError::Moving(name.clone()));
        }
        Ok(())
    }

    /// By when the root key must have changed.
    pub(crate) fn root_key_deadline(&self) -> Deadline {
        let made_at = self.vault.root_key_in_force().made_at;
        let every = self.config.rekey_every.unwrap_or_default();
        let made_at = counted_from(made_at, every, self.journal.now().wall);
        Deadline::of(Some(made_at), self.config.rekey_every, None)
    }

    /// Whether an operator should hear of the deadline: one is needed, or the broker has not done it by
    /// itself within a day.
    pub(crate) fn needs_operator(&self, deadline: &Deadline, now: Timestamp) -> bool {
        let needed = self.vault.root_key_in_force().needs_credential();
        let late = deadline
            .at()
            .is_some_and(|at| now.duration_since(at).as_hours() >= 24);
        needed || late
    }
}

/// From when the age of a root key counts. One that was made at a time that is yet to come, by a clock that
/// was wrong, is of unknown age, and due.
fn counted_from(made_at: Timestamp, every: Duration, now: Timestamp) -> Timestamp {
    // A clock that is set back by minutes tells nothing.
    if made_at.duration_since(now) < DAY {
        return made_at;
    }
    now.checked_sub(every).unwrap_or(Timestamp::MIN)
}

/// The deadline of the root key.
pub(crate) fn describe_root_key(deadline: &Deadline, now: Timestamp) -> Option<String> {
    let what = if deadline.at()? <= now {
        "should have been changed by"
    } else {
        "must be changed by"
    };
    Some(format!(
        "the root key {what} {}",
        deadline.describe_day(now)?
    ))
}

/// What an operator does to change the root key.
pub(crate) const fn rekey_hint(key: &RootKeyInForce) -> &'static str {
    if key.needs_credential() {
        "run `tokenctl rekey`, which says how"
    } else {
        "run `tokenctl rekey`"
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_key_that_a_clock_made_in_the_future_is_due() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let every = Duration::from_secs(90 * 86400);
        let due =
            |made_at| Deadline::of(Some(counted_from(made_at, every, now)), Some(every), None);
        let hour = Duration::from_secs(3600);
        assert_eq!(due(now + 48 * hour).at(), Some(now));
        for made_at in [now - hour, now, now + hour] {
            assert_eq!(due(made_at).at(), Some(made_at + every));
        }
    }
}
