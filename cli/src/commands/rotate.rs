//! `rotate`: one obvious next step at each turn.
//!
//! The broker knows how far a rotation is and what is next; this asks it for one step after the other
//! until it is done or a manual step is required. Interrupted anywhere, it resumes when run again.

use std::time::Duration;

use broker_protocol::client::Request;
use broker_protocol::rotation::{
    BeginRotation, ConfirmRotation, CreateView, NextStep, RotationPhase, RotationStep,
    RotationView, SinkStatus, WaitsFor,
};
use zeroize::Zeroize as _;

use crate::args::Rotate;
use crate::broker::{Broker, PATIENCE};
use crate::clock;
use crate::error::Failure;
use crate::secret_text::{self, SecretText};
use crate::ui;

/// How long this waits while GitHub revokes the old value; then the broker goes on alone.
const LOOK_ON: Duration = Duration::from_secs(90);

pub(crate) fn run(broker: &Broker, asked: &Rotate, json: bool) -> Result<(), Failure> {
    let path = format!("/v1/rotations/{}", asked.name);
    let mut driver = Driver {
        broker,
        asked,
        view: broker.read(&path)?,
        path,
    };
    if asked.dry_run {
        return if json {
            ui::print_json(&driver.view)
        } else {
            driver.plan()
        };
    }
    let ended = driver.drive();
    let view = &driver.view;
    // Also where a manual step or GitHub stopped it, the state is the result.
    let stopped = matches!(
        ended,
        Ok(()) | Err(Failure::Waiting(_) | Failure::Upstream(_))
    );
    if json && stopped {
        ui::print_json(view)?;
    } else if ended.is_ok() {
        ui::line(format_args!("{}: {}", view.secret, view.next.text))?;
    }
    ended
}

struct Driver<'a> {
    broker: &'a Broker,
    asked: &'a Rotate,
    path: String,
    /// The broker's last answer.
    view: RotationView,
}

impl Driver<'_> {
    /// To where nothing is left to do here.
    fn drive(&mut self) -> Result<(), Failure> {
        if self.asked.rollback {
            self.post("rollback")?;
            ui::note("the old value is in use again");
            return self.go_on();
        }
        let under_way = !matches!(
            self.view.phase,
            RotationPhase::None | RotationPhase::Finished | RotationPhase::RolledBack
        );
        if !under_way || self.asked.value_file.is_some() {
            if !under_way && let Some(create) = &self.view.create {
                self.show(create);
            }
            let Some(value) = self.value()? else {
                return Err(Failure::Waiting(format!(
                    "create the new value as above, then run `tokenctl rotate {} --value-file FILE`",
                    self.asked.name
                )));
            };
            self.begin(&value)?;
            // Only this answer has them.
            self.view.warnings.iter().for_each(ui::warning);
        }
        self.confirm_in_advance()?;
        self.go_on()
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        let mut looked_on = Duration::ZERO;
        let mut looked_whether_deleted = false;
        loop {
            match (self.view.next.waits_for, self.view.next.step) {
                (WaitsFor::NoOne, _) | (WaitsFor::Broker, RotationStep::Wait) => return Ok(()),
                (WaitsFor::Broker, RotationStep::Prove)
                    if self.view.phase == RotationPhase::Revoking
                        && wait_of(&self.view.next) > Duration::ZERO =>
                {
                    let wait = wait_of(&self.view.next);
                    looked_on += wait;
                    if looked_on > LOOK_ON {
                        return Err(self.waits());
                    }
                    clock::pause(wait.min(LOOK_ON));
                    self.post("next")?;
                }
                (WaitsFor::Broker, _) => {
                    let before = progress(&self.view);
                    ui::note(doing(&self.view.next, pending(&self.view)));
                    self.post("next")?;
                    let view = &self.view;
                    let stuck = progress(view) == before && view.next.step != RotationStep::Prove;
                    if stuck && let Some(why) = &view.failure {
                        return Err(Failure::Upstream(why.clone()));
                    }
                }
                (WaitsFor::Operator, RotationStep::Confirm) => {
                    let question = "Revoke the old value now? It works until then";
                    if !ui::stdin_is_terminal() || !ui::ask_yes(question)? {
                        return Err(self.waits());
                    }
                    self.confirm(None)?;
                }
                (WaitsFor::Operator, RotationStep::Delete) if !looked_whether_deleted => {
                    looked_whether_deleted = true;
                    self.post("next")?;
                }
                (WaitsFor::Operator, _) => return Err(self.waits()),
            }
        }
    }

    /// The next step is a manual one.
    fn waits(&self) -> Failure {
        Failure::Waiting(self.view.next.text.clone())
    }

    /// Prints to stderr where to create a value and how.
    fn show(&self, create: &CreateView) {
        ui::note(format_args!(
            "create the new value of {} at\n  {}",
            self.asked.name, create.link
        ));
        for setting in &create.settings {
            ui::note(format_args!("{}: {}", setting.label, setting.value));
        }
        create.notes.iter().for_each(ui::note);
    }

    /// `None` if it has to be typed and there is no terminal.
    fn value(&self) -> Result<Option<SecretText>, Failure> {
        let text = match &self.asked.value_file {
            Some(path) => secret_text::read_file(path)?,
            None if ui::stdin_is_terminal() => {
                ui::ask_secretly(&format!("New value of {}", self.asked.name))?
            }
            None => return Ok(None),
        };
        SecretText::parse(text).map(Some)
    }

    fn begin(&mut self, value: &SecretText) -> Result<(), Failure> {
        let mut body = BeginRotation {
            value: value.expose().to_owned(),
            expires_at: self.asked.expires,
            fewer_scopes: self.asked.fewer_scopes,
        };
        let request = Request::new("POST", &self.path)
            .patience(PATIENCE)
            .json(&body);
        body.value.zeroize();
        // To the broker, which checks and seals it.
        self.view = self.broker.send_secret(&request?)?.json()?;
        if let Some(version) = self.view.new_version {
            ui::note(format_args!(
                "GitHub accepts it; it is in use as version {version}, and the old value still works"
            ));
        }
        Ok(())
    }

    /// A confirmation on the command line holds from now on, also if this is interrupted.
    fn confirm_in_advance(&mut self) -> Result<(), Failure> {
        let under_way = self.view.next.waits_for != WaitsFor::NoOne;
        match (self.asked.revoke_after, self.asked.yes) {
            (Some(after), _) if under_way => self.confirm(Some(after.as_secs())),
            (None, true) if under_way => self.confirm(None),
            _ => Ok(()),
        }
    }

    fn confirm(&mut self, revoke_after: Option<u64>) -> Result<(), Failure> {
        let path = format!("{}/confirm", self.path);
        let body = ConfirmRotation { revoke_after };
        self.view = self.broker.post(&path, &body)?.json()?;
        Ok(())
    }

    fn post(&mut self, what: &str) -> Result<(), Failure> {
        let path = format!("{}/{what}", self.path);
        self.view = self.broker.act(&path)?.json()?;
        Ok(())
    }

    fn plan(&self) -> Result<(), Failure> {
        let view = &self.view;
        if let Some(create) = &view.create {
            ui::line(format_args!("link: {}", create.link))?;
            for setting in &create.settings {
                ui::line(format_args!("  {}: {}", setting.label, setting.value))?;
            }
            for note in &create.notes {
                ui::line(format_args!("  ({note})"))?;
            }
        }
        let fresh = view.create.is_some();
        for (number, step) in view.steps.iter().enumerate() {
            let mark = if step.done && !fresh { "done" } else { "    " };
            ui::line(format_args!("{:>2}. {mark} {}", number + 1, step.text))?;
        }
        ui::line(format_args!("next: {}", view.next.text))?;
        ui::note("nothing was changed");
        Ok(())
    }
}

/// What the broker does now, with so many sinks pending. Its `next` says it as a step that is still to do.
fn doing(next: &NextStep, pending: usize) -> String {
    let said = match next.step {
        RotationStep::Push if pending == 1 => "writing the value in use to 1 sink…",
        RotationStep::Push => return format!("writing the value in use to {pending} sinks…"),
        RotationStep::Verify => "asking GitHub with the stored new value…",
        RotationStep::Revoke => "asking GitHub to revoke the old value…",
        RotationStep::Prove => "checking that GitHub refuses the old value…",
        RotationStep::Erase => "erasing what is no longer needed…",
        _ => &next.text,
    };
    said.to_owned()
}

/// What changes when a step has got somewhere.
fn progress(view: &RotationView) -> (RotationPhase, RotationStep, usize) {
    let written = view.sinks.len().saturating_sub(pending(view));
    (view.phase, view.next.step, written)
}

fn pending(view: &RotationView) -> usize {
    let sinks = view.sinks.iter();
    sinks
        .filter(|sink| sink.state != SinkStatus::Current)
        .count()
}

fn wait_of(next: &NextStep) -> Duration {
    let until = next.at.map(|at| at.duration_since(clock::now()));
    until
        .and_then(|wait| Duration::try_from(wait).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_does_is_not_said_as_if_the_operator_had_to() {
        let said = |step, pending| {
            let next = NextStep {
                step,
                waits_for: WaitsFor::Broker,
                text: "ask GitHub".to_owned(),
                at: None,
            };
            doing(&next, pending)
        };
        assert_eq!(
            said(RotationStep::Push, 1),
            "writing the value in use to 1 sink…"
        );
        assert_eq!(
            said(RotationStep::Push, 2),
            "writing the value in use to 2 sinks…"
        );
        for step in [
            RotationStep::Verify,
            RotationStep::Revoke,
            RotationStep::Prove,
        ] {
            assert!(said(step, 0).split(' ').next().unwrap().ends_with("ing"));
        }
    }
}
