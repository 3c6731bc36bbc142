//! `secret move`: from one source to another, one secret after the other.
//!
//! The broker reads, writes and compares, and knows how far each move is. This changes the line of the
//! policy that the broker names, or prints it, and asks again until a manual step is required. Interrupted
//! anywhere, it resumes when run again.

mod after;

use std::time::Duration;

use broker_protocol::api::SecretView;
use broker_protocol::client::{ClientError, Request};
use broker_protocol::moving::{MoveSecret, MoveStep, MoveView, PolicyChange};
use broker_protocol::names::SecretName;
use serde::Serialize;
use toml_edit::Value;

use crate::args::SecretMove;
use crate::broker::Broker;
use crate::clock;
use crate::commands::secret::SECRETS;
use crate::commands::{PATIENCE, RELOAD};
use crate::error::Failure;
use crate::policy_edit::{self, AppliedEdit, NotEdited};
use crate::ui::{self, Table};

pub(crate) fn run(broker: &Broker, asked: &SecretMove, json: bool) -> Result<(), Failure> {
    let shared = |to: &String| asked.names.len() > 1 && to != "vault" && !to.contains("{name}");
    if asked.to.as_ref().is_some_and(shared) {
        return Err(Failure::Usage(
            "several secrets cannot share one source; write {name} where their names differ"
                .to_owned(),
        ));
    }
    let driver = Driver {
        broker,
        asked,
        quiet: json,
    };
    if let [name] = asked.names.as_slice() {
        let (view, ended) = driver.drive(name);
        if let Some(view) = &view {
            if json {
                ui::json(&ui::to_json(view)?)?;
            } else if ended.is_ok() {
                ui::line(format_args!("{name}: {}", view.next.text))?;
            }
        }
        return ended;
    }
    let mut outcomes = Vec::new();
    for name in &asked.names {
        ui::note(format_args!("{name} …"));
        let (view, ended) = driver.drive(name);
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
        return ui::json(&ui::to_json(&all.collect::<Vec<_>>())?);
    }
    let mut table = Table::new(&["SECRET", "FROM", "TO", "STEP", "NEXT"]);
    for MoveOutcome { name, view, ended } in outcomes {
        let of = |part: fn(&MoveView) -> &str| view.as_ref().map_or("-", part).to_owned();
        let next = match ended {
            Err(failure) => failure.to_string(),
            Ok(()) => of(|view| &view.next.text),
        };
        let step = match ended {
            Ok(()) | Err(Failure::Waiting(_)) => of(|view| view.phase.as_str()),
            Err(_) => "failed".to_owned(),
        };
        let (from, to) = (of(|view| &view.from), of(|view| &view.to));
        table.row([name.to_string(), from, to, step, next]);
    }
    table.print()
}

/// The exit code of several: refused before failed elsewhere before waiting.
fn worst(outcomes: &[MoveOutcome<'_>]) -> Result<(), Failure> {
    let failures = || {
        outcomes
            .iter()
            .filter_map(|outcome| outcome.ended.as_ref().err())
    };
    let of =
        |wanted: &dyn Fn(&Failure) -> bool| failures().filter(|failure| wanted(failure)).count();
    let waiting = of(&|failure| failure.exit_code() == 75);
    let elsewhere = of(&|failure| failure.exit_code() == 7);
    let refused = failures().count() - waiting - elsewhere;
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

struct Driver<'a> {
    broker: &'a Broker,
    asked: &'a SecretMove,
    quiet: bool,
}

/// Who made policies name the new place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switched {
    /// This command changed the line, or loaded it.
    ByUs,
    /// By an operator or an earlier run, or not yet.
    NotByUs,
}

/// More turns than any move takes: two, unless someone keeps undoing the edit.
const MOST_TURNS: usize = 8;

impl Driver<'_> {
    /// Goes on until a manual step is required. Returns the state of the move, and whether it succeeded.
    fn drive(&self, name: &SecretName) -> (Option<MoveView>, Result<(), Failure>) {
        let mut switched = Switched::NotByUs;
        let (view, ended) = self.go_on(name, &mut switched);
        match ended {
            Err(failure) if self.changes_place(&failure) => {
                let (now, ended) = self.after_failure(name, failure, switched);
                (now.or(view), ended)
            }
            ended => (view, ended),
        }
    }

    /// Whether policies may have come to name a new place before it failed.
    fn changes_place(&self, failure: &Failure) -> bool {
        let waits = matches!(failure, Failure::Waiting(_));
        self.asked.to.is_some() && !self.asked.how.dry_run && !waits
    }

    fn go_on(
        &self,
        name: &SecretName,
        switched: &mut Switched,
    ) -> (Option<MoveView>, Result<(), Failure>) {
        let mut last = None;
        for _ in 0..MOST_TURNS {
            let view = match self.ask(name) {
                Ok(view) => view,
                Err(failure) => return (last, Err(failure)),
            };
            let ended = match view.next.step {
                _ if self.asked.how.dry_run => Some(Ok(())),
                MoveStep::Finish | MoveStep::Nothing | MoveStep::Write => Some(Ok(())),
                MoveStep::Put => Some(Err(Failure::Waiting(view.next.text.clone()))),
                MoveStep::Switch | MoveStep::Load | MoveStep::ByHand => {
                    self.switch(name, &view, switched).err().map(Err)
                }
            };
            last = Some(view);
            if let Some(ended) = ended {
                return (last, ended);
            }
        }
        let failure = Failure::new(format!("someone keeps changing the source of {name}"));
        (last, Err(failure))
    }

    fn ask(&self, name: &SecretName) -> Result<MoveView, Failure> {
        let path = format!("{SECRETS}/{name}/move");
        let request = |path| Request::new("POST", path).patience(PATIENCE);
        let answer = match &self.asked.to {
            Some(to) => {
                let body = MoveSecret {
                    to: to.replace("{name}", name.as_str()),
                    dry_run: self.asked.how.dry_run,
                    replace: self.asked.how.replace,
                };
                self.broker.send(&request(&path).json(&body)?)?
            }
            None if self.asked.end.finish => {
                self.broker.send(&request(&format!("{path}/finish")))?
            }
            None => self.broker.send(&request(&format!("{path}/back")))?,
        };
        Ok(answer.json()?)
    }

    /// Until policies in force name the place.
    fn switch(
        &self,
        name: &SecretName,
        view: &MoveView,
        switched: &mut Switched,
    ) -> Result<(), Failure> {
        if view.next.step == MoveStep::Load {
            *switched = Switched::ByUs;
            return self.load();
        }
        if let Some(change) = &view.change {
            if !self.asked.how.print {
                match policy_edit::change_source(name, change) {
                    Ok(edited) => {
                        *switched = Switched::ByUs;
                        self.load_edited(edited, (name, self.wanted(view)), switched)?;
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
                Self::print(name, change)?;
            }
        }
        let wanted = self.wanted(view);
        let waits = format!("{}, then run this again", waits_for(view));
        if !ui::stdin_is_terminal() {
            return Err(Failure::Waiting(waits));
        }
        ui::note(waits_for(view));
        ui::note("waiting for that; you can interrupt this and run it again later");
        let path = format!("{SECRETS}/{name}");
        loop {
            let secret: SecretView = self.broker.read(&path)?;
            if secret.source == wanted {
                return Ok(());
            }
            clock::pause(Duration::from_secs(1));
        }
    }

    /// Loads the edited file, or undoes the edit where the broker rejects it.
    fn load_edited(
        &self,
        edited: AppliedEdit,
        (name, place): (&SecretName, &str),
        switched: &mut Switched,
    ) -> Result<(), Failure> {
        let refused = match self.load() {
            Ok(()) => return Ok(()),
            Err(refused @ Failure::Broker(ClientError::Problem { .. })) => refused,
            // It may be in force all the same, and the broker knows.
            Err(_unknown) if self.is_taken_from(name, place) => return Ok(()),
            Err(unknown) => return Err(unknown),
        };
        match edited.undo() {
            // Let the broker see that, or it goes on warning.
            Ok(()) => {
                *switched = Switched::NotByUs;
                drop(self.load());
            }
            Err(failure) => ui::warning(&failure),
        }
        Err(refused)
    }

    /// The place that policies are to name.
    fn wanted<'v>(&self, view: &'v MoveView) -> &'v str {
        if self.asked.end.back {
            &view.from
        } else {
            &view.to
        }
    }

    fn is_taken_from(&self, name: &SecretName, place: &str) -> bool {
        let secret: Result<SecretView, _> = self.broker.read(&format!("{SECRETS}/{name}"));
        secret.is_ok_and(|secret| secret.source == place)
    }

    fn load(&self) -> Result<(), Failure> {
        self.broker.send(&Request::new("POST", RELOAD))?;
        Ok(())
    }

    fn print(name: &SecretName, change: &PolicyChange) -> Result<(), Failure> {
        ui::line(format_args!("{}:{}", change.file, change.line))?;
        ui::line(format_args!("[secret.{name}]"))?;
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
