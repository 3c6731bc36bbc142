//! The policy files that an import adds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use broker_protocol::api::{PurposeList, SecretView};
use broker_protocol::names::{OrgName, Purpose, SecretName};

use super::found::{EnvToken, InVault};
use crate::broker::Broker;
use crate::commands::purpose::PURPOSES;
use crate::error::Failure;
use crate::policy_file::{NewFiles, SecretTable, proposed_purpose};
use crate::ui;

/// The files to write.
pub(super) struct ImportPlan {
    files: Vec<(PathBuf, String)>,
    pub(super) purposes: Vec<Purpose>,
}

impl ImportPlan {
    pub(super) fn new(
        broker: &Broker,
        org: Option<&OrgName>,
        found: &[EnvToken],
        declared: &BTreeMap<SecretName, SecretView>,
    ) -> Result<Self, Failure> {
        let dir = &broker.places.policies;
        let mut plan = Self {
            files: Vec::new(),
            purposes: Vec::new(),
        };
        let new: Vec<&EnvToken> = found
            .iter()
            .filter(|f| !declared.get(&f.name).is_some_and(|view| view.declared))
            .collect();
        if !new.is_empty() {
            let mut text = String::from(
                "# Written by `tokenctl import`. Add what you know: owner, scopes, \
                 rotate_every.\n",
            );
            for found in &new {
                let table =
                    SecretTable::new(found.name.clone(), found.kind, "vault".to_owned()).to_toml();
                text.push('\n');
                text.push_str(&table);
            }
            plan.files.push((free_name(dir), text));
        }
        if let Some(org) = org {
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
                let text = proposed_purpose(&purpose, &found.name, org);
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
                found.kind.as_str()
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
fn purpose_name(secret: &SecretName) -> Option<Purpose> {
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
    let mut files = Vec::new();
    let mut number = 1_u32;
    loop {
        let path = numbered(dir, number);
        if !path.exists() {
            return files;
        }
        files.push(path);
        number = number.saturating_add(1);
    }
}

/// `imported-secrets.toml`, or with a number where that is taken.
fn free_name(dir: &Path) -> PathBuf {
    let mut number = 1_u32;
    while numbered(dir, number).exists() {
        number = number.saturating_add(1);
    }
    numbered(dir, number)
}

fn numbered(dir: &Path, number: u32) -> PathBuf {
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
