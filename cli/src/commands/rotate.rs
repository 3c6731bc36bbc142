//! `rotate`: one obvious next step at each turn.
//!
//! The broker knows how far a rotation is and what is next; this asks it for one step after the other
//! until it is done or a manual step is required. Interrupted anywhere, it resumes when run again.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use broker_protocol::client::Request;
use broker_protocol::rotation::{
    BeginRotation, ConfirmRotation, CreateView, NextStep, RotationPhase, RotationStep,
    RotationView, SinkStatus, WaitsFor,
};
use zeroize::Zeroize as _;

use crate::args::Rotate;
use crate::broker::Broker;
use crate::clock;
use crate::commands::PATIENCE;
use crate::error::Failure;
use crate::secret_text::{self, SecretText};
use crate::ui;

/// How long this waits while GitHub revokes the old value; then the broker goes on alone.
const LOOK_ON: Duration = Duration::from_secs(90);

pub(crate) fn run(broker: &Broker, asked: &Rotate, json: bool) -> Result<(), Failure> {
    let driver = Driver {
        broker,
        asked,
        path: format!("/v1/rotations/{}", asked.name),
    };
    let view: RotationView = broker.read(&driver.path)?;
    if asked.dry_run {
        return if json {
            ui::json(&ui::to_json(&view)?)
        } else {
            driver.plan(&view)
        };
    }
    let (view, ended) = driver.drive(view)?;
    if json {
        ui::json(&ui::to_json(&view)?)?;
    } else if ended.is_ok() {
        ui::line(format_args!("{}: {}", view.secret, view.next.text))?;
    }
    ended
}

struct Driver<'a> {
    broker: &'a Broker,
    asked: &'a Rotate,
    path: String,
}

impl Driver<'_> {
    /// To where nothing is left to do here: the state then, and whether that is a good end.
    fn drive(&self, view: RotationView) -> Result<(RotationView, Result<(), Failure>), Failure> {
        let mut view = view;
        if self.asked.rollback {
            view = self.post("rollback")?;
            ui::note("the old value is in use again");
        } else {
            let under_way = !matches!(
                view.phase,
                RotationPhase::None | RotationPhase::Finished | RotationPhase::RolledBack
            );
            if !under_way || self.asked.value_file.is_some() {
                if !under_way && let Some(create) = &view.create {
                    self.show(create);
                }
                let Some(value) = self.value()? else {
                    let waits = Failure::Waiting(format!(
                        "create the new value as above, then run `tokenctl rotate {} --value-file FILE`",
                        self.asked.name
                    ));
                    return Ok((view, Err(waits)));
                };
                view = self.begin(&value)?;
                // Only this answer has them.
                for warning in &view.warnings {
                    ui::warning(warning);
                }
            }
            view = self.confirm_in_advance(view)?;
        }
        self.go_on(view)
    }

    fn go_on(
        &self,
        mut view: RotationView,
    ) -> Result<(RotationView, Result<(), Failure>), Failure> {
        let mut looked_on = Duration::ZERO;
        let mut looked_whether_deleted = false;
        loop {
            match (view.next.waits_for, view.next.step) {
                (WaitsFor::Nobody, _) | (WaitsFor::Broker, RotationStep::Wait) => {
                    return Ok((view, Ok(())));
                }
                (WaitsFor::Broker, RotationStep::Prove)
                    if view.phase == RotationPhase::Revoking
                        && wait_of(&view.next) > Duration::ZERO =>
                {
                    let wait = wait_of(&view.next);
                    looked_on += wait;
                    if looked_on > LOOK_ON {
                        let waits = Failure::Waiting(view.next.text.clone());
                        return Ok((view, Err(waits)));
                    }
                    clock::pause(wait.min(LOOK_ON));
                    view = self.post("next")?;
                }
                (WaitsFor::Broker, _) => {
                    let before = progress(&view);
                    ui::note(&view.next.text);
                    view = self.post("next")?;
                    let stuck = progress(&view) == before && view.next.step != RotationStep::Prove;
                    if let Some(why) = view.failure.clone().filter(|_| stuck) {
                        let failed = Failure::Upstream(why);
                        return Ok((view, Err(failed)));
                    }
                }
                (WaitsFor::Person, RotationStep::Confirm) => {
                    let question = "Revoke the old value now? It works until then";
                    let yes = ui::stdin_is_terminal() && ui::ask_yes(question)?;
                    if !yes {
                        let waits = Failure::Waiting(view.next.text.clone());
                        return Ok((view, Err(waits)));
                    }
                    view = self.confirm(None)?;
                }
                (WaitsFor::Person, RotationStep::Delete) if !looked_whether_deleted => {
                    looked_whether_deleted = true;
                    view = self.post("next")?;
                }
                (WaitsFor::Person, _) => {
                    let waits = Failure::Waiting(view.next.text.clone());
                    return Ok((view, Err(waits)));
                }
            }
        }
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
        for note in &create.notes {
            ui::note(note);
        }
    }

    /// `None` if it has to be typed and there is no terminal.
    fn value(&self) -> Result<Option<SecretText>, Failure> {
        match self.asked.value_file.as_deref() {
            Some(path) if path == Path::new("-") => {
                let text = secret_text::read_to_end(&mut io::stdin().lock())?;
                SecretText::parse(text).map(Some)
            }
            Some(path) => {
                let mut file = File::open(path).map_err(Failure::file("read", path))?;
                SecretText::parse(secret_text::read_to_end(&mut file)?).map(Some)
            }
            None if ui::stdin_is_terminal() => {
                let prompt = format!("New value of {}", self.asked.name);
                SecretText::parse(ui::ask_secretly(&prompt)?).map(Some)
            }
            None => Ok(None),
        }
    }

    fn begin(&self, value: &SecretText) -> Result<RotationView, Failure> {
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
        let view: RotationView = self.broker.send_secret(&request?)?.json()?;
        if let Some(version) = view.new_version {
            ui::note(format_args!(
                "GitHub accepts it; it is in use as version {version}, and the old value still works"
            ));
        }
        Ok(view)
    }

    /// A confirmation on the command line holds from now on, also if this is interrupted.
    fn confirm_in_advance(&self, view: RotationView) -> Result<RotationView, Failure> {
        let under_way = view.next.waits_for != WaitsFor::Nobody;
        match (self.asked.revoke_after, self.asked.yes) {
            (Some(after), _) if under_way => self.confirm(Some(after.as_secs())),
            (None, true) if under_way => self.confirm(None),
            _ => Ok(view),
        }
    }

    fn confirm(&self, revoke_after: Option<u64>) -> Result<RotationView, Failure> {
        let path = format!("{}/confirm", self.path);
        let body = ConfirmRotation { revoke_after };
        Ok(self.broker.post(&path, &body)?.json()?)
    }

    fn post(&self, what: &str) -> Result<RotationView, Failure> {
        let path = format!("{}/{what}", self.path);
        let request = Request::new("POST", &path).patience(PATIENCE);
        Ok(self.broker.send(&request)?.json()?)
    }

    fn plan(&self, view: &RotationView) -> Result<(), Failure> {
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

/// What changes when a step has got somewhere.
fn progress(view: &RotationView) -> (RotationPhase, RotationStep, usize) {
    let current = |state| state == SinkStatus::Current;
    let written = view.sinks.iter().filter(|sink| current(sink.state));
    (view.phase, view.next.step, written.count())
}

fn wait_of(next: &NextStep) -> Duration {
    let until = next.at.map(|at| at.duration_since(clock::now()));
    until
        .and_then(|wait| Duration::try_from(wait).ok())
        .unwrap_or_default()
}
