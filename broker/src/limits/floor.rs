//! Secrets whose principal has less left than their policy wants: `rate_floor`.

use std::fmt;

use broker_github::{CORE, Principal, Rate};
use broker_protocol::names::SecretName;

use super::Limits;
use crate::warnings::{Warning, WarningKind};

/// A secret below its floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BelowFloor {
    pub(crate) secret: SecretName,
    pub(crate) principal: Principal,
    /// What policy wants to remain.
    pub(crate) floor: u64,
    pub(crate) rate: Rate,
}

impl fmt::Display for BelowFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            secret,
            principal,
            floor,
            rate,
        } = self;
        write!(
            f,
            "`{secret}`: {} of {} requests left for {principal}, below its floor of {floor}; the \
             window ends at {}",
            rate.remaining,
            rate.limit,
            rate.reset_at.strftime("%H:%M UTC")
        )
    }
}

impl Limits {
    /// Every secret below its floor now, by name: for the figures and for warnings. Only
    /// what was heard within the window counts; of an App, every installation that was heard of.
    pub(crate) fn below_rate_floor(&self) -> Vec<BelowFloor> {
        let policies = self.policies.in_force();
        let now = self.journal.now();
        let limits = self.github.limits();
        let floors = policies
            .set
            .secrets()
            .filter_map(|secret| Some((&secret.name, secret.rate_floor?)));
        floors
            .flat_map(|(name, floor)| {
                let principals = self.principals_of(name).into_iter();
                principals.filter_map(move |principal| {
                    let rate = limits.rate(&principal, CORE, now)?;
                    (rate.remaining < floor).then(|| BelowFloor {
                        secret: name.clone(),
                        principal,
                        floor,
                        rate,
                    })
                })
            })
            .collect()
    }

    /// Warns operators of the secrets below their floor, if a figure came in since this was last called.
    pub(crate) fn warn_of_floors(&self) {
        if !self.github.limits().take_changed() {
            return;
        }
        for below in self.below_rate_floor() {
            self.warnings.warn(Warning {
                kind: WarningKind::RateFloor,
                subject: below.secret.as_str().to_owned(),
                text: below.to_string(),
                secret: Some(below.secret),
                hint: Some(
                    "`tokenctl lease list` shows who holds its tokens; have them ask less"
                        .to_owned(),
                ),
            });
        }
    }

    /// Every principal whose budget a secret's leases may draw on now.
    fn principals_of(&self, secret: &SecretName) -> Vec<Principal> {
        let user = self.principal_of(secret).into_iter();
        user.chain(self.minting.installations_of(secret)).collect()
    }
}
