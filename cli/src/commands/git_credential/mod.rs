//! `git-credential`: git's credential helper.
//!
//! git asks `get` with `key=value` lines (`question`) and takes the answer in the same form. Tokens go to known hosts
//! only (`git_host`). For any other host it says nothing and leaves git to its other helpers.
//!
//! For a known host every failure ends with `quit=1`. Otherwise git would go on to the next helper
//! or to a prompt, and an older, longer-lived token would be used without anyone noticing. Three outcomes
//! are no failures: git's next helper is asked, unless `--strict`, where no purpose of the caller's covers the
//! repository that git names, where the purpose delivers a proxy token, and where the broker serves another
//! host. A note says which.
//!
//! The purpose is `--purpose`, else `TOKEND_PURPOSE`, else chosen (`choose`). One that was named is asked for
//! whatever it covers: the broker's refusal says why, and is a failure.
//!
//! A purpose that delivers a proxy token is left out, because git sends what it is given to GitHub, and
//! GitHub does not know that token. No lease is left behind.
//!
//! A stored token, which GitHub honours whatever becomes of the lease, is asked for a minute: git sends
//! it at once, and a hundred clones must not fill the account's leases. An installation token ends with
//! its lease, and is asked for as long as the rule says, or it would end amid a push.
//!
//! `store` and `erase` change nothing: what git learnt from here it need not tell, and a refused
//! token is a hint for an operator and not an order to delete.

mod choose;
mod question;

use std::ffi::OsString;
use std::io;

use broker_protocol::api::{LeaseRequest, PurposeList, PurposeView};
use broker_protocol::names::{Delivery, Purpose};
use zeroize::Zeroizing;

pub(crate) use self::choose::gives_contents;
use self::choose::{Choice, choose};
use self::question::Question;
use crate::args::GitCredential;
use crate::broker::Broker;
use crate::commands::get;
use crate::commands::proxy;
use crate::commands::purpose::PURPOSES;
use crate::error::Failure;
use crate::git_host::{NamedHost, Site};
use crate::ui;

pub(crate) fn run(
    broker: impl FnOnce() -> Result<Broker, Failure>,
    asked: GitCredential,
) -> Result<(), Failure> {
    let strict = asked.strict;
    let is_get = asked.operation == "get";
    let failure = match respond(broker, asked) {
        Ok(None) => return Ok(()),
        Ok(Some(why)) if strict => {
            Failure::with_hint(why, "without `--strict` git asks its next helper")
        }
        Ok(Some(why)) => {
            ui::note(format_args!("{why}; git asks its next helper"));
            return Ok(());
        }
        Err(failure) => failure,
    };
    if is_get {
        ui::bytes(QUIT)?;
    }
    Err(failure)
}

/// Stops git where the command line itself is wrong: that is a failure like any other.
pub(crate) fn stop_git(arguments: impl Iterator<Item = OsString>) {
    let arguments: Vec<_> = arguments.collect();
    let is_helper = arguments.iter().any(|one| one == "git-credential");
    if is_helper && arguments.last().is_some_and(|last| last == "get") {
        // The command fails either way.
        drop(ui::bytes(QUIT));
    }
}

const QUIT: &[u8] = b"quit=1\n";

/// Responds to git. Returns why there is nothing for it, where that is no failure.
fn respond(
    broker: impl FnOnce() -> Result<Broker, Failure>,
    asked: GitCredential,
) -> Result<Option<String>, Failure> {
    let question = Question::read(&mut io::stdin().lock())?;
    // Operations that git may add later are to be ignored without a word.
    if asked.operation != "get" && asked.operation != "erase" {
        return Ok(None);
    }
    let mut hosts = asked.hosts;
    hosts.extend(hosts_from_environment()?);
    let Some(site) = Site::find(&question.protocol, &question.host, &hosts) else {
        return Ok(None);
    };
    if asked.operation == "erase" {
        ui::note(format_args!(
            "{site} rejected the token; see `tokenctl lease list` and `tokenctl status`"
        ));
        return Ok(None);
    }
    match answer(&broker()?, asked.purpose, &site, &question)? {
        Answer::Login(text) => ui::bytes(text.as_bytes()).map(|()| None),
        Answer::Nothing(why) => Ok(Some(why)),
    }
}

/// What git gets.
enum Answer {
    /// User, password and their end.
    Login(Zeroizing<String>),
    /// Nothing, and why.
    Nothing(String),
}

impl Answer {
    fn not_for_git(purpose: &Purpose) -> Self {
        Self::Nothing(format!(
            "`{purpose}` delivers a proxy token, which GitHub does not know"
        ))
    }
}

fn answer(
    broker: &Broker,
    purpose: Option<Purpose>,
    site: &Site,
    question: &Question,
) -> Result<Answer, Failure> {
    let repository = question.repository()?;
    let named = purpose.map_or_else(purpose_from_environment, |purpose| Ok(Some(purpose)))?;
    let list: PurposeList = broker.read_list(PURPOSES)?;
    let is_elsewhere = |view: &PurposeView| !site.is_below(view.git.as_deref());
    if let [view, ..] = &*list.purposes
        && list.purposes.iter().all(is_elsewhere)
    {
        let address = view.git.as_deref().unwrap_or_default();
        return Ok(Answer::Nothing(format!(
            "the broker's tokens are for {address}, and git asks for {site}"
        )));
    }
    let (purpose, view) = match named {
        Some(purpose) => {
            let view = list.purposes.iter().find(|view| view.purpose == purpose);
            (purpose, view)
        }
        None => match choose(&list.purposes, site, repository.as_ref())? {
            Choice::Purpose(view) => (view.purpose.clone(), Some(view)),
            Choice::Uncovered(why) => return Ok(Answer::Nothing(why)),
        },
    };
    if view.is_some_and(proxy::is_delivered) {
        return Ok(Answer::not_for_git(&purpose));
    }
    let mut request = LeaseRequest::new(purpose);
    request.repositories = repository.map(|repository| vec![repository]);
    request.ttl = view.and_then(ttl);
    let taken = get::take(broker, &request)?;
    if taken.lease.deliver == Delivery::Proxy {
        proxy::give_back(broker, &taken.lease)?;
        return Ok(Answer::not_for_git(&request.purpose));
    }
    let end = taken.lease.expires_at.as_second().to_string();
    let parts = [
        "username=x-access-token\npassword=",
        // To git, which asked for it.
        &taken.token,
        "\npassword_expiry_utc=",
        &end,
        "\n",
    ];
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|p| p.len()).sum()));
    parts.iter().for_each(|part| text.push_str(part));
    Ok(Answer::Login(text))
}

fn purpose_from_environment() -> Result<Option<Purpose>, Failure> {
    match std::env::var("TOKEND_PURPOSE") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map(Some)
            .map_err(|error| Failure::Usage(format!("TOKEND_PURPOSE: {error}"))),
        _ => Ok(None),
    }
}

fn hosts_from_environment() -> Result<Vec<NamedHost>, Failure> {
    let text = std::env::var("TOKEND_GIT_HOSTS").unwrap_or_default();
    let hosts = text.split(',').map(str::trim);
    let hosts = hosts.filter(|host| !host.is_empty()).map(str::parse);
    hosts
        .collect::<Result<_, String>>()
        .map_err(|error| Failure::Usage(format!("TOKEND_GIT_HOSTS: {error}")))
}

/// How long to ask for, in seconds; `None`: as long as the rule says.
fn ttl(view: &PurposeView) -> Option<u64> {
    let fallback = view.fallback.as_ref();
    let fallback_is_raw = fallback.is_none_or(|fallback| fallback.deliver == Delivery::Raw);
    let raw = view.deliver == Delivery::Raw && fallback_is_raw;
    (raw && view.ttl_default > A_MINUTE).then_some(A_MINUTE)
}

/// In seconds. git sends what it is given within a moment.
const A_MINUTE: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_token_is_asked_for_a_minute_and_one_that_ends_with_its_lease_for_longer() {
        let view = |deliver: &str, fallback: Option<&str>, ttl_default: u64| {
            let view = serde_json::json!({
                "purpose": "clone", "about": null, "secret": "s", "deliver": deliver,
                "fallback": fallback.map(|deliver| serde_json::json!({"secret": "t", "deliver": deliver})),
                "rule": "x.toml#1", "repositories": [], "organization": null, "permissions": {},
                "ttl_default": ttl_default, "ttl_max": 3600,
            });
            ttl(&serde_json::from_value(view).unwrap())
        };
        assert_eq!(view("raw", None, 900), Some(60));
        assert_eq!(view("raw", Some("raw"), 900), Some(60));
        assert_eq!(view("raw", None, 30), None, "the rule gives less");
        assert_eq!(view("installation", None, 900), None);
        assert_eq!(view("installation", Some("raw"), 900), None);
        assert_eq!(view("raw", Some("installation"), 900), None);
    }
}
