//! Checks a value that was just stored, while whoever stored it waits a moment.

use std::time::Duration;

use broker_policy::Caller;
use broker_protocol::check::SecretChecked;
use broker_protocol::names::SecretName;

use super::Pace;
use crate::checks::Checks;

/// How long the answer to a new value waits for GitHub's: nothing depends on it.
pub const AT_SET: Duration = Duration::from_secs(5);

impl Checks {
    /// Whether a value that is stored under this name now is checked if the operator says nothing
    /// about it: what policy declares, and from the vault, unless GitHub is asked only when told to.
    #[must_use]
    pub fn checks_at_set(&self, name: &SecretName) -> bool {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        self.config.github.check_every.is_some()
            && declared.is_some_and(|declared| declared.source.is_vault())
    }

    /// Checks a value that was just stored.
    ///
    /// # Errors
    ///
    /// Why that was not possible, in words for the operator: the value is stored all the same.
    pub async fn check_at_set(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<SecretChecked, String> {
        let checked = self.check_secret(Some(by), name, Pace::Prompt).await;
        checked.map_err(|error| format!("it is stored, and not checked yet: {error}"))
    }
}
