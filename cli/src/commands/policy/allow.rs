//! `policy allow`: one more rule at the end of a purpose's file.

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
        return already(asked, file, &rule, decides, json);
    }
    let (in_force, warnings) = add(broker, asked, file, &rule, json)?;
    let written = Written {
        purpose: &asked.purpose,
        file: file.path.display().to_string(),
        changed: true,
        in_force: Some(in_force),
        warnings: about(&file.name(), warnings),
    };
    let done = format!("added a rule for {} to", rule.name());
    written.report(&done, json)?;
    for FoundRule { number, caller, .. } in &before.sometimes {
        ui::note(format_args!(
            "rule {number} comes before it and decides alone for the callers that it matches: {caller}"
        ));
    }
    Ok(())
}

/// The first rule that matches decides alone, so one more at the end would change nothing.
fn already(
    asked: &PolicyAllow,
    file: &PolicyText,
    rule: &RuleFor,
    decides: &FoundRule,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return ui::print_json(&Written {
            purpose: &asked.purpose,
            file: file.path.display().to_string(),
            changed: false,
            in_force: None,
            warnings: Vec::new(),
        });
    }
    let FoundRule {
        number,
        caller,
        narrows,
    } = decides;
    ui::line(format_args!(
        "nothing was changed: {} is allowed already, by rule {number} of {}: {caller}",
        rule.name(),
        file.path.display()
    ))?;
    if !narrows.is_empty() {
        ui::note(format_args!(
            "rule {number} decides alone, and names its own {}: edit it to give more",
            narrows.join(", ")
        ));
    }
    ui::note("where the file was edited since, `tokenctl policy reload` loads it");
    Ok(())
}

/// Adds the rule; whether it is in force now, and what the broker warns of.
fn add(
    broker: &Broker,
    asked: &PolicyAllow,
    file: &PolicyText,
    rule: &RuleFor,
    json: bool,
) -> Result<(bool, Vec<String>), Failure> {
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
            ui::note(format_args!("{path} is not changed here: {why}"));
            return Err(by_hand(broker, &lines, &path, &command, json));
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
