//! `secret move`: from one source to another, one secret after the other.
//!
//! The broker reads, writes and compares, and knows how far each move is. This changes the line of the
//! policy that the broker names, or prints it, and asks again until a manual step is required. Interrupted
//! anywhere, it resumes when run again.

mod after;
mod put;

use std::time::Duration;

use broker_protocol::api::SecretView;
use broker_protocol::client::{ClientError, Request};
use broker_protocol::moving::{MoveSecret, MoveStep, MoveView, PolicyChange};
use broker_protocol::names::SecretName;
use serde::Serialize;
use toml_edit::Value;

use crate::args::SecretMove;
use crate::broker::{Broker, PATIENCE};
use crate::clock;
use crate::commands::secret::SECRETS;
use crate::error::Failure;
use crate::policy_edit::{self, AppliedEdit, NotEdited};
use crate::ui::{self, List};

pub(crate) fn run(broker: &Broker, asked: &SecretMove, json: bool) -> Result<(), Failure> {
    let shared = |to: &String| asked.names.len() > 1 && to != "vault" && !to.contains("{name}");
    if asked.to.as_ref().is_some_and(shared) {
        return Err(Failure::Usage(
            "several secrets cannot share one source; write {name} where their names differ"
                .to_owned(),
        ));
    }
    let drive = |name| {
        let mut driver = Driver {
            broker,
            asked,
            quiet: json,
            name,
            view: None,
            switched_by_us: false,
        };
        let ended = driver.drive();
        (driver.view, ended)
    };
    if let [name] = asked.names.as_slice() {
        let (view, ended) = drive(name);
        if let Some(view) = &view {
            if json {
                ui::print_json(view)?;
            } else if ended.is_ok() {
                ui::line(format_args!("{name}: {}", view.next.text))?;
            }
        }
        return ended;
    }
    let mut outcomes = Vec::new();
    for name in &asked.names {
        ui::note(format_args!("{name} …"));
        let (view, ended) = drive(name);
        outcomes.push(MoveOutcome { name, view, ended });
    }
    report(&outcomes, json)?;
    worst(&outcomes)
}

/// The result of one of several.
struct MoveOutcome<'a> {
    name: &'a SecretName,
    view: Option<MoveView>,
    ended: Result<(), Failure>,
}

#[derive(Serialize)]
struct MoveReport<'a> {
    secret: &'a SecretName,
    #[serde(rename = "move")]
    view: Option<&'a MoveView>,
    error: Option<String>,
}

fn report(outcomes: &[MoveOutcome<'_>], json: bool) -> Result<(), Failure> {
    if json {
        let all = outcomes.iter().map(|outcome| MoveReport {
            secret: outcome.name,
            view: outcome.view.as_ref(),
            error: outcome.ended.as_ref().err().map(ToString::to_string),
        });
        return ui::print_json(&all.collect::<Vec<_>>());
    }
    List::of(outcomes)
        .column("SECRET", |one| one.name)
        .column("FROM", |one| one.part(|view| &view.from))
        .column("TO", |one| one.part(|view| &view.to))
        .column("STEP", |one| match one.ended {
            Ok(()) | Err(Failure::Waiting(_)) => one.part(|view| view.phase.as_str()),
            Err(_) => "failed",
        })
        .text("NEXT", |one| match &one.ended {
            Ok(()) => one.part(|view| &view.next.text).to_owned(),
            Err(failure) => failure.to_string(),
        })
        .print()
}

impl MoveOutcome<'_> {
    fn part(&self, part: fn(&MoveView) -> &str) -> &str {
        self.view.as_ref().map_or("-", part)
    }
}

/// The exit code of several: refused before failed elsewhere before waiting.
fn worst(outcomes: &[MoveOutcome<'_>]) -> Result<(), Failure> {
    let failures = outcomes.iter().filter_map(|one| one.ended.as_ref().err());
    let codes: Vec<u8> = failures.map(Failure::exit_code).collect();
    let of = |wanted: u8| codes.iter().filter(|code| **code == wanted).count();
    let (waiting, elsewhere) = (of(75), of(7));
    let refused = codes.len() - waiting - elsewhere;
    let all = outcomes.len();
    match (refused, elsewhere, waiting) {
        (0, 0, 0) => Ok(()),
        (0, 0, waiting) => Err(Failure::Waiting(format!(
            "{waiting} of {all} require a manual step; run the same command again afterwards"
        ))),
        (0, elsewhere, _) => Err(Failure::Upstream(format!(
            "{elsewhere} of {all} could not be read or written; run the same command again"
        ))),
        (refused, elsewhere, _) => Err(Failure::new(format!(
            "{} of {all} were not moved",
            refused + elsewhere
        ))),
    }
}

/// The move of one secret.
struct Driver<'a> {
    broker: &'a Broker,
    asked: &'a SecretMove,
    quiet: bool,
    name: &'a SecretName,
    /// The broker's last answer.
    view: Option<MoveView>,
    /// Whether policies name the new place because this command changed the line, or loaded it: not an
    /// operator or an earlier run.
    switched_by_us: bool,
}

/// More turns than any move takes: two, unless someone keeps undoing the edit.
const MOST_TURNS: usize = 8;

impl Driver<'_> {
    /// Goes on until a manual step is required.
    fn drive(&mut self) -> Result<(), Failure> {
        match self.go_on() {
            Err(failure) if self.changes_place(&failure) => self.after_failure(failure),
            ended => ended,
        }
    }

    /// Whether policies may have come to name a new place before it failed.
    fn changes_place(&self, failure: &Failure) -> bool {
        let waits = matches!(failure, Failure::Waiting(_));
        self.asked.to.is_some() && !self.asked.dry_run && !waits
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        for _ in 0..MOST_TURNS {
            let view = self.ask()?;
            match view.next.step {
                _ if self.asked.dry_run => return Ok(()),
                MoveStep::Finish | MoveStep::Nothing | MoveStep::Write => return Ok(()),
                MoveStep::Put => {
                    if !self.quiet {
                        for line in put::lines(self.broker, &view)? {
                            ui::line(line)?;
                        }
                    }
                    return Err(Failure::Waiting(view.next.text));
                }
                MoveStep::Switch | MoveStep::Load | MoveStep::ByHand => self.switch(&view)?,
            }
        }
        let name = self.name;
        Err(Failure::new(format!(
            "someone keeps changing the source of {name}"
        )))
    }

    fn ask(&mut self) -> Result<MoveView, Failure> {
        let path = format!("{SECRETS}/{}/move", self.name);
        let answer = match &self.asked.to {
            Some(to) => {
                let body = MoveSecret {
                    to: to.replace("{name}", self.name.as_str()),
                    dry_run: self.asked.dry_run,
                    replace: self.asked.replace,
                };
                let request = Request::new("POST", &path).patience(PATIENCE);
                self.broker.send(&request.json(&body)?)?
            }
            None if self.asked.finish => self.broker.act(&format!("{path}/finish"))?,
            None => self.broker.act(&format!("{path}/back"))?,
        };
        let view: MoveView = answer.json()?;
        self.view = Some(view.clone());
        Ok(view)
    }

    fn secret(&self) -> Result<SecretView, Failure> {
        self.broker.read(&format!("{SECRETS}/{}", self.name))
    }

    /// Until policies in force name the place.
    fn switch(&mut self, view: &MoveView) -> Result<(), Failure> {
        if view.next.step == MoveStep::Load {
            self.switched_by_us = true;
            return self.broker.reload().map(drop);
        }
        let wanted = if self.asked.back {
            &view.from
        } else {
            &view.to
        };
        if let Some(change) = &view.change {
            if !self.asked.print {
                match policy_edit::change_source(self.name, change) {
                    Ok(edited) => {
                        self.switched_by_us = true;
                        self.load_edited(edited, wanted)?;
                        ui::note(format_args!(
                            "changed {}:{}, and loaded the policies",
                            change.file, change.line
                        ));
                        return Ok(());
                    }
                    Err(NotEdited::Failed(failure)) => return Err(failure),
                    Err(NotEdited::NotHere(why)) => {
                        ui::note(format_args!("{} is not changed here: {why}", change.file));
                    }
                }
            }
            if !self.quiet {
                self.print(change)?;
            }
        }
        let by_hand = waits_for(view);
        if !ui::stdin_is_terminal() {
            let waits = format!("{by_hand}, then run this again");
            return Err(Failure::Waiting(waits));
        }
        ui::note(by_hand);
        ui::note("waiting for that; you can interrupt this and run it again later");
        while self.secret()?.source != *wanted {
            clock::pause(Duration::from_secs(1));
        }
        Ok(())
    }

    /// Loads the edited file, or undoes the edit where the broker rejects it.
    fn load_edited(&mut self, edited: AppliedEdit, place: &str) -> Result<(), Failure> {
        let refused = match self.broker.reload() {
            Ok(_) => return Ok(()),
            Err(
                refused @ (Failure::Policies(_) | Failure::Broker(ClientError::Problem { .. })),
            ) => refused,
            // It may be in force all the same, and the broker knows.
            Err(_) if self.secret().is_ok_and(|it| it.source == place) => return Ok(()),
            Err(unknown) => return Err(unknown),
        };
        match edited.undo() {
            Ok(()) => {
                self.switched_by_us = false;
                self.broker.reload_without_it();
            }
            Err(failure) => ui::warning(&failure),
        }
        Err(refused)
    }

    fn print(&self, change: &PolicyChange) -> Result<(), Failure> {
        ui::line(format_args!("{}:{}", change.file, change.line))?;
        ui::line(format_args!("[secret.{}]", self.name))?;
        ui::line(format_args!("source = {}", Value::from(&change.source)))
    }
}

fn waits_for(view: &MoveView) -> String {
    match &view.change {
        Some(change) => format!(
            "set `source` in {}:{} as shown and run `tokenctl policy reload`",
            change.file, change.line
        ),
        None => view.next.text.clone(),
    }
}
