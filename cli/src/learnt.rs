//! Writes what a check learnt of a new value into the declaration that `tokenctl` has just written: owner
//! and scopes, where they are still open. A later value that does not match is noticed then.
//!
//! Only files that `tokenctl` wrote itself change. The broker writes no policy.

use std::fs;
use std::path::{Path, PathBuf};

use broker_protocol::check::CheckView;
use broker_protocol::names::{OrgName, SecretName};
use toml_edit::{Array, Item, value};

use crate::args;
use crate::broker::Broker;
use crate::error::Failure;
use crate::policy_edit;
use crate::ui;

/// What GitHub said of the value of one secret.
pub(crate) struct Learnt {
    name: SecretName,
    owner: Option<OrgName>,
    scopes: Vec<String>,
}

impl Learnt {
    /// `None` if GitHub was not asked, does not take the value, or said nothing that a policy can hold.
    pub(crate) fn of(name: &SecretName, check: Option<&CheckView>) -> Option<Self> {
        let check = check.filter(|check| check.accepted)?;
        let owner = check.login.as_deref().and_then(|login| login.parse().ok());
        let scopes = check.scopes.iter().flatten();
        let scopes: Option<Vec<String>> = scopes.map(|scope| args::scope(scope).ok()).collect();
        let learnt = Self {
            name: name.clone(),
            owner,
            // All or none: a part of the list would be less than the value carries.
            scopes: scopes.unwrap_or_default(),
        };
        (learnt.owner.is_some() || !learnt.scopes.is_empty()).then_some(learnt)
    }

    /// What a policy may say of it.
    fn keys(&self) -> impl Iterator<Item = (&'static str, Item)> {
        let owner = self.owner.as_ref().map(|owner| value(owner.as_str()));
        let scopes = (!self.scopes.is_empty()).then(|| value(Array::from_iter(&self.scopes)));
        let keys = [("owner", owner), ("scopes", scopes)];
        keys.into_iter()
            .filter_map(|(key, item)| Some((key, item?)))
    }
}

/// Writes into these files what was learnt of the secrets that they declare, and has the broker load them.
/// What goes wrong is a warning: the values are stored.
pub(crate) fn write(broker: &Broker, files: &[PathBuf], learnt: &[Learnt]) {
    for file in files {
        match write_one(broker, file, learnt) {
            Ok(names) if names.is_empty() => {}
            Ok(names) => ui::note(format_args!(
                "wrote what GitHub reports of {} to {}",
                names.join(", "),
                file.display()
            )),
            Err(error) => ui::warning(format_args!(
                "what GitHub reports of the values was not written to {} ({error}); declare owner and scopes there, as `tokenctl secret show` lists them",
                file.display()
            )),
        }
    }
}

fn write_one(broker: &Broker, file: &Path, learnt: &[Learnt]) -> Result<Vec<String>, Failure> {
    let before = fs::read_to_string(file).map_err(Failure::file("read", file))?;
    let mut after = before.clone();
    let mut names = Vec::new();
    for one in learnt {
        if let Some(text) = with(&after, one) {
            after = text;
            names.push(one.name.to_string());
        }
    }
    if names.is_empty() {
        return Ok(names);
    }
    policy_edit::rewrite(file, &before, after)?.load(broker)?;
    Ok(names)
}

/// The text with what its table of this secret lacks; `None` if it lacks nothing or there is no such table.
fn with(text: &str, learnt: &Learnt) -> Option<String> {
    policy_edit::edit(text, |document| {
        let declared = policy_edit::declaration(document, &learnt.name)?;
        // Of an App the login is the client id, which it declares already.
        if declared.get("kind").and_then(Item::as_str) == Some("app") {
            return None;
        }
        let lacks: Vec<_> = learnt
            .keys()
            .filter(|(key, _)| !declared.contains_key(key))
            .collect();
        if lacks.is_empty() {
            return None;
        }
        for (key, value) in lacks {
            declared.insert(key, value);
            // As `tokenctl` writes a table.
            declared
                .key_mut(key)?
                .leaf_decor_mut()
                .set_suffix(" ".repeat(13 - key.len()));
        }
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(name: &str, owner: Option<&str>, scopes: &[&str]) -> Learnt {
        Learnt {
            name: name.parse().unwrap(),
            owner: owner.map(|owner| owner.parse().unwrap()),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }
    }

    const TEXT: &str = "# Written\n\n[secret.a]\nkind         = \"classic\"\nsource       = \"vault\"\n\n\
                        [secret.b]\nkind = \"classic\"\nowner = \"x\"\n";

    #[test]
    fn what_a_declaration_leaves_open_is_added_to_its_own_table() {
        let text = with(TEXT, &learnt("a", Some("acme-bot"), &["repo", "read:org"])).unwrap();
        let want = "source       = \"vault\"\nowner        = \"acme-bot\"\nscopes       = [\"repo\", \
                    \"read:org\"]\n\n[secret.b]\n";
        assert!(text.contains(want), "{text}");
        let text = with(TEXT, &learnt("b", Some("acme-bot"), &["repo"])).unwrap();
        assert!(
            text.ends_with("owner = \"x\"\nscopes       = [\"repo\"]\n"),
            "what is declared stays: {text}"
        );
    }

    #[test]
    fn what_is_declared_or_not_here_is_left_alone() {
        assert_eq!(with(TEXT, &learnt("b", Some("acme-bot"), &[])), None);
        assert_eq!(with(TEXT, &learnt("c", Some("acme-bot"), &["repo"])), None);
        let app = "[secret.a]\nkind = \"app\"\nclient_id = \"Iv23liABCDEF\"\n";
        assert_eq!(with(app, &learnt("a", Some("Iv23liABCDEF"), &[])), None);
    }

    #[test]
    fn only_a_value_that_github_takes_teaches_and_only_what_a_policy_can_hold() {
        let name = "a".parse().unwrap();
        let check = |accepted, scopes: &[&str]| {
            let scopes = serde_json::to_string(scopes).unwrap();
            let text = format!(
                r#"{{"verdict":"ok","checked_at":"2026-11-29T00:00:00Z","accepted":{accepted},
                    "login":"acme-bot","scopes":{scopes}}}"#
            );
            serde_json::from_str::<CheckView>(&text).unwrap()
        };
        assert!(Learnt::of(&name, None).is_none());
        assert!(Learnt::of(&name, Some(&check(false, &["repo"]))).is_none());
        let found = Learnt::of(&name, Some(&check(true, &["repo", "Odd Scope"]))).unwrap();
        assert_eq!(found.owner.unwrap().as_str(), "acme-bot");
        assert!(found.scopes.is_empty(), "a part of them would be too few");
    }
}
