//! `git-credential`: git's credential helper.
//!
//! git asks `get` with `key=value` lines and takes the answer in the same form. It answers only
//! for hosts it knows, because a GitHub token sent to whatever host asks for one is lost: github.com
//! over https, and the hosts that `--host` or `TOKEND_GIT_HOSTS` name, over plain http only where
//! they are this machine. For any other host it says nothing and leaves git to its other helpers.
//!
//! For a known host every failure ends with `quit=1`. Otherwise git would go on to the next helper
//! or to a prompt, and an older, longer-lived token would be used without anyone noticing.
//!
//! The purpose is `--purpose`, else `TOKEND_PURPOSE`, else the only one whose rule gives the caller
//! `contents` (and covers the repository, where git says which). Two that fit are an error: a
//! guess could push with the wrong token.
//!
//! A purpose that delivers a proxy token is left out, because git sends what it is given to GitHub, and
//! GitHub does not know that token: the helper answers nothing and says why, and git goes on to its next
//! helper. No lease is left behind.
//!
//! A stored token, which GitHub honours whatever becomes of the lease, is asked for a minute: git sends
//! it at once, and a hundred clones must not fill the account's leases. An installation token ends with
//! its lease, and is asked for as long as the rule says, or it would end amid a push.
//!
//! `store` and `erase` change nothing: what git learnt from here it need not tell, and a refused
//! token is a hint for an operator and not an order to delete.

use std::io::{self, Read as _};

use broker_protocol::api::{LeaseRequest, PurposeList, PurposeView};
use broker_protocol::names::{Delivery, Purpose, RepoPattern};
use zeroize::Zeroizing;

use crate::args::GitCredential;
use crate::broker::Broker;
use crate::commands::get;
use crate::commands::proxy;
use crate::commands::purpose::{PURPOSES, joined};
use crate::error::Failure;
use crate::ui;

pub(crate) fn run(
    broker: impl FnOnce() -> Result<Broker, Failure>,
    asked: GitCredential,
) -> Result<(), Failure> {
    let question = Question::read(&mut io::stdin().lock())?;
    // Operations that git may add later are to be ignored without a word.
    if asked.operation != "get" && asked.operation != "erase" {
        return Ok(());
    }
    let mut hosts = asked.hosts;
    if let Ok(more) = std::env::var("TOKEND_GIT_HOSTS") {
        hosts.extend(more.split(',').map(|host| host.trim().to_owned()));
    }
    if !question.is_for(&hosts) {
        return Ok(());
    }
    if asked.operation == "erase" {
        ui::note(format_args!(
            "{} rejected the token; see `tokenctl lease list` and `tokenctl status`",
            question.host
        ));
        return Ok(());
    }
    let answer = broker().and_then(|broker| answer(&broker, asked.purpose, &question));
    match answer {
        Ok(Answer::Login(text)) => ui::bytes(text.as_bytes()),
        Ok(Answer::NotForGit(purpose)) => {
            ui::note(format_args!(
                "`{purpose}` delivers a proxy token, which GitHub does not know; git asks its next helper"
            ));
            Ok(())
        }
        Err(failure) => {
            ui::bytes(b"quit=1\n")?;
            Err(failure)
        }
    }
}

/// What git gets.
enum Answer {
    /// User, password and their end.
    Login(Zeroizing<String>),
    /// Nothing: the purpose delivers a proxy token.
    NotForGit(Purpose),
}

fn answer(
    broker: &Broker,
    purpose: Option<Purpose>,
    question: &Question,
) -> Result<Answer, Failure> {
    let repository = question.repository()?;
    let named = purpose.map_or_else(from_environment, |purpose| Ok(Some(purpose)))?;
    let list: PurposeList = broker.read_list(PURPOSES)?;
    let purpose = match named {
        Some(purpose) => purpose,
        None => choose(&list.purposes, repository.as_ref())?,
    };
    let view = list.purposes.iter().find(|view| view.purpose == purpose);
    if view.is_some_and(proxy::is_delivered) {
        return Ok(Answer::NotForGit(purpose));
    }
    let ttl = view.and_then(ttl);
    let mut request = LeaseRequest::new(purpose);
    request.repositories = repository.map(|repository| vec![repository]);
    request.ttl = ttl;
    let taken = get::take(broker, &request)?;
    if taken.lease.deliver == Delivery::Proxy {
        proxy::give_back(broker, &taken.lease)?;
        return Ok(Answer::NotForGit(request.purpose));
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

fn from_environment() -> Result<Option<Purpose>, Failure> {
    match std::env::var("TOKEND_PURPOSE") {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map(Some)
            .map_err(|error| Failure::Usage(format!("TOKEND_PURPOSE: {error}"))),
        _ => Ok(None),
    }
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

/// The only purpose that lets the caller at contents, of that repository where one is named. One that
/// delivers a proxy token counts only where there is no other.
fn choose(purposes: &[PurposeView], repository: Option<&RepoPattern>) -> Result<Purpose, Failure> {
    let fits = |view: &&PurposeView| {
        let covers = |wanted| view.repositories.iter().any(|have| have.covers(wanted));
        view.rule.is_some()
            && view.permissions.keys().any(|n| n.as_str() == "contents")
            && repository.is_none_or(covers)
    };
    let fitting = purposes.iter().filter(fits);
    let (proxied, fitting): (Vec<_>, Vec<_>) = fitting.partition(|view| proxy::is_delivered(view));
    let fitting: Vec<&Purpose> = fitting.into_iter().map(|view| &view.purpose).collect();
    let wanted = repository.map_or_else(String::new, |name| format!(" of {name}"));
    match (&*fitting, &*proxied) {
        ([purpose], _) => Ok((*purpose).clone()),
        ([], [view, ..]) => Ok(view.purpose.clone()),
        ([], []) => Err(Failure::with_hint(
            format!("no purpose gives you the contents{wanted}"),
            "`tokenctl purpose list` shows those you have",
        )),
        _ => Err(Failure::with_hint(
            format!(
                "more than one purpose gives you the contents{wanted}: {}",
                joined(&fitting)
            ),
            "name one: credential.helper = \"!tokenctl git-credential --purpose NAME\"",
        )),
    }
}

/// What git says it wants credentials for.
#[derive(Default)]
struct Question {
    protocol: String,
    host: String,
    path: String,
}

impl Question {
    /// Reads `key=value` lines up to a blank one or the end. Unknown keys are ignored, as git asks.
    fn read(input: &mut impl io::Read) -> Result<Self, Failure> {
        // With `store` and `erase` a password is among the lines.
        let mut text = Zeroizing::new(String::with_capacity(MAX_QUESTION));
        let read = input.take(MAX_QUESTION as u64).read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("cannot read git's request: {error}")))?;
        let mut question = Self::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            match line.split_once('=') {
                Some(("protocol", value)) => question.protocol = value.to_owned(),
                Some(("host", value)) => question.host = value.to_owned(),
                Some(("path", value)) => question.path = value.to_owned(),
                _ => {}
            }
        }
        Ok(question)
    }

    /// Whether it is about GitHub, or one of the other hosts named.
    fn is_for(&self, others: &[String]) -> bool {
        let named = others
            .iter()
            .any(|host| !host.is_empty() && host.eq_ignore_ascii_case(&self.host));
        match &*self.protocol {
            "https" => named || self.host.eq_ignore_ascii_case("github.com"),
            "http" => named && is_loopback(&self.host),
            _ => false,
        }
    }

    /// The repository, where git says it (`credential.useHttpPath`): `o/r`, `o/r.git` or
    /// `o/r.git/info/lfs`.
    fn repository(&self) -> Result<Option<RepoPattern>, Failure> {
        if self.path.is_empty() {
            return Ok(None);
        }
        let mut parts = self.path.split('/');
        let (owner, name) = (parts.next(), parts.next());
        let name = name.map(|name| name.strip_suffix(".git").unwrap_or(name));
        let text = format!("{}/{}", owner.unwrap_or_default(), name.unwrap_or_default());
        match text.parse::<RepoPattern>() {
            Ok(repository) if !text.ends_with('*') => Ok(Some(repository)),
            _ => Err(Failure::Usage(format!(
                "git asks for `{}`, which is not a repository (`owner/name`)",
                self.path
            ))),
        }
    }
}

/// Whether `host`, with or without a port, is this machine by name or address alone.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// More than git ever says, in bytes.
const MAX_QUESTION: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Question {
        Question::read(&mut text.as_bytes()).ok().unwrap()
    }

    #[test]
    fn unknown_keys_are_ignored_and_a_blank_line_ends_the_question() {
        let asked = question(
            "capability[]=authtype\nprotocol=https\nhost=github.com\nwwwauth[]=Basic realm=\"x\"\n\nhost=evil\n",
        );
        assert_eq!((&*asked.protocol, &*asked.host), ("https", "github.com"));
    }

    #[test]
    fn a_token_goes_to_known_hosts_only_and_in_the_clear_only_to_this_machine() {
        let others = [
            "127.0.0.1:8080".to_owned(),
            "ghe.acme.test".to_owned(),
            String::new(),
        ];
        for (protocol, host, want) in [
            ("https", "github.com", true),
            ("https", "GitHub.com", true),
            ("https", "ghe.acme.test", true),
            ("http", "127.0.0.1:8080", true),
            ("https", "github.com.evil.test", false),
            ("https", "github.com:8443", false),
            ("https", "", false),
            ("http", "github.com", false),
            ("http", "ghe.acme.test", false),
            ("http", "127.0.0.1:8081", false),
            ("http", "127.0.0.1", false),
            ("ssh", "github.com", false),
        ] {
            let asked = question(&format!("protocol={protocol}\nhost={host}\n"));
            assert_eq!(asked.is_for(&others), want, "{protocol}://{host}");
        }
    }

    #[test]
    fn loopback_is_told_by_name_or_address_alone() {
        for host in [
            "localhost",
            "localhost:1",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:80",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.evil.test",
            "10.0.0.1:80",
            "[::2]",
            "",
            "127.0.0.1.evil.test",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn the_repository_is_read_from_the_path_where_git_sends_one() {
        let repository = |path: &str| {
            let asked = question(&format!("protocol=https\nhost=github.com\npath={path}\n"));
            asked.repository().map(|found| found.map(|r| r.to_string()))
        };
        for path in ["Acme/Site.git", "acme/site", "acme/site.git/info/lfs"] {
            assert_eq!(repository(path).unwrap().as_deref(), Some("acme/site"));
        }
        assert_eq!(repository("").unwrap(), None);
        for bad in ["site.git", "acme/*", "acme/"] {
            assert!(repository(bad).is_err(), "{bad}");
        }
    }

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

    #[test]
    fn the_only_purpose_that_fits_is_taken_and_two_are_an_error() {
        let purpose = |name: &str, permission: &str, repository: &str, rule: bool| PurposeView {
            purpose: name.parse().unwrap(),
            about: None,
            secret: "s".parse().unwrap(),
            deliver: Delivery::Raw,
            fallback: None,
            rule: rule.then(|| "x.toml#1".to_owned()),
            repositories: vec![repository.parse().unwrap()],
            organization: None,
            permissions: [(permission.parse().unwrap(), "read".parse().unwrap())].into(),
            ttl_default: 900,
            ttl_max: 3600,
        };
        let all = [
            purpose("labels", "issues", "acme/*", true),
            purpose("read", "contents", "acme/*", true),
            purpose("not-mine", "contents", "acme/*", false),
            purpose("other", "contents", "other/*", true),
        ];
        let repository = "acme/site".parse().unwrap();
        assert_eq!(choose(&all, Some(&repository)).unwrap().as_str(), "read");
        let error = choose(&all, None).unwrap_err();
        assert!(error.to_string().contains("read, other"), "{error}");
        assert!(error.hint().unwrap().contains("--purpose"));
        assert!(choose(&all[..1], None).is_err());
    }
}
