//! The policy files that an import adds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{self, Path, PathBuf};

use broker_protocol::api::{PurposeList, SecretView};
use broker_protocol::names::{Purpose, SecretName};

use super::found::{EnvToken, InVault};
use crate::args::{Declaration, Import, word};
use crate::broker::Broker;
use crate::commands::purpose::PURPOSES;
use crate::env_file;
use crate::error::Failure;
use crate::policy_file::{self, NewFiles, secret_table};
use crate::purpose_file::proposed_purpose;
use crate::rule_for::RuleFor;
use crate::ui;

/// The files to write.
#[derive(Default)]
pub(super) struct ImportPlan {
    files: Vec<(PathBuf, String)>,
    pub(super) purposes: Vec<Purpose>,
}

impl ImportPlan {
    pub(super) fn new(
        broker: &Broker,
        import: &Import,
        found: &[EnvToken],
        declared: &BTreeMap<SecretName, SecretView>,
    ) -> Result<Self, Failure> {
        let dir = &broker.places.policies;
        let mut plan = Self::default();
        let new: Vec<&EnvToken> = found
            .iter()
            .filter(|f| !declared.get(&f.name).is_some_and(|view| view.declared))
            .collect();
        if !new.is_empty() {
            let mut text = String::from(
                "# Written by `tokenctl import`. Add what you know: owner, scopes, \
                 rotate_every.\n",
            );
            text.push_str(&imported_from_line(&import.file));
            let declared = Declaration {
                source: "vault".to_owned(),
                ..Declaration::default()
            };
            for found in &new {
                text.push('\n');
                text.push_str(&secret_table(&found.name, found.kind, &declared));
            }
            // The first name that is not taken.
            plan.files
                .push((numbered(dir, own_files(dir).len() + 1), text));
        }
        if let Some(org) = &import.org {
            let allow = import.allow.iter().cloned().map(RuleFor::User);
            let allow: Vec<RuleFor> = allow.collect();
            let there: PurposeList = broker.read_list(PURPOSES)?;
            let mut there: BTreeSet<Purpose> = there
                .purposes
                .into_iter()
                .map(|view| view.purpose)
                .collect();
            for found in found {
                let used = declared
                    .get(&found.name)
                    .is_some_and(|v| !v.purposes.is_empty());
                let Some(purpose) = purpose_name(&found.name) else {
                    continue;
                };
                if used || !there.insert(purpose.clone()) {
                    continue;
                }
                let path = dir.join(format!("{purpose}.toml"));
                if path.exists() {
                    ui::note(format_args!("{} is left as it is", path.display()));
                    continue;
                }
                let text = proposed_purpose(&purpose, &found.name, org, &allow);
                plan.files.push((path, text));
                plan.purposes.push(purpose);
            }
        }
        Ok(plan)
    }

    /// Prints what would be done.
    pub(super) fn print(
        &self,
        found: &[EnvToken],
        declared: &BTreeMap<SecretName, SecretView>,
    ) -> Result<(), Failure> {
        for found in found {
            let what = match found.compared(declared.get(&found.name)) {
                InVault::No => "would be stored".to_owned(),
                other => other.describe(),
            };
            ui::line(format_args!(
                "{} -> {} ({}): {what}",
                found.variable,
                found.name,
                word(&found.kind)
            ))?;
        }
        for (path, _) in &self.files {
            ui::line(format_args!("would write {}", path.display()))?;
        }
        Ok(())
    }

    /// Writes the files and has the broker load them; on a refusal none of them stays.
    pub(super) fn declare(&self, broker: &Broker) -> Result<(), Failure> {
        if self.files.is_empty() {
            return Ok(());
        }
        policy_file::require_writable(&broker.places)?;
        let mut files = NewFiles::new();
        for (path, text) in &self.files {
            files.write(path, text)?;
        }
        files.load(broker)?;
        for (path, _) in &self.files {
            ui::line(format_args!("wrote {}", path.display()))?;
        }
        Ok(())
    }
}

/// What a purpose for `org-label-sync-token` is called: `label-sync`.
pub(crate) fn purpose_name(secret: &SecretName) -> Option<Purpose> {
    let name = secret.as_str();
    let name = name.strip_prefix("org-").unwrap_or(name);
    let ends = ["-token", "-pat", "-key"];
    let name = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    name.parse().ok()
}

/// The files that this and earlier runs wrote.
pub(super) fn own_files(dir: &Path) -> Vec<PathBuf> {
    let names = (1..).map(|number| numbered(dir, number));
    names.take_while(|path| path.exists()).collect()
}

/// The files that imports read, as the files that they wrote say it: `doctor` looks whether they are still there.
pub(crate) fn imported_from(dir: &Path) -> Vec<PathBuf> {
    let texts = own_files(dir).into_iter();
    let texts = texts.filter_map(|path| env_file::read(&path).ok());
    let from = texts.flat_map(|text| {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(IMPORTED_FROM));
        lines.map(PathBuf::from).collect::<Vec<_>>()
    });
    from.collect()
}

/// A comment that names a file; nothing for stdin and for a name that does not fit a line.
fn imported_from_line(file: &Path) -> String {
    let path = path::absolute(file).unwrap_or_default();
    match path.to_str() {
        Some(name) if file != Path::new("-") && !name.contains(char::is_control) => {
            format!("{IMPORTED_FROM}{name}\n")
        }
        _ => String::new(),
    }
}

const IMPORTED_FROM: &str = "# Imported from ";

/// `imported-secrets.toml`, then with a number.
fn numbered(dir: &Path, number: usize) -> PathBuf {
    match number {
        1 => dir.join("imported-secrets.toml"),
        number => dir.join(format!("imported-secrets-{number}.toml")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_gives_its_purpose_its_name() {
        for (secret, purpose) in [
            ("org-label-sync-token", "label-sync"),
            ("source-pat", "source"),
            ("a-b", "a-b"),
            ("token", "token"),
        ] {
            assert_eq!(
                purpose_name(&secret.parse().unwrap()).unwrap().as_str(),
                purpose
            );
        }
    }
}
