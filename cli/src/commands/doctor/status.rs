//! What the broker's status shows.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;

use broker_protocol::api::{
    BrokerStatus, GitHubStatus, SecretState, SecretView, Status, WarningChannel,
};
use broker_protocol::check::Verdict;
use broker_protocol::names::ONE_PASSWORD_TOKEN;
use broker_protocol::paths::Paths;
use broker_protocol::source::how_to_store;

use super::{Findings, sources};
use crate::clock;
use crate::commands::registry::unanswered;
use crate::commands::status::few;

pub(super) fn from_status(found: &mut Findings, status: &Status) {
    let own = env!("CARGO_PKG_VERSION");
    if status.version != own {
        let (older, hint) = if version(&status.version) < version(own) {
            ("the broker", "restart the broker with the newer `tokend`")
        } else {
            ("tokenctl", "install the newer `tokenctl`")
        };
        found.wrong(
            format!(
                "versions differ: broker {}, tokenctl {own}; {older} is the older",
                status.version
            ),
            hint,
        );
    }
    if status.locked {
        found.wrong("the store is locked: no leases", "tokenctl unlock");
    } else if !status.ready && !is_audit_fault_alone(status) {
        let why = status.not_ready.join("; ");
        let colon = if why.is_empty() { "" } else { ": " };
        found.wrong(
            format!("the broker grants nothing now{colon}{why}"),
            match status.operator {
                true => "",
                false => "an operator's `tokenctl doctor` says more",
            },
        );
    }
    if let Some(all) = &status.broker {
        for_operators(found, all, status.dev);
    }
}

/// Whether all that keeps the broker from granting is a finding of its own.
fn is_audit_fault_alone(status: &Status) -> bool {
    let all = status.broker.as_ref();
    all.is_some_and(|all| all.audit_fault.is_some()) && status.not_ready.len() == 1
}

fn for_operators(found: &mut Findings, all: &BrokerStatus, dev: bool) {
    if let Some(why) = &all.audit_fault {
        found.wrong(
            "the audit log cannot be written, so no token is issued",
            format!("{why}; the broker retries automatically"),
        );
    }
    if let Some(why) = &all.policy_fault {
        found.wrong(
            format!("the policies on disk are rejected and the old ones in force: {why}"),
            "tokenctl policy check; then tokenctl policy reload",
        );
    }
    if !all.policy_files_changed.is_empty() && all.policy_fault.is_none() {
        let changed = few(&all.policy_files_changed);
        found.look(
            format!(
                "policies on disk were changed after the policies in force were loaded: {changed}"
            ),
            "tokenctl policy check; then tokenctl policy reload",
        );
    }
    if !all.memory_locked {
        found.look(
            "keys are in memory that could be swapped out",
            "raise the limit: LimitMEMLOCK= in the unit, or `ulimit -l`",
        );
    }
    // With `--dev` there is nothing to lose, and no GitHub.
    if !all.root_key_in_force.recovery && !dev {
        found.look(
            "there is no recovery passphrase: if the root key is lost, so are the secrets",
            "tokenctl rekey --recovery",
        );
    }
    let is_said = of_github(found, &all.github) || dev;
    if let Some((what, hint)) = unanswered(&all.secrets).filter(|_| !is_said) {
        found.look(what, hint);
    }
    let of_secrets: Vec<&String> = all
        .secrets
        .iter()
        .flat_map(|secret| &secret.warnings)
        .collect();
    for warning in &all.warnings {
        // What is about a secret is said with it.
        if !of_secrets.contains(&warning) {
            found.look(warning.clone(), "");
        }
    }
    for secret in &all.secrets {
        of_secret(found, secret);
    }
}

/// Whether warnings reach their channels, and who may read a webhook's URL.
pub(super) fn warning_channels(found: &mut Findings, places: &Paths, all: &BrokerStatus) {
    for channel in &all.warning_channels {
        if channel.failing_since.is_some() {
            let name = &channel.channel;
            let why = channel.why.as_deref().unwrap_or("no reason is known");
            found.wrong(
                format!(
                    "warnings do not reach the {name} ({} waiting): {why}",
                    channel.waiting
                ),
                format!(
                    "check `{name}` under `[warnings]` in tokend.toml; it is retried automatically"
                ),
            );
        }
    }
    let webhook = |channel: &WarningChannel| channel.channel == "webhook";
    let readable = |meta: Metadata| meta.mode() & 0o004 != 0;
    if all.warning_channels.iter().any(webhook) && fs::metadata(&places.config).is_ok_and(readable)
    {
        let path = places.config.display();
        found.look(
            format!("every account may read {path}, and the webhook's URL in it is a secret"),
            format!("chmod o-r {path}, its group being the broker's"),
        );
    }
}

/// Returns whether GitHub cannot be reached.
fn of_github(found: &mut Findings, github: &GitHubStatus) -> bool {
    let is_unreachable = github.breaker != "closed" && !github.breaker.is_empty();
    if is_unreachable {
        found.wrong(
            format!("{} could not be reached several times in a row", github.api),
            "check the network, and `[github] api` and `ca`; the broker retries automatically",
        );
    }
    let now = clock::now();
    for one in &github.principals {
        let principal = &one.principal;
        if let Some(hold) = &one.held_off {
            let ends = clock::relative(hold.until, now);
            if hold.limit == "lock_out" {
                found.wrong(
                    format!(
                        "GitHub locked {principal} out after several wrong credentials; that ends {ends}"
                    ),
                    "run `tokenctl secret check` to find the rejected value; set a new one, and look for \
                     other programs that use it",
                );
            } else {
                found.look(
                    format!("{principal} sent GitHub too many requests too fast; the limit ends {ends}"),
                    "see `tokenctl lease list` for who uses its tokens; they must send fewer requests at a time",
                );
            }
        }
        for limit in one
            .resources
            .iter()
            .filter(|limit| limit.rate.remaining == 0)
        {
            let ends = clock::relative(limit.rate.reset_at, now);
            let resource = &limit.resource;
            found.look(
                format!("{principal} has no `{resource}` requests left at GitHub; the window ends {ends}"),
                "see `tokenctl lease list` for who uses its tokens; they must send fewer requests",
            );
        }
    }
    is_unreachable
}

fn of_secret(found: &mut Findings, secret: &SecretView) {
    let name = &secret.name;
    let set = format!("tokenctl secret set {name}");
    let renew = how_to_store("it", name.as_str(), &secret.source);
    let variable = secret.source.strip_prefix("env:");
    match (secret.state, variable) {
        (SecretState::Missing, Some(variable)) => found.wrong(
            format!("secret {name} has no value: {variable} is not in the broker's environment"),
            format!("set {variable} where the broker starts, or write `source = \"vault\"` and run {set}"),
        ),
        (SecretState::Missing, None) => match &secret.source_fault {
            Some(fault) => found.wrong(
                format!("secret {name} has no value: {fault}"),
                "fix it, then run `tokenctl policy reload`, which reads it again",
            ),
            None => found.wrong(format!("secret {name} has no value"), set),
        },
        (SecretState::Expired, _) => found.wrong(
            format!("secret {name} has expired at GitHub"),
            format!("create a new value there, and {renew}"),
        ),
        (SecretState::Rejected, _) => found.wrong(
            format!("secret {name} is rejected: GitHub refused its value at the last check or use"),
            format!("tokenctl secret check {name} says why; create a new value there, and {renew}"),
        ),
        (SecretState::Overdue, _) => found.wrong(
            format!("secret {name} should have been rotated"),
            format!("create a new value at GitHub, and {renew}"),
        ),
        (SecretState::Due, _) => found.look(
            format!("secret {name} is due within 14 days"),
            format!("create a new value at GitHub, and {renew}"),
        ),
        (SecretState::Ok, _) => {}
    }
    of_check(found, secret);
    sources::of_stale(found, secret);
    if let Some(variable) = variable {
        found.look(
            format!("secret {name} stays in the broker's environment as {variable}"),
            format!("tokenctl secret move {name} --to vault"),
        );
    }
    if !secret.declared && name.as_str() != ONE_PASSWORD_TOKEN {
        found.look(
            format!("the vault stores {name}, which no policy declares: no one can use it"),
            format!("declare it, or tokenctl secret remove {name}"),
        );
    }
}

/// What the last check of the value in use found, where the state does not say it.
fn of_check(found: &mut Findings, secret: &SecretView) {
    let SecretView { name, state, .. } = secret;
    let checked = secret.check.as_ref();
    let Some(check) = checked.filter(|check| check.version == secret.version) else {
        return;
    };
    let is_said = matches!(state, SecretState::Expired | SecretState::Rejected);
    let hint = format!("tokenctl secret show {name}");
    match check.verdict {
        Verdict::Error if !is_said => found.look(
            format!("secret {name} is not what the policies declare"),
            hint,
        ),
        Verdict::Warning => {
            found.look(
                format!("secret {name} has a warning of its last check"),
                hint,
            );
        }
        Verdict::Ok | Verdict::NotProven | Verdict::Error => {}
    }
}

/// The three numbers of a version; what follows them does not decide.
fn version(text: &str) -> Vec<u64> {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    numbers.split('.').map_while(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("0.9.0") < version("0.10.0"));
        assert!(version("1.0.0-rc.1") == version("1.0.0"));
    }
}
