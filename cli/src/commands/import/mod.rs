//! `import`: takes over the tokens in an environment file.
//!
//! Three steps, each leaving a state from which a second run goes on: one new policy file declares
//! the secrets that are not declared yet (with `--org`, one more for each proposed purpose); the
//! broker loads them; each value is stored that is not stored yet. A value that is there already is
//! compared by its hash and never overwritten.
//!
//! The file itself is only read. When all its tokens are in the vault, the last line says how to get
//! rid of it; that is left to you, who can check first.

mod found;
mod plan;

use std::collections::BTreeMap;
use std::path::Path;

use broker_protocol::api::{SecretList, SecretView};
use broker_protocol::names::SecretName;

use self::found::{EnvToken, Found, InVault};
use self::plan::{ImportPlan, own_files};
pub(crate) use self::plan::{imported_from, purpose_name};
use crate::args::Import;
use crate::broker::Broker;
use crate::commands::check;
use crate::commands::purpose::joined;
use crate::commands::secret::{self, SECRETS};
use crate::error::Failure;
use crate::learnt::{self, Learnt};
use crate::rule_for::RuleFor;
use crate::ui;

pub(crate) fn run(broker: &Broker, import: &Import) -> Result<(), Failure> {
    for name in &import.allow {
        RuleFor::User(name.clone()).require_existing()?;
    }
    let Found { tokens, notes } = found::read(&import.file, import.all)?;
    notes.iter().for_each(ui::note);
    if tokens.is_empty() {
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
    let found = without_second_names(tokens, &declared);
    let plan = ImportPlan::new(broker, import, &found, &declared)?;
    if import.dry_run {
        return plan.print(&found, &declared);
    }
    plan.declare(broker)?;
    let mut learnt = Vec::new();
    let stored = store(broker, &found, &declared, &mut learnt);
    learnt::write(broker, &own_files(&broker.places.policies), &learnt);
    stored?;
    next_steps(import, &plan)
}

/// Leaves out each token that the vault has under another name: as two secrets, a rotation of the one
/// would end the other.
fn without_second_names(
    mut tokens: Vec<EnvToken>,
    declared: &BTreeMap<SecretName, SecretView>,
) -> Vec<EnvToken> {
    tokens.retain(|token| {
        let stored = token.other_name(declared.values());
        if let Some(name) = stored {
            ui::note(format_args!(
                "`{}` holds the same value as the secret `{name}`; not stored twice",
                token.variable
            ));
        }
        stored.is_none()
    });
    tokens
}

/// Stores each value that is not stored yet, and prints the result of each. What GitHub reported of
/// them is in `learnt`, also if this ends early.
fn store(
    broker: &Broker,
    found: &[EnvToken],
    declared: &BTreeMap<SecretName, SecretView>,
    learnt: &mut Vec<Learnt>,
) -> Result<(), Failure> {
    let mut left_alone = 0;
    let mut wanted = None;
    for (index, token) in found.iter().enumerate() {
        let name = &token.name;
        match token.compared(declared.get(name)) {
            InVault::No => {
                let stored = secret::store(broker, name, &token.value, None, wanted);
                let set = stored.inspect_err(|_| {
                    let left: Vec<&SecretName> =
                        found.iter().skip(index).map(|f| &f.name).collect();
                    let left = joined(&left);
                    ui::note(format_args!("not stored: {left}; run this again to resume"));
                })?;
                // Once GitHub did not answer, the others do not wait for it as well.
                if set.check.is_none() {
                    wanted = Some(false);
                }
                learnt.extend(Learnt::of(name, set.check.as_ref()));
                let found = set.check.as_ref().map(check::headline);
                let found = found.map_or_else(String::new, |found| format!(", checked: {found}"));
                ui::line(format_args!("{} -> {name}: stored{found}", token.variable))?;
                set.warnings.iter().for_each(ui::warning);
            }
            other => {
                if !matches!(other, InVault::Same) {
                    left_alone += 1;
                } else if declared.get(name).is_some_and(|view| view.owner.is_none()) {
                    // A run before this one may have ended before it wrote that down.
                    let view: SecretView = broker.read(&format!("{SECRETS}/{name}"))?;
                    learnt.extend(Learnt::of(name, view.check.as_ref()));
                }
                let state = other.describe();
                ui::line(format_args!("{} -> {name}: {state}", token.variable))?;
            }
        }
    }
    if left_alone > 0 {
        return Err(Failure::with_hint(
            format!("{left_alone} of {} were not imported", found.len()),
            "read the lines above before you remove the file",
        ));
    }
    Ok(())
}

fn next_steps(import: &Import, plan: &ImportPlan) -> Result<(), Failure> {
    for purpose in &plan.purposes {
        ui::line(match &*import.allow {
            [] => format!("next: tokenctl policy allow {purpose} --user NAME"),
            names => format!("{} may use {purpose}", joined(names)),
        })?;
    }
    if plan.purposes.is_empty() {
        ui::line(
            "next: a purpose for each secret, by `tokenctl policy new` (--help has an example)",
        )?;
    }
    if import.file == Path::new("-") {
        return Ok(());
    }
    ui::line(format_args!(
        "and once nothing reads {file} any more: shred -u {file}",
        file = import.file.display()
    ))
}
