//! Secrets whose principal has less left than their policy wants: `rate_floor`.

use broker_github::CORE;
use broker_protocol::names::SecretName;

use super::Limits;
use crate::warnings::{Warning, WarningKind};

impl Limits {
    /// Every secret with a floor, by name, with a warning for each principal that has less left now.
    /// Only what was heard within the window counts; of an App, every installation that was heard of.
    pub(crate) fn rate_floors(&self) -> Vec<(SecretName, Vec<Warning>)> {
        let policies = self.policies.in_force();
        let (limits, now) = (&self.github.limits, self.journal.now());
        let floors = policies
            .set
            .secrets()
            .filter_map(|secret| Some((&secret.name, secret.rate_floor?)));
        floors
            .map(|(name, floor)| {
                let user = self.principal_of(name).into_iter();
                let principals = user.chain(self.minting.installations_of(name));
                let below = principals.filter_map(|principal| {
                    let rate = limits.rate(&principal, CORE, now)?;
                    (rate.remaining < floor).then(|| Warning {
                        kind: WarningKind::RateFloor,
                        subject: name.to_string(),
                        secret: Some(name.clone()),
                        text: format!(
                            "`{name}`: {} of {} requests left for {principal}, below its floor of \
                             {floor}; the window ends at {}",
                            rate.remaining,
                            rate.limit,
                            rate.reset_at.strftime("%H:%M UTC")
                        ),
                        hint: Some(
                            "`tokenctl lease list` shows who holds its tokens; have them ask less"
                                .to_owned(),
                        ),
                    })
                });
                (name.clone(), below.collect())
            })
            .collect()
    }

    /// Warns operators of the secrets below their floor, if a figure came in since this was last called.
    pub(crate) fn warn_of_floors(&self) {
        if !self.github.limits.take_changed() {
            return;
        }
        for warning in self.rate_floors().into_iter().flat_map(|(_, below)| below) {
            self.warnings.warn(warning);
        }
    }
}
