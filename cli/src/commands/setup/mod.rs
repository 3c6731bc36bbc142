//! `setup`: from nothing to a command that has a token, for a human at a terminal.
//!
//! It does nothing itself: each step prints a plain command and runs it, so that its work can be repeated,
//! undone and read up on. What a step is for may be there already; then it is left alone. So an interrupted
//! run is continued by the next one, and one that was complete changes nothing.
//!
//! Values and passphrases are asked for by these commands, never here.

mod first_purpose;
mod first_secret;
mod plain_command;
mod questions;
mod start;
mod try_it;

use std::ffi::OsString;

use broker_protocol::api::Status;
use broker_protocol::paths::Paths;

use self::plain_command::PlainCommand;
use self::questions::Questions;
use crate::args::Setup;
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui;

/// What all steps need.
struct Steps<'a> {
    broker: &'a Broker,
    asked: &'a Setup,
    questions: Questions,
    /// `--config` and `--socket`, where given: each command gets them too.
    global: Vec<OsString>,
}

pub(crate) fn run(broker: &Broker, global: Vec<OsString>, asked: &Setup) -> Result<(), Failure> {
    if broker.places == Paths::system() {
        return Err(Failure::with_hint(
            "setup is for a broker of your own account",
            "docs/how-to/install-service.md installs the service",
        ));
    }
    let steps = Steps {
        broker,
        asked,
        questions: Questions::new(asked.yes),
        global,
    };
    steps.refuse_another_broker()?;
    steps.refuse_incomplete()?;
    ui::line(
        "Each step shows the command that it runs. Ctrl-C stops; the next run of\n\
         `tokenctl setup` continues, and changes nothing that is there.",
    )?;
    steps.vault()?;
    steps.start()?;
    let secrets = steps.secrets()?;
    let purpose = steps.purpose(&secrets)?;
    steps.try_it(&purpose)
}

impl Steps<'_> {
    /// What answers on the socket must be the broker whose files these are.
    fn refuse_another_broker(&self) -> Result<(), Failure> {
        let Some(status) = self.status()? else {
            return Ok(());
        };
        let places = &self.broker.places;
        if status.dev {
            return Err(Failure::with_hint(
                format!(
                    "the broker on {} is `tokend --dev`, which is not for use",
                    places.socket.display()
                ),
                "unset TOKEND_HOME, and run `tokenctl setup` again",
            ));
        }
        let whose = match (status.operator, places.vault.exists()) {
            (true, true) => return Ok(()),
            (true, false) => format!("has its vault elsewhere than {}", places.vault.display()),
            (false, _) => "is not your account's".to_owned(),
        };
        Err(Failure::with_hint(
            format!("the broker on {} {whose}", places.socket.display()),
            "setup is for a broker of your own: unset TOKEND_SOCKET, or name its configuration with --config or \
             TOKEND_HOME",
        ))
    }

    /// Without a terminal nothing can be asked, so an empty home needs every answer at once.
    fn refuse_incomplete(&self) -> Result<(), Failure> {
        if self.questions.can_ask() || self.broker.places.vault.exists() {
            return Ok(());
        }
        let Setup {
            yes,
            passphrase_file,
            no_recovery,
            import,
            secret,
            repositories,
            permissions,
            ..
        } = self.asked;
        let has_passphrase = passphrase_file.is_some() || *no_recovery;
        let has_value = import.is_some() || secret.is_some();
        let missing = [
            (has_passphrase, "--passphrase-file FILE or --no-recovery"),
            (has_value, "--import FILE or --secret NAME"),
            (!repositories.is_empty(), "--repo OWNER/NAME"),
            (
                *yes || !permissions.is_empty(),
                "--permission NAME=LEVEL or --yes",
            ),
        ];
        let missing = missing.into_iter().filter(|(there, _)| !there);
        let missing: Vec<&str> = missing.map(|(_, option)| option).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "there is no terminal to ask at; also needed: {}",
            missing.join("; ")
        )))
    }

    /// Configuration, root key and vault.
    fn vault(&self) -> Result<(), Failure> {
        heading(1, "configuration, root key and vault")?;
        let places = &self.broker.places;
        if places.vault.exists() {
            return found(format_args!("the vault {}", places.vault.display()));
        }
        if self.asked.no_recovery {
            return self.tokenctl(["init"]).hiding(NEXT).run();
        }
        let init = self.tokenctl(["init", "--recovery"]).hiding(NEXT);
        match &self.asked.passphrase_file {
            Some(file) => init.reading(file).run(),
            None => {
                ui::line(
                    "The recovery passphrase opens the vault if its root key is lost. It has at\n\
                     least 12 characters. Keep it apart from this machine.",
                )?;
                init.run()
            }
        }
    }

    /// A broker that answers, and is unlocked.
    fn start(&self) -> Result<(), Failure> {
        heading(2, "the broker")?;
        let status = match self.status()? {
            Some(status) => {
                found("a broker that answers")?;
                status
            }
            None => start::start(self)?,
        };
        if status.locked {
            self.tokenctl(["unlock"]).run()?;
        }
        Ok(())
    }

    /// `None` if there is no broker.
    fn status(&self) -> Result<Option<Status>, Failure> {
        if !self.broker.places.socket.exists() {
            return Ok(None);
        }
        match self.broker.read("/v1/status") {
            Ok(status) => Ok(Some(status)),
            Err(failure) if failure.is_no_broker() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Has the broker load what a command wrote that was interrupted before the broker had read it: that
    /// command would refuse to write it again.
    fn load_policies(&self) -> Result<(), Failure> {
        let status = self.status()?.and_then(|status| status.broker);
        match status.is_some_and(|broker| !broker.policy_files_changed.is_empty()) {
            true => self.tokenctl(["policy", "reload"]).run(),
            false => Ok(()),
        }
    }

    /// A command of this program.
    fn tokenctl<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> PlainCommand {
        let args = args.into_iter().map(Into::into);
        PlainCommand::tokenctl(self.global.iter().cloned().chain(args).collect())
    }
}

/// How `init` begins what to do next.
const NEXT: &str = "next:";

fn heading(number: usize, what: &str) -> Result<(), Failure> {
    ui::line(format_args!("\n{number}/5  {what}"))
}

fn found(what: impl std::fmt::Display) -> Result<(), Failure> {
    ui::line(format_args!("found {what}"))
}
