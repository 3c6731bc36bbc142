//! `doctor`: looks for what is wrong on this machine and says how to fix each thing.
//!
//! Two kinds of finding: something wrong (exit code 1), and something to look at. What only the
//! broker knows comes from its status; the rest is looked at here: files, modes, and tokens that lie
//! about where the broker should have made them needless. Of those only the places are named.

mod sources;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use broker_protocol::api::{
    BrokerStatus, GitHubStatus, SecretState, SecretView, Status, WarningChannel,
};
use broker_protocol::names::ONE_PASSWORD_TOKEN;
use broker_protocol::places::Places;
use broker_protocol::token_shape::{self, Shape};
use jiff::Timestamp;
use serde::Serialize;

use crate::broker::Broker;
use crate::clock;
use crate::error::Failure;
use crate::ui;

/// One thing that is not as it should be.
#[derive(Serialize)]
struct Finding {
    /// `wrong` or `look`.
    state: &'static str,
    what: String,
    hint: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn wrong(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.add("wrong", what.into(), hint.into());
    }

    fn look(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.add("look", what.into(), hint.into());
    }

    fn add(&mut self, state: &'static str, what: String, hint: String) {
        self.0.push(Finding { state, what, hint });
    }
}

pub(crate) fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    let mut found = Findings::default();
    files(&mut found, &broker.places);
    let probed = sources::probe(broker);
    match broker.read::<Status>("/v1/status") {
        Ok(status) => {
            from_status(&mut found, &status);
            if let Some(all) = &status.broker {
                next_start(&mut found, &broker.places, all);
                told_of_warnings(&mut found, &broker.places, all);
            }
            match &probed {
                Ok(probed) => {
                    if let Some(view) = &probed.one_password {
                        sources::of_one_password(&mut found, view);
                    }
                }
                Err(why) => sources::not_asked(&mut found, why),
            }
        }
        Err(failure) => {
            let hint = failure.hint().unwrap_or_default().into_owned();
            found.wrong(failure.to_string(), hint);
        }
    }
    lying_about(&mut found);

    let wrong = found.0.iter().filter(|f| f.state == "wrong").count();
    if json {
        ui::json(&ui::to_json(&found.0)?)?;
    } else {
        for finding in &found.0 {
            ui::line(format_args!("{}: {}", finding.state, finding.what))?;
            if !finding.hint.is_empty() {
                ui::line(format_args!("  hint: {}", finding.hint))?;
            }
        }
    }
    match wrong {
        0 if json => Ok(()),
        0 if found.0.is_empty() => ui::line("nothing wrong"),
        0 => ui::line("nothing wrong; see above what to look at"),
        1 => Err(Failure::new("1 thing is wrong")),
        _ => Err(Failure::new(format!("{wrong} things are wrong"))),
    }
}

/// Modes that the broker would refuse, or that keep it from its work.
fn files(found: &mut Findings, places: &Places) {
    // `None`: not there, or not to be seen by this account, as with a service's own directories.
    let look = |path: &Path| fs::symlink_metadata(path).ok();
    let writable = |meta: &Metadata| !meta.is_symlink() && meta.mode() & 0o022 != 0;
    for path in [&places.config, &places.policies] {
        if look(path).is_some_and(|meta| writable(&meta)) {
            let path = path.display();
            found.wrong(
                format!("group or others may write {path}, so the broker refuses it"),
                format!("chmod go-w {path}"),
            );
        }
    }
    for (path, mode) in [
        (&places.root_key, "600"),
        (&places.vault, "600"),
        (&places.audit, "go="),
    ] {
        let open = |meta: &Metadata| match path == &places.audit {
            // A group of auditors may read the log where the configuration says so.
            true => meta.mode() & 0o027 != 0,
            false => meta.mode() & 0o077 != 0,
        };
        if look(path).is_some_and(|meta| open(&meta)) {
            let path = path.display();
            found.wrong(
                format!("other accounts may get at {path}"),
                format!("chmod {mode} {path}"),
            );
        }
    }
    if let Some(meta) = look(&places.socket) {
        let path = places.socket.display();
        if !meta.file_type().is_socket() {
            found.wrong(
                format!("{path} is not a socket"),
                format!("move it away, and start `tokend` again: rm {path}"),
            );
        } else if meta.permissions().mode() & 0o007 != 0 {
            found.look(
                format!("every account may ask the broker on {path}"),
                "`[socket] mode` in tokend.toml: \"0660\" with a group is narrower",
            );
        }
    }
}

/// What lies on disk otherwise than the running broker has it.
fn next_start(found: &mut Findings, places: &Places, all: &BrokerStatus) {
    let key = &places.root_key;
    let gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    if all.root_key == "file" && fs::symlink_metadata(key).is_err_and(gone) {
        found.wrong(
            format!("{} is gone: the next start leaves the store locked", key.display()),
            "put it back from its backup; until then, `tokenctl unlock --passphrase` after each start",
        );
    }
    let changed = |meta: Metadata| {
        let nanoseconds = i32::try_from(meta.ctime_nsec()).unwrap_or_default();
        Timestamp::new(meta.ctime(), nanoseconds).is_ok_and(|at| at > all.policies_loaded_at)
    };
    // Decision tables are no part of what is in force.
    let is_policy = |name: &[u8]| name.ends_with(b".toml") && !name.ends_with(b".cases.toml");
    let mut policies = fs::read_dir(&places.policies)
        .into_iter()
        .flatten()
        .flatten();
    if policies
        .any(|file| is_policy(file.file_name().as_bytes()) && file.metadata().is_ok_and(changed))
    {
        found.look(
            "a policy on disk was changed after the policies in force were loaded",
            "tokenctl policy check; then tokenctl policy reload",
        );
    }
}

fn from_status(found: &mut Findings, status: &Status) {
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
    } else if !status.ready {
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
        for_operators(found, all);
    }
}

fn for_operators(found: &mut Findings, all: &BrokerStatus) {
    if let Some(why) = &all.audit_fault {
        found.wrong(
            "the audit log cannot be written, so nothing is handed out",
            format!("{why}; the broker tries again by itself"),
        );
    }
    if let Some(why) = &all.policy_fault {
        found.wrong(
            format!("the policies on disk are refused and the old ones in force: {why}"),
            "tokenctl policy check; then tokenctl policy reload",
        );
    }
    if !all.memory_locked {
        found.look(
            "keys lie in memory that could be swapped out",
            "raise the limit: LimitMEMLOCK= in the unit, or `ulimit -l`",
        );
    }
    of_github(found, &all.github);
    for warning in &all.warnings {
        found.look(warning.clone(), "");
    }
    for secret in &all.secrets {
        of_secret(found, secret);
    }
}

/// Whether those who are to hear of warnings do, and who may see where a webhook is.
fn told_of_warnings(found: &mut Findings, places: &Places, all: &BrokerStatus) {
    for channel in &all.warning_channels {
        if channel.failing_since.is_some() {
            let name = &channel.channel;
            let why = channel.why.as_deref().unwrap_or("no reason is known");
            found.wrong(
                format!(
                    "the {name} is not told of warnings ({} wait): {why}",
                    channel.waiting
                ),
                format!(
                    "see `{name}` under `[warnings]` in tokend.toml; it is tried again by itself"
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

fn of_github(found: &mut Findings, github: &GitHubStatus) {
    if github.breaker != "closed" && !github.breaker.is_empty() {
        found.wrong(
            format!("{} could not be reached several times in a row", github.api),
            "look at the network, and at `[github] api` and `ca`; it is tried again by itself",
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
                    "`tokenctl secret check` names a refused value; set it anew, and look for other \
                     programs that use it",
                );
            } else {
                found.look(
                    format!("{principal} asked GitHub too much too fast; the limit ends {ends}"),
                    "`tokenctl lease list` shows who holds its tokens; have them ask less at a time",
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
                "`tokenctl lease list` shows who holds its tokens; have them ask less",
            );
        }
    }
}

fn of_secret(found: &mut Findings, secret: &SecretView) {
    let name = &secret.name;
    let set = format!("tokenctl secret set {name}");
    let renew = match &*secret.source {
        "vault" => format!("then {set}"),
        source => format!("then put it into {source}"),
    };
    let variable = secret.source.strip_prefix("env:");
    match (secret.state, variable) {
        (SecretState::Missing, Some(variable)) => found.wrong(
            format!("secret {name} has no value: {variable} is not in the broker's environment"),
            format!("set {variable} where the broker starts, or write `source = \"vault\"` and run {set}"),
        ),
        (SecretState::Missing, None) => match &secret.source_fault {
            Some(fault) => found.wrong(
                format!("secret {name} has no value: {fault}"),
                "then `tokenctl policy reload`, which looks there again",
            ),
            None => found.wrong(format!("secret {name} has no value"), set),
        },
        (SecretState::Expired, _) => found.wrong(
            format!("secret {name} has expired at GitHub"),
            format!("make a new one there; {renew}"),
        ),
        (SecretState::Overdue, _) => found.wrong(
            format!("secret {name} should have been rotated"),
            format!("make a new one at GitHub; {renew}"),
        ),
        (SecretState::Due, _) => found.look(
            format!("secret {name} is due within 14 days"),
            format!("make a new one at GitHub; {renew}"),
        ),
        (SecretState::Ok, _) => {}
    }
    sources::of_stale(found, secret);
    if let Some(variable) = variable {
        found.look(
            format!("secret {name} stays in the broker's environment as {variable}"),
            format!("tokenctl secret move {name} --to vault: a step on the way, not a place"),
        );
    }
    if !secret.declared && name.as_str() != ONE_PASSWORD_TOKEN {
        found.look(
            format!("the vault holds {name}, which no policy declares: nobody can use it"),
            format!("declare it, or tokenctl secret remove {name}"),
        );
    }
}

/// Tokens in this environment, and the file that the broker is there to replace.
fn lying_about(found: &mut Findings) {
    for (name, value) in std::env::vars_os() {
        let shape = value.to_str().map_or(Shape::Unknown, token_shape::of);
        let name = name.display();
        if matches!(shape, Shape::Classic | Shape::FineGrained) {
            found.look(
                format!("${name} holds a token, for every program started from here"),
                format!("unset {name}; `tokenctl exec` gives it to one program, for a while"),
            );
        }
    }
    let Some(home) = std::env::var_os("HOME") else {
        return;
    };
    let file = Path::new(&home).join(".github-tokens");
    if file.exists() {
        let file = file.display();
        found.look(
            format!("{file} is still there"),
            format!("tokenctl import {file}; when nothing reads it any more, shred -u {file}"),
        );
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

    #[test]
    fn modes_that_let_others_in_are_wrong_and_come_with_their_chmod() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::below(home.path());
        fs::create_dir(&places.policies).unwrap();
        fs::set_permissions(&places.policies, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(&places.root_key, "").unwrap();
        fs::set_permissions(&places.root_key, fs::Permissions::from_mode(0o640)).unwrap();
        let mut found = Findings::default();
        files(&mut found, &places);
        let hints: Vec<String> = found.0.iter().map(|f| f.hint.clone()).collect();
        assert_eq!(
            hints,
            [
                format!("chmod go-w {}", places.policies.display()),
                format!("chmod 600 {}", places.root_key.display()),
            ]
        );
    }
}
