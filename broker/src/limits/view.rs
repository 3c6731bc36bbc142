//! GitHub as operators see it: host, circuit breaker, and what each principal has left.

use broker_protocol::api::{GitHubStatus, HeldOff, PrincipalLimits, ResourceLimit};

use super::{Limits, shown};

impl Limits {
    pub(crate) fn github_status(&self) -> GitHubStatus {
        let views = self.github.limits().view(self.journal.now()).into_iter();
        GitHubStatus {
            api: self.github.base().to_string(),
            breaker: self.github.breaker_state().as_str().to_owned(),
            last_answer: self.github.last_heard().map(|heard| heard.wall),
            principals: views
                .map(|view| PrincipalLimits {
                    principal: view.principal.to_string(),
                    resources: view
                        .rates
                        .iter()
                        .map(|rate| ResourceLimit {
                            resource: rate.resource.as_ref().to_owned(),
                            rate: shown(rate),
                        })
                        .collect(),
                    held_off: view.held_off.map(|limit| HeldOff {
                        limit: limit.kind.as_str().to_owned(),
                        until: limit.until,
                    }),
                })
                .collect(),
        }
    }

    /// The secrets that have a `rate_floor`, and whether less than that is left now.
    pub(crate) fn below_floor_names(&self) -> Vec<(String, bool)> {
        let below = self.below_rate_floor();
        let policies = self.policies.in_force();
        let with_floor = policies
            .set
            .secrets()
            .filter(|secret| secret.rate_floor.is_some());
        with_floor
            .map(|secret| {
                let is_below = below.iter().any(|one| one.secret == secret.name);
                (secret.name.as_str().to_owned(), is_below)
            })
            .collect()
    }
}
