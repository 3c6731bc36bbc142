//! `import`: takes over the tokens in an environment file.
//!
//! Three steps, each leaving a state from which a second run goes on: one new policy file declares
//! the secrets that are not declared yet (with `--org`, one more for each proposed purpose); the
//! broker loads them; each value is stored that is not stored yet. A value that is there already is
//! compared by its hash and never overwritten.
//!
//! The file itself is only read. When all its tokens are in the vault, the last line says how to get
//! rid of it; doing so is left to the person who can check first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_protocol::api::{PurposeList, SecretList, SecretView};
use broker_protocol::names::{OrgName, Purpose, SecretName};
use broker_protocol::token_shape::{self, Shape};
use broker_protocol::{as_read, value_form};
use sha2::{Digest as _, Sha256};

use crate::args::{Import, Kind};
use crate::broker::Broker;
use crate::commands::check;
use crate::commands::purpose::PURPOSES;
use crate::commands::secret::{self, SECRETS};
use crate::env_file;
use crate::error::Failure;
use crate::learnt::{self, Learnt};
use crate::policy_file::{NewFiles, SecretTable, proposed_purpose};
use crate::secret_text::{SecretText, read_to_end};
use crate::ui;

pub(crate) fn run(broker: &Broker, import: &Import) -> Result<(), Failure> {
    let (found, skipped) = read(&import.file, import.all)?;
    for line in &skipped {
        ui::note(line);
    }
    if found.is_empty() {
        return Err(Failure::with_hint(
            format!("nothing to import in {}", import.file.display()),
            "--all takes variables that do not look like GitHub tokens",
        ));
    }
    let declared: SecretList = broker.read_list(SECRETS)?;
    let declared: BTreeMap<SecretName, SecretView> = declared
        .secrets
        .into_iter()
        .map(|view| (view.name.clone(), view))
        .collect();
    let plan = Plan::new(broker, import.org.as_ref(), &found, &declared)?;
    if import.dry_run {
        return plan.tell(&found, &declared);
    }
    plan.declare(broker)?;
    let mut learnt = Vec::new();
    let stored = store(broker, &found, &declared, &mut learnt);
    learnt::write(broker, &own_files(&broker.places.policies), &learnt);
    stored?;
    next_steps(import, &plan)
}

/// A token found in the file.
struct Found {
    variable: String,
    line: usize,
    name: SecretName,
    kind: Kind,
    value: SecretText,
}

impl Found {
    /// Where its value stands compared with what the vault holds.
    fn compared(&self, stored: Option<&SecretView>) -> Stored {
        let Some(view) = stored else {
            return Stored::No;
        };
        if view.declared && view.source != "vault" {
            return Stored::Elsewhere(view.source.clone());
        }
        match &view.hashed_credential {
            None => Stored::No,
            Some(hash) => {
                // Only its hash is compared, as GitHub's audit log has it.
                let own = STANDARD.encode(Sha256::digest(self.value.expose()));
                if *hash == own {
                    Stored::Same
                } else {
                    Stored::Another
                }
            }
        }
    }
}

enum Stored {
    No,
    Same,
    Another,
    Elsewhere(String),
}

/// The tokens in the file, and one line for each variable that is left out.
fn read(path: &Path, all: bool) -> Result<(Vec<Found>, Vec<String>), Failure> {
    let mut file = File::open(path).map_err(Failure::file("read", path))?;
    let text = read_to_end(&mut file)?;
    let place = |line: usize| format!("{}:{line}", path.display());
    let variables = env_file::parse(&text)
        .map_err(|error| Failure::new(format!("{}: {}", place(error.line), error.why)))?;
    let (mut found, mut skipped): (Vec<Found>, Vec<String>) = (Vec::new(), Vec::new());
    for variable in variables {
        let (line, at) = (variable.line, place(variable.line));
        let kind = match token_shape::of(as_read::cleaned(&variable.value)) {
            Shape::Classic => Kind::Classic,
            Shape::FineGrained => Kind::FineGrained,
            Shape::Unknown if all && !variable.value.is_empty() => Kind::Classic,
            shape => {
                let why = match shape {
                    Shape::ShortLived => {
                        "a token that ends within hours: nothing to keep".to_owned()
                    }
                    Shape::PrivateKey => {
                        "a private key: `tokenctl secret add --kind app` takes it".to_owned()
                    }
                    _ if variable.value.is_empty() => "empty".to_owned(),
                    _ => match value_form::check(as_read::cleaned(&variable.value)) {
                        Ok(()) => "not the shape of a GitHub token (--all takes it)".to_owned(),
                        Err(unfit) => format!("no value: it {unfit}"),
                    },
                };
                skipped.push(format!("{at}: {} skipped: {why}", variable.name));
                continue;
            }
        };
        let name = secret_name(&variable.name)
            .map_err(|why| Failure::new(format!("{at}: {}: {why}", variable.name)))?;
        if let Some(before) = found.iter().find(|f| f.name == name) {
            return Err(Failure::new(format!(
                "{at}: {} and {} (line {}) would both be called `{name}`; rename one",
                variable.name, before.variable, before.line
            )));
        }
        let value = SecretText::parse(variable.value)
            .map_err(|error| Failure::new(format!("{at}: {}: {error}", variable.name)))?;
        found.push(Found {
            variable: variable.name,
            line,
            name,
            kind,
            value,
        });
    }
    Ok((found, skipped))
}

/// `ORG_LABEL_SYNC_TOKEN` is called `org-label-sync-token`.
fn secret_name(variable: &str) -> Result<SecretName, String> {
    let lower = variable.to_ascii_lowercase();
    let words: Vec<&str> = lower.split('_').filter(|word| !word.is_empty()).collect();
    let name = words.join("-").parse::<SecretName>();
    name.map_err(|error| error.to_string())
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

/// The files to write.
struct Plan {
    files: Vec<(PathBuf, String)>,
    purposes: Vec<Purpose>,
}

impl Plan {
    fn new(
        broker: &Broker,
        org: Option<&OrgName>,
        found: &[Found],
        declared: &BTreeMap<SecretName, SecretView>,
    ) -> Result<Self, Failure> {
        let dir = &broker.places.policies;
        let mut plan = Self {
            files: Vec::new(),
            purposes: Vec::new(),
        };
        let new: Vec<&Found> = found
            .iter()
            .filter(|f| !declared.get(&f.name).is_some_and(|view| view.declared))
            .collect();
        if !new.is_empty() {
            let mut text = String::from(
                "# Written by `tokenctl import`. Say more where you know it: owner, scopes, \
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

    /// What would be done.
    fn tell(
        &self,
        found: &[Found],
        declared: &BTreeMap<SecretName, SecretView>,
    ) -> Result<(), Failure> {
        for found in found {
            let what = match found.compared(declared.get(&found.name)) {
                Stored::No => "would be stored".to_owned(),
                other => other.in_words(),
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
    fn declare(&self, broker: &Broker) -> Result<(), Failure> {
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

impl Stored {
    fn in_words(&self) -> String {
        match self {
            Self::No => "not stored".to_owned(),
            Self::Same => "is stored already".to_owned(),
            Self::Another => {
                "ANOTHER value is stored; left alone (`tokenctl secret set` replaces it)".to_owned()
            }
            Self::Elsewhere(source) => format!("comes from {source}; left alone"),
        }
    }
}

/// Stores each value that is not stored yet, and says for each what became of it. What GitHub said of
/// them is in `learnt`, also if this ends early.
fn store(
    broker: &Broker,
    found: &[Found],
    declared: &BTreeMap<SecretName, SecretView>,
    learnt: &mut Vec<Learnt>,
) -> Result<(), Failure> {
    let mut left_alone = 0;
    let mut wanted = None;
    for (index, found_now) in found.iter().enumerate() {
        let name = &found_now.name;
        match found_now.compared(declared.get(name)) {
            Stored::No => {
                let stored = secret::store(broker, name, &found_now.value, None, wanted);
                let set = stored.inspect_err(|_| {
                    let left: Vec<&SecretName> =
                        found.iter().skip(index).map(|f| &f.name).collect();
                    let left = super::purpose::joined(&left);
                    ui::note(format_args!("not stored: {left}; run this again to go on"));
                })?;
                // Once GitHub did not answer, the others do not wait for it as well.
                if set.check.is_none() {
                    wanted = Some(false);
                }
                learnt.extend(Learnt::of(name, set.check.as_ref()));
                let found = set.check.as_ref().map(check::headline);
                let found = found.map_or_else(String::new, |found| format!(", checked: {found}"));
                ui::line(format_args!(
                    "{} -> {name}: stored{found}",
                    found_now.variable
                ))?;
                for warning in &set.warnings {
                    ui::warning(warning);
                }
            }
            other => {
                if !matches!(other, Stored::Same) {
                    left_alone += 1;
                } else if declared.get(name).is_some_and(|view| view.owner.is_none()) {
                    // A run before this one may have ended before it wrote that down.
                    let view: SecretView = broker.read(&format!("{SECRETS}/{name}"))?;
                    learnt.extend(Learnt::of(name, view.check.as_ref()));
                }
                let words = other.in_words();
                ui::line(format_args!("{} -> {name}: {words}", found_now.variable))?;
            }
        }
    }
    if left_alone > 0 {
        return Err(Failure::with_hint(
            format!("{left_alone} of {} were left alone", found.len()),
            "look at the lines above before you remove the file",
        ));
    }
    Ok(())
}

fn next_steps(import: &Import, plan: &Plan) -> Result<(), Failure> {
    for purpose in &plan.purposes {
        ui::line(format_args!(
            "next: say who may use {purpose}, by an [[allow]] in {purpose}.toml"
        ))?;
    }
    if plan.purposes.is_empty() {
        ui::line("next: a purpose for each secret: one policy file, as in the examples of `init`")?;
    }
    ui::line("then: tokenctl policy reload")?;
    ui::line(format_args!(
        "and when all that read {file} ask the broker instead: shred -u {file}",
        file = import.file.display()
    ))
}

/// The files that this and earlier runs wrote.
fn own_files(dir: &Path) -> Vec<PathBuf> {
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
    fn a_variable_gives_its_secret_and_its_purpose_their_names() {
        for (variable, secret, purpose) in [
            ("ORG_LABEL_SYNC_TOKEN", "org-label-sync-token", "label-sync"),
            ("SOURCE_PAT", "source-pat", "source"),
            ("_A__B_", "a-b", "a-b"),
            ("TOKEN", "token", "token"),
        ] {
            let name = secret_name(variable).unwrap();
            assert_eq!(name.as_str(), secret);
            assert_eq!(purpose_name(&name).unwrap().as_str(), purpose);
        }
        assert!(secret_name("___").is_err());
    }

    #[test]
    fn only_what_looks_like_a_token_that_lasts_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let text = "A_TOKEN=ghp_1\nB_PAT=github_pat_2\nEDITOR=vi\nCI=ghs_3\nEMPTY=\n";
        std::fs::write(&path, text).unwrap();
        let (found, skipped) = read(&path, false).ok().unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a-token", "b-pat"]);
        assert!(found[0].kind == Kind::Classic && found[1].kind == Kind::FineGrained);
        assert_eq!(skipped.len(), 3);
        assert!(skipped.iter().all(|line| !line.contains("ghs_")));
        let (found, skipped) = read(&path, true).ok().unwrap();
        assert_eq!((found.len(), skipped.len()), (3, 2));
    }

    #[test]
    fn two_variables_cannot_become_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, "A_B=ghp_1\nA__B=ghp_2\n").unwrap();
        let error = read(&path, false).err().unwrap().to_string();
        assert!(error.contains(":2:") && error.contains("A_B"), "{error}");
    }
}
