//! All policy files together: purposes, secrets, and what must hold between them.
//!
//! A set with one error is no set: [`PolicySet::parse`] gives all errors or a set without any, so
//! code that holds a set need not ask whether it is whole.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use broker_protocol::names::{Purpose, SecretName};
use broker_protocol::similar::did_you_mean;
use broker_protocol::source::SourceSpec;
use toml::de::DeTable;

use super::between;
use super::document::{Document, Item, Table};
use super::finding::{Finding, Findings, Place, PolicyErrors};
use super::purpose::{self, PurposePolicy};
use super::secret::{self, SecretDeclaration};
use super::who::{Accounts, Host};

/// A policy file, read. Reading it, and evaluating its mode, is not policy's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name without the directory, such as `label-sync.toml`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The policies in force. The default one has no purposes and so allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySet {
    purposes: BTreeMap<Purpose, PurposePolicy>,
    /// By name. There may be very many.
    secrets: Vec<SecretDeclaration>,
    warnings: Vec<Finding>,
}

impl PolicySet {
    /// Reads all files of a set.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in any of them, by file and line.
    pub fn parse(
        files: &[PolicyFile],
        accounts: &dyn Accounts,
        host: &Host,
    ) -> Result<Self, PolicyErrors> {
        let documents: Vec<Document<'_>> = files.iter().map(Document::new).collect();
        let mut reading = Reading::default();
        // Secrets first: what an unsaid `deliver` means is a matter of the secret's kind.
        let purposes = reading.secrets_of(&documents);
        for (document, entries) in &purposes {
            let root = Table::root(document, entries, "a purpose");
            reading.purpose(root, accounts, host);
        }
        for document in documents {
            reading.found.add(document.into_findings());
        }
        reading.finish()
    }

    /// The purpose of this name.
    #[must_use]
    pub fn purpose(&self, purpose: &Purpose) -> Option<&PurposePolicy> {
        self.purposes.get(purpose)
    }

    /// All purposes, by name.
    pub fn purposes(&self) -> impl Iterator<Item = &PurposePolicy> {
        self.purposes.values()
    }

    /// The secret of this name.
    #[must_use]
    pub fn secret(&self, name: &SecretName) -> Option<&SecretDeclaration> {
        let found = self
            .secrets
            .binary_search_by(|secret| secret.name.cmp(name));
        self.secrets.get(found.ok()?)
    }

    /// All secrets, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretDeclaration> {
        self.secrets.iter()
    }

    /// Where secrets come from, by the name of the secret.
    pub fn sources(&self) -> impl Iterator<Item = &SourceSpec> {
        self.secrets().map(|secret| &secret.source)
    }

    /// The files that a deployment mounts, and that may therefore be readable by others.
    #[must_use]
    pub fn mounted_files(&self) -> BTreeSet<PathBuf> {
        let mounted = self.secrets().filter(|secret| secret.mounted);
        let files = mounted.filter_map(|secret| secret.source.file());
        files.map(Path::to_owned).collect()
    }

    /// Whether some rule names `sha256`, so that programs must be hashed at all.
    #[must_use]
    pub fn wants_sha256(&self) -> bool {
        let mut rules = self.purposes().flat_map(|policy| &policy.rules);
        rules.any(|rule| rule.who.names_sha256())
    }

    /// Whether some rule names this account, by its name.
    #[must_use]
    pub fn names_user(&self, name: &str) -> bool {
        let mut rules = self.purposes().flat_map(|policy| &policy.rules);
        rules.any(|rule| rule.who.names_user(name))
    }

    /// Whether some rule names this group, by its name.
    #[must_use]
    pub fn names_group(&self, name: &str) -> bool {
        let mut rules = self.purposes().flat_map(|policy| &policy.rules);
        rules.any(|rule| rule.who.names_group(name))
    }

    /// The purpose's name that this one most likely meant, as `" (did you mean `x`?)"`, or nothing.
    #[must_use]
    pub fn meant_purpose(&self, name: &Purpose) -> String {
        let known = self.purposes.keys().map(Purpose::as_str);
        did_you_mean(name.as_str(), known)
    }

    /// What authors should look at, by file and line.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

/// A set while its files are read.
#[derive(Default)]
struct Reading {
    set: PolicySet,
    found: Findings,
    /// Every secret that has a table, also one with errors in it.
    declared: BTreeMap<SecretName, Place>,
    /// Every purpose that has a file, also one with errors in it.
    named: BTreeMap<Purpose, Place>,
    /// Some file could not be read at all, so what is missing may be in there.
    unreadable: bool,
}

impl Reading {
    /// Reads the files that declare secrets. The others are returned with their entries.
    fn secrets_of<'d>(
        &mut self,
        documents: &'d [Document<'d>],
    ) -> Vec<(&'d Document<'d>, DeTable<'d>)> {
        let mut purposes = Vec::new();
        for document in documents {
            let Some(entries) = document.parse() else {
                self.unreadable = true;
                continue;
            };
            let root = Table::root(document, &entries, "a file without a `purpose`");
            if root.item("purpose").is_none() {
                self.secrets(root);
            } else {
                purposes.push((document, entries));
            }
        }
        self.set.secrets.sort_by(|a, b| a.name.cmp(&b.name));
        self.set.secrets.shrink_to_fit();
        purposes
    }

    fn purpose(&mut self, root: Table<'_>, accounts: &dyn Accounts, host: &Host) {
        let Some(item) = root.item("purpose") else {
            return;
        };
        let kind_of = |name: &SecretName| self.set.secret(name).map(|secret| secret.kind);
        let policy = purpose::read(root.standing_at(item), &kind_of, accounts, host);
        let Some(name) = item.text().and_then(|text| text.parse::<Purpose>().ok()) else {
            return;
        };
        refuse_second("purpose", &mut self.named, name.clone(), item);
        if let Some(policy) = policy {
            self.set.purposes.insert(name, policy);
        }
    }

    fn secrets(&mut self, root: Table<'_>) {
        let root = root.refuse_unknown(&["secret", "purpose"]);
        let Some(tables) = root.item("secret").and_then(|item| item.table("`secret`")) else {
            if root.is_empty() {
                root.warn("this file declares neither a purpose nor a secret");
            }
            return;
        };
        for item in tables.items() {
            if let Ok(name) = item.key.parse::<SecretName>() {
                refuse_second("secret", &mut self.declared, name, item);
            }
            if let Some(secret) = secret::read(item) {
                self.set.secrets.push(secret);
            }
        }
    }

    fn finish(mut self) -> Result<PolicySet, PolicyErrors> {
        let mut found = std::mem::take(&mut self.found);
        for policy in self.set.purposes.values() {
            let (whole, place) = (&policy.whole, policy.place_of("secret"));
            if let Some(secret) = self.declared(&whole.secret, place, &mut found) {
                between::purpose_and_secret(policy, secret, &mut found);
            }
            let place = policy.place_of("fallback");
            if let Some(fallback) = &whole.fallback
                && let Some(secret) = self.declared(&fallback.secret, place, &mut found)
            {
                between::purpose_and_fallback(policy, secret, place, &mut found);
            }
        }
        for sink in self.set.secrets.iter().flat_map(|secret| &secret.sinks) {
            if let Some(with) = &sink.with {
                self.declared(with, &sink.place, &mut found);
            }
        }
        between::sinks(&self.set.secrets, &mut found);
        PolicyErrors::none_in(found.errors)?;
        found.warnings.sort();
        self.set.warnings = found.warnings;
        Ok(self.set)
    }

    /// The secret of this name, or an error where it is named. Neither, if its table has errors of
    /// its own or may stand in a file that could not be read.
    fn declared(
        &self,
        name: &SecretName,
        at: &Place,
        found: &mut Findings,
    ) -> Option<&SecretDeclaration> {
        let secret = self.set.secret(name);
        if secret.is_none() && !self.unreadable && !self.declared.contains_key(name) {
            let known = self.declared.keys().map(SecretName::as_str);
            let meant = did_you_mean(name.as_str(), known);
            found.error(at, format!("no file declares `[secret.{name}]`{meant}"));
        }
        secret
    }
}

/// Notes where a name is declared, or refuses it where it is declared already.
fn refuse_second<N: Ord + Display>(
    what: &str,
    declared: &mut BTreeMap<N, Place>,
    name: N,
    item: Item<'_>,
) {
    match declared.entry(name) {
        Entry::Occupied(first) => {
            let (name, first) = (first.key(), first.get());
            item.error(format!("{what} `{name}` is declared in {first} already"));
        }
        Entry::Vacant(slot) => {
            slot.insert(item.place());
        }
    }
}
