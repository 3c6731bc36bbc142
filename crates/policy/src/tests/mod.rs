//! The language and the decision, sentence by sentence.

mod callers;
mod decision;
mod installation;
mod language;
mod properties;
mod proxy;
mod purposes;
mod secrets;
mod sinks;

use std::sync::Arc;

use super::{Accounts, Caller, Decision, Host, PolicyFile, PolicySet, Request, decide};

/// A machine with two accounts and one group.
struct Machine;

impl Accounts for Machine {
    fn uid(&self, user: &str) -> Option<u32> {
        match user {
            "alice" => Some(1000),
            "bob" => Some(1001),
            _ => None,
        }
    }
    fn gid(&self, group: &str) -> Option<u32> {
        (group == "staff").then_some(50)
    }
}

const SECRETS: &str = "[secret.bot]\nkind = 'classic'\nscopes = ['repo']\n";

/// A purpose that is right, to which tests add rules.
const PURPOSE: &str = r#"purpose      = "label-sync"
secret       = "bot"
repositories = ["acme/*"]
organization = "acme"
permissions  = { issues = "write", metadata = "read" }
deliver      = "raw"
ttl          = { default = "15m", max = "1h" }
"#;

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// The two files, read on [`Machine`] for an unknown broker; errors as they print.
fn load(purpose: &str, secrets: &str) -> Result<PolicySet, String> {
    load_for(purpose, secrets, &Host::anywhere())
}

fn load_for(purpose: &str, secrets: &str, host: &Host) -> Result<PolicySet, String> {
    let files = [file("p.toml", purpose), file("s.toml", secrets)];
    PolicySet::parse(&files, &Machine, host).map_err(|errors| errors.to_string())
}

/// The errors of a purpose file that holds `text` alone.
fn wrong(text: &str) -> String {
    load(text, SECRETS).unwrap_err()
}

/// What is wrong with [`PURPOSE`] after one replacement in it.
fn wrong_after(from: &str, to: &str) -> String {
    assert!(PURPOSE.contains(from), "{from:?} is not in the purpose");
    wrong(&PURPOSE.replace(from, to))
}

/// What is wrong with one secret that has these lines.
fn wrong_secret(lines: &str) -> String {
    load("", &format!("[secret.bot]\n{lines}\n")).unwrap_err()
}

/// [`PURPOSE`] with these rules.
fn with_rules(rules: &str) -> PolicySet {
    load(&format!("{PURPOSE}{rules}"), SECRETS).unwrap()
}

/// What is wrong with these rules under [`PURPOSE`], which is 7 lines long.
fn wrong_with_rules(rules: &str) -> String {
    load(&format!("{PURPOSE}{rules}"), SECRETS).unwrap_err()
}

fn alice() -> Caller {
    Caller {
        uid: 1000,
        gid: 1000,
        ..Caller::default()
    }
}

fn ask(caller: Caller) -> Request {
    Request {
        caller: Arc::new(caller),
        purpose: "label-sync".parse().unwrap(),
        repositories: None,
        organization: None,
        permissions: None,
        ttl: None,
    }
}

/// The decision in words: `rule N`, `denied`, or what is too wide.
fn says(set: &PolicySet, request: &Request) -> String {
    match decide(set, request) {
        Decision::Allow(grant) => grant.rule.replace("p.toml#", "rule "),
        Decision::Deny(super::Denial::TooWide { what, .. }) => what,
        Decision::Deny(super::Denial::NoRule | super::Denial::NoSuchPurpose) => "denied".to_owned(),
    }
}
