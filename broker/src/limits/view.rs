//! GitHub as operators see it: host, circuit breaker, and what each principal has left.

use broker_github::BreakerState;
use broker_protocol::api::{GitHubStatus, HeldOff, PrincipalLimits, ResourceLimit};

use super::{Limits, shown};

impl Limits {
    /// GitHub in `status`.
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

    /// The same in Prometheus' text form. Written by hand: who comes and goes would stay in the
    /// recorder for ever, with figures of a window long over.
    pub(crate) fn github_figures(&self) -> String {
        figures(&self.github_status(), &self.below_floor_names())
    }

    fn below_floor_names(&self) -> Vec<(String, bool)> {
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

fn figures(github: &GitHubStatus, floors: &[(String, bool)]) -> String {
    let mut text = String::new();
    let states = [
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
    ];
    let host = ("host", host_of(&github.api));
    let breaker = states.map(|state| {
        let labels = vec![host, ("state", state.as_str())];
        (labels, u64::from(state.as_str() == github.breaker))
    });
    gauge(
        &mut text,
        "tokend_github_breaker",
        "1 for the state of the circuit breaker",
        breaker,
    );
    let answered = github
        .last_answer
        .map(|at| (vec![host], u64::try_from(at.as_second()).unwrap_or(0)));
    gauge(
        &mut text,
        "tokend_github_last_answer_seconds",
        "When GitHub last answered, Unix time",
        answered,
    );
    let rates = || {
        github.principals.iter().flat_map(|one| {
            let labels = |resource| vec![("principal", &*one.principal), ("resource", resource)];
            let rates = one.resources.iter();
            rates.map(move |rate| (labels(&*rate.resource), &rate.rate))
        })
    };
    gauge(
        &mut text,
        "tokend_rate_limit",
        "Requests of a principal in a window",
        rates().map(|(labels, rate)| (labels, rate.limit)),
    );
    gauge(
        &mut text,
        "tokend_rate_remaining",
        "Of those, left in this window",
        rates().map(|(labels, rate)| (labels, rate.remaining)),
    );
    gauge(
        &mut text,
        "tokend_rate_reset_seconds",
        "When the window ends, Unix time",
        rates().map(|(labels, rate)| {
            let at = rate.reset_at.as_second();
            (labels, u64::try_from(at).unwrap_or(0))
        }),
    );
    let held_off = github.principals.iter().filter_map(|one| {
        let hold = one.held_off.as_ref()?;
        let until = u64::try_from(hold.until.as_second()).unwrap_or(0);
        let labels = vec![("principal", &*one.principal), ("limit", &*hold.limit)];
        Some((labels, until))
    });
    gauge(
        &mut text,
        "tokend_held_off_until_seconds",
        "When the limit on whatever a principal asks ends, Unix time",
        held_off,
    );
    gauge(
        &mut text,
        "tokend_secret_below_rate_floor",
        "1 if less is left than the secret's rate_floor",
        floors
            .iter()
            .map(|(secret, below)| (vec![("secret", secret.as_str())], u64::from(*below))),
    );
    text
}

fn host_of(api: &str) -> &str {
    let host = api.split_once("://").map_or(api, |(_, rest)| rest);
    host.split('/').next().unwrap_or(host)
}

/// One gauge with all its series; nothing at all if there are none.
fn gauge<'a>(
    text: &mut String,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
) {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return;
    }
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    for (labels, value) in series {
        // Hosts, logins, ids, names of resources and secrets: no line breaks in any of them.
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        text.push_str(&format!("{name}{{{}}} {value}\n", labels.join(",")));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use broker_protocol::api::RateLimit;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn figures_are_in_the_text_form_and_nothing_is_said_of_nothing() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut github = GitHubStatus {
            api: "https://git.acme.example:8443/api/v3".to_owned(),
            breaker: "half_open".to_owned(),
            last_answer: Some(at(1_800_000_000)),
            principals: vec![PrincipalLimits {
                principal: "user acme-bot".to_owned(),
                resources: vec![ResourceLimit {
                    resource: "core".to_owned(),
                    rate: RateLimit {
                        limit: 5000,
                        remaining: 17,
                        reset_at: at(1_800_000_100),
                    },
                }],
                held_off: Some(HeldOff {
                    limit: "secondary".to_owned(),
                    until: at(1_800_000_060),
                }),
            }],
        };
        let text = figures(&github, &[("org-label-sync-token".to_owned(), true)]);
        for line in [
            "# TYPE tokend_github_breaker gauge",
            r#"tokend_github_breaker{host="git.acme.example:8443",state="half_open"} 1"#,
            r#"tokend_github_breaker{host="git.acme.example:8443",state="open"} 0"#,
            r#"tokend_rate_remaining{principal="user acme-bot",resource="core"} 17"#,
            r#"tokend_rate_reset_seconds{principal="user acme-bot",resource="core"} 1800000100"#,
            r#"tokend_held_off_until_seconds{principal="user acme-bot",limit="secondary"} 1800000060"#,
            r#"tokend_secret_below_rate_floor{secret="org-label-sync-token"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        github.principals.clear();
        github.last_answer = None;
        let text = figures(&github, &[]);
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("# TYPE"))
                .count(),
            1
        );
    }
}
