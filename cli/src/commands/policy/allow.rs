//! `policy allow`: one more rule at the end of a purpose's file.

use broker_protocol::api::Reloaded;
use toml_edit::DocumentMut;

use super::{Written, about, by_hand, lease_ends, lines_to_add};
use crate::args::PolicyAllow;
use crate::broker::Broker;
use crate::commands::daemon;
use crate::error::Failure;
use crate::policy_dir::{PolicyDir, PolicyText};
use crate::policy_edit::{self, NotEdited};
use crate::rule_for::{DecidedBefore, FoundRule, RuleFor};
use crate::ui;

pub(crate) fn allow(broker: &Broker, asked: &PolicyAllow, json: bool) -> Result<(), Failure> {
    let Some(rule) = asked.who.rule() else {
        return Err(Failure::Usage("name --user, --group or --unit".to_owned()));
    };
    let dir = PolicyDir::read(&broker.places.policies)?;
    let file = dir.require_purpose(&asked.purpose)?;
    let before = DecidedBefore::of(&file.document, &rule)?;
    if let Some(decides) = &before.always {
        let loaded = load(broker, file)?;
        return already(&written(asked, file, false, loaded), &rule, decides, json);
    }
    let loaded = add(broker, asked, file, &rule, json)?;
    let written = written(asked, file, true, loaded);
    let done = format!("added a rule for {} to", rule.name());
    written.report(&done, json)?;
    for FoundRule { number, caller, .. } in &before.sometimes {
        ui::note(format_args!(
            "rule {number} comes before it and decides alone for the callers that it matches: {caller}"
        ));
    }
    Ok(())
}

fn written<'a>(
    asked: &'a PolicyAllow,
    file: &PolicyText,
    changed: bool,
    (in_force, warnings): Loaded,
) -> Written<'a> {
    Written {
        purpose: &asked.purpose,
        file: file.path.display().to_string(),
        changed,
        in_force,
        warnings: about(&file.name(), warnings),
    }
}

/// The first rule that matches decides alone, so one more at the end would change nothing.
fn already(
    written: &Written<'_>,
    rule: &RuleFor,
    decides: &FoundRule,
    json: bool,
) -> Result<(), Failure> {
    let FoundRule {
        number,
        caller,
        narrows,
    } = decides;
    let done = format!(
        "nothing was changed: {} is allowed already, by rule {number} ({caller}) of",
        rule.name()
    );
    written.report(&done, json)?;
    if !narrows.is_empty() {
        ui::note(format_args!(
            "rule {number} decides alone, and names its own {}: edit it to give more",
            narrows.join(", ")
        ));
    }
    Ok(())
}

/// Whether a file is in force now (`false`: no broker runs, and its next start would load it), and what the
/// broker warns of.
type Loaded = (bool, Vec<String>);

/// Has the broker load a file that is as it should be: it may have been written by a run that was interrupted,
/// or by hand.
fn load(broker: &Broker, file: &PolicyText) -> Result<Loaded, Failure> {
    let answer = broker.reload();
    if answer.as_ref().is_err_and(Failure::is_no_broker) {
        return Ok((false, daemon::check_policies(&broker.places)?));
    }
    let loaded: Reloaded = answer?.json()?;
    policy_edit::require_read(&loaded, &file.path, file.text.as_bytes())?;
    lease_ends(&loaded);
    Ok((true, loaded.warnings))
}

/// Adds the rule.
fn add(
    broker: &Broker,
    asked: &PolicyAllow,
    file: &PolicyText,
    rule: &RuleFor,
    json: bool,
) -> Result<Loaded, Failure> {
    let lines = rule.text();
    let path = file.path.display().to_string();
    let command = format!("allow {} {}", asked.purpose, rule.option());
    if !takes_a_rule_at_its_end(&file.document) {
        let put = lines_to_add(&lines, json)?;
        return Err(Failure::Waiting(format!(
            "`allow` in {path} is written as one value; add {put} to it by hand, then run `tokenctl policy \
             reload`"
        )));
    }
    let edited = match policy_edit::append(&file.path, &file.text, &lines) {
        Ok(edited) => edited,
        Err(NotEdited::Failed(failure)) => return Err(failure),
        Err(NotEdited::NotHere(why)) => {
            let put = lines_to_add(&lines, json)?;
            return Err(by_hand(broker, &file.path, &why, &put, &command));
        }
    };
    let answer = broker.reload();
    if !answer.as_ref().is_err_and(Failure::is_no_broker) {
        let loaded = edited.keep_if_loaded(broker, answer)?;
        lease_ends(&loaded);
        return Ok((true, loaded.warnings));
    }
    match daemon::check_policies(&broker.places) {
        Ok(warnings) => Ok((false, warnings)),
        Err(refused) => {
            edited.undo()?;
            Err(refused)
        }
    }
}

fn takes_a_rule_at_its_end(document: &DocumentMut) -> bool {
    document
        .get("allow")
        .is_none_or(|allow| allow.is_array_of_tables())
}
