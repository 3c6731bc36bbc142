//! How a rotation stands, as text for the operator who drives it.

use broker_github::links::Creation;
use broker_policy::{Caller, SecretDeclaration, SecretKind};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{
    CreateView, NextStep, RotationPhase, RotationStep, RotationView, SettingView, SinkStatus,
    StepView, WaitsFor,
};
use broker_vault::rotation_state::{Phase, Rotation};
use jiff::tz::TimeZone;

use super::RotationError;
use crate::checks::Pace;
use crate::rotations::Rotations;

impl Rotations {
    /// The last rotation of each secret, by name.
    pub(crate) async fn rotations(&self) -> Vec<RotationView> {
        let mut views = Vec::new();
        for name in self.vault.rotations().keys() {
            views.push(self.rotation_view(name).await);
        }
        views
    }

    /// How the rotation of one secret stands; also before the first, and then where to begin.
    ///
    /// # Errors
    ///
    /// [`RotationError`] for a secret that is not declared, or whose value is not stored in the vault.
    pub(crate) async fn show_rotation(
        &self,
        name: &SecretName,
    ) -> Result<RotationView, RotationError> {
        if self.vault.rotation(name).is_none() {
            self.in_the_vault(name)?;
        }
        Ok(self.rotation_view(name).await)
    }

    /// Checks the value in use where its scopes decide what the next one must carry, and are not known.
    pub(crate) async fn learn_scopes(&self, by: &Caller, name: &SecretName) {
        let policies = self.policies.in_force();
        let Some(declared) = policies.set.secret(name) else {
            return;
        };
        let rotation = self.vault.rotation(name);
        let under_way = rotation.is_some_and(|one| one.is_under_way());
        let is_open = declared.kind == SecretKind::Classic
            && declared.source.is_vault()
            && declared.scopes.is_empty()
            && self.vault.held(name).is_some();
        if under_way || !is_open || self.checks.known_scopes(declared).await.is_some() {
            return;
        }
        if let Err(error) = self.checks.check_secret(Some(by), name, Pace::Prompt).await {
            tracing::info!(secret = %name, cause = %error, "the scopes of the value in use stay unknown");
        }
    }

    /// Rotations that wait for an operator, or whose last step failed.
    pub(crate) fn rotation_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, rotation) in self.vault.rotations_under_way() {
            let policies = self.policies.in_force();
            let next = self.next_of(&name, policies.set.secret(&name), &rotation);
            if let Some(why) = &rotation.failure {
                warnings.push(format!(
                    "the last step of the rotation of `{name}` failed: {why}"
                ));
            } else if next.waits_for == WaitsFor::Operator {
                let text = next.text;
                warnings.push(format!("the rotation of `{name}` waits for you: {text}"));
            }
        }
        for declared in self.policies.in_force().set.secrets() {
            let sinks = self.sink_list(&declared.name).sinks;
            let stale = sinks.iter().filter(|sink| sink.state == SinkStatus::Stale);
            for sink in stale {
                let name = &declared.name;
                warnings.push(format!(
                    "the {} holds an older value of `{name}`; run `tokenctl secret sinks {name} --push`",
                    sink.sink
                ));
            }
        }
        warnings
    }

    pub(super) async fn rotation_view(&self, name: &SecretName) -> RotationView {
        let rotation = self.vault.rotation(name);
        let rotation = rotation.as_ref();
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let under_way = rotation.filter(|one| one.is_under_way());
        let next = match rotation {
            Some(last) => self.next_of(name, declared, last),
            None => NextStep {
                step: RotationStep::Value,
                waits_for: WaitsFor::Operator,
                text: format!(
                    "create a new value at the link, and give it to `tokenctl rotate {name}`"
                ),
                at: None,
            },
        };
        let create = match declared.filter(|_| under_way.is_none()) {
            Some(declared) => Some(self.create_view(declared).await),
            None => None,
        };
        RotationView {
            secret: name.clone(),
            phase: rotation.map_or(RotationPhase::None, phase),
            old_version: rotation.and_then(|one| Some(one.old.as_ref()?.number)),
            new_version: rotation.map(|one| one.new.number),
            version: self.vault.held(name).map(|held| held.version),
            begun_at: rotation.map(|one| one.begun_at),
            ended_at: rotation.and_then(|one| one.ended_at),
            revoke_at: under_way
                .and_then(|one| one.revoke_at.as_ref())
                .map(|at| at.seen_from(&self.journal.moment())),
            reversible: under_way.is_some_and(Rotation::is_reversible),
            steps: self.steps_of(name, declared, rotation),
            create,
            sinks: self.sink_list(name).sinks,
            failure: under_way.and_then(|one| one.failure.clone()),
            next,
            warnings: Vec::new(),
        }
    }

    async fn create_view(&self, declared: &SecretDeclaration) -> CreateView {
        let carried = match declared.kind {
            SecretKind::Classic if declared.scopes.is_empty() => {
                self.checks.known_scopes(declared).await
            }
            _ => None,
        };
        let today = self.journal.now().wall.to_zoned(TimeZone::UTC).date();
        let made = Creation::of(declared, carried.as_deref(), &self.github.base, today);
        let setting = |(label, value): (&str, String)| SettingView {
            label: label.to_owned(),
            value,
        };
        CreateView {
            link: made.link,
            settings: made.settings.into_iter().map(setting).collect(),
            notes: made.notes,
        }
    }

    fn steps_of(
        &self,
        name: &SecretName,
        declared: Option<&SecretDeclaration>,
        rotation: Option<&Rotation>,
    ) -> Vec<StepView> {
        let phase = rotation.map(|one| one.phase);
        let rolled = matches!(phase, Some(Phase::RollingBack | Phase::RolledBack));
        let begun = rotation.is_some();
        let verified = matches!(
            phase,
            Some(Phase::Verified | Phase::Revoking | Phase::Finished)
        );
        let finished = phase == Some(Phase::Finished);
        let pending = self.sinks_pending(name).len();
        let by_operator = declared.is_some_and(|declared| declared.kind == SecretKind::App)
            || self.github.base.is_enterprise_server();
        let mut steps = Vec::new();
        let mut step = |step, text: &str, done| {
            let text = text.to_owned();
            steps.push(StepView { step, text, done });
        };
        step(
            RotationStep::Value,
            "an operator creates the new value and enters it",
            begun,
        );
        step(
            RotationStep::Swap,
            "GitHub is asked about it (owner, scopes, end); it is stored and used; the old one is kept",
            begun,
        );
        for sink in self.sinks_of(name) {
            let holds = !self.sinks_pending(name).contains(&sink);
            step(
                RotationStep::Push,
                &format!("write it to {sink}"),
                begun && !rolled && holds,
            );
        }
        if rolled {
            step(
                RotationStep::Erase,
                "the old value is in use again, as a new version, and in every sink",
                phase == Some(Phase::RolledBack) && pending == 0,
            );
            return steps;
        }
        step(
            RotationStep::Verify,
            "GitHub is asked with the stored new value",
            verified,
        );
        let asked = finished || rotation.is_some_and(|one| one.asked);
        if by_operator {
            step(
                RotationStep::Delete,
                "an operator deletes the old value on GitHub's pages",
                finished,
            );
        } else {
            let confirmed = rotation.is_some_and(|one| one.revoke_at.is_some()) || finished;
            step(
                RotationStep::Confirm,
                "an operator confirms that the old value may be revoked; until then `--rollback` undoes all of it",
                confirmed,
            );
            step(
                RotationStep::Revoke,
                "GitHub is asked to revoke the old value, and the leases on it are revoked",
                asked,
            );
        }
        step(
            RotationStep::Prove,
            "GitHub is seen to refuse the old value (401), and it is erased",
            finished,
        );
        steps
    }
}

const fn phase(rotation: &Rotation) -> RotationPhase {
    match rotation.phase {
        Phase::Swapped => RotationPhase::Swapped,
        Phase::Verified => RotationPhase::Verified,
        Phase::Revoking => RotationPhase::Revoking,
        Phase::Finished => RotationPhase::Finished,
        Phase::RollingBack => RotationPhase::RollingBack,
        Phase::RolledBack => RotationPhase::RolledBack,
    }
}
