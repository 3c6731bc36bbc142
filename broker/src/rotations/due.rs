//! What the broker does by itself: the steps that have a time of their own, and those whose driver is gone.

use broker_protocol::names::SecretName;

use super::Rotations;

impl Rotations {
    /// Takes every step that is due by time. Called once a second; one secret after the other, since all
    /// of them ask the same GitHub.
    pub(crate) async fn run_due_rotations(&self) {
        if self.vault.is_locked() || self.journal.fault().is_some() {
            return;
        }
        let now = self.journal.moment();
        for (name, rotation) in self.vault.rotations_under_way() {
            let due = self.due(&name, &rotation);
            if rotation.is_awake(due, &now) {
                self.run_due_step(&name).await;
            }
        }
        self.retry_sinks().await;
    }

    async fn run_due_step(&self, name: &SecretName) {
        let Some(turn) = self.secrets.locks.try_turn(name) else {
            return;
        };
        if let Err(error) = self.step(None, &turn).await {
            tracing::warn!(secret = %name, cause = %error, "a rotation does not go on");
            // Tried again later, not every second.
            if let Ok(rotation) = self.rotation_of(name) {
                let later = rotation.failed(&error.to_string(), None, &self.journal.moment());
                if let Err(error) = self.note_rotation(&turn, later).await {
                    tracing::error!(cause = %error, "nor could that be noted");
                }
            }
        }
    }

    /// Sinks that failed outside of a rotation: a value that was set, and pushed by an operator.
    async fn retry_sinks(&self) {
        let now = self.journal.moment();
        let policies = self.policies.in_force();
        let secrets = policies.set.secrets();
        for declared in secrets.filter(|declared| !declared.sinks.is_empty()) {
            let name = &declared.name;
            let under_way = self.vault.rotation(name).is_some_and(|r| r.is_under_way());
            let known = self.vault.sinks(name);
            let due = self.sinks_pending(name).into_iter().any(|sink| {
                let state = known.get(&sink.to_string());
                state.is_some_and(|state| state.is_awake(&now))
            });
            if under_way || !due {
                continue;
            }
            let Some(turn) = self.secrets.locks.try_turn(name) else {
                continue;
            };
            if let Err(error) = self.push_pending(None, &turn).await {
                tracing::warn!(secret = %name, cause = %error, "a sink is not written");
            }
        }
    }
}
