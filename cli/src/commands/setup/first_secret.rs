//! A secret with a value: imported, or typed.

use std::env;
use std::path::{Path, PathBuf};

use broker_protocol::api::{SecretList, SecretState, SecretView};
use broker_protocol::names::{NameError, SecretName};

use super::{Steps, found, heading};
use crate::commands::registry;
use crate::commands::secret::SECRETS;
use crate::error::Failure;
use crate::ui;

/// Where tokens are to come from.
enum From {
    File(PathBuf),
    Typed(SecretName),
}

impl Steps<'_> {
    /// The secrets that have a value: one at least.
    pub(super) fn secrets(&self) -> Result<Vec<SecretView>, Failure> {
        heading(3, "a token")?;
        self.load_policies()?;
        let all = self.listed()?;
        let there = with_value(&all);
        // An import leaves alone what is there, and only it knows whether the file has more.
        if self.asked.import.is_none() && self.enough(&there) {
            let names: Vec<&str> = there.iter().map(|view| view.name.as_str()).collect();
            found(format_args!("secrets with a value: {}", names.join(", ")))?;
            registry::note_unanswered(&there);
            return Ok(there);
        }
        match self.from(&all)? {
            From::File(file) => {
                let args = ["import".into(), file.into_os_string()];
                self.tokenctl(args).run()?;
            }
            From::Typed(name) => {
                let declared = all.iter().any(|view| view.declared && view.name == name);
                let verb = if declared { "set" } else { "add" };
                self.tokenctl(["secret", verb, name.as_str()]).run()?;
            }
        }
        let there = with_value(&self.listed()?);
        if there.is_empty() {
            return Err(Failure::with_hint(
                "no secret has a value that GitHub takes",
                "`tokenctl setup` asks for a new value of the first; `tokenctl secret list` shows them all",
            ));
        }
        Ok(there)
    }

    fn listed(&self) -> Result<Vec<SecretView>, Failure> {
        let list: SecretList = self.broker.read_list(SECRETS)?;
        Ok(list.secrets)
    }

    fn enough(&self, there: &[SecretView]) -> bool {
        match &self.asked.secret {
            Some(secret) => there.iter().any(|view| view.name == *secret),
            None => !there.is_empty(),
        }
    }

    fn from(&self, all: &[SecretView]) -> Result<From, Failure> {
        match (&self.asked.import, &self.asked.secret) {
            (Some(file), _) => return Ok(From::File(file.clone())),
            (None, Some(secret)) => return Ok(From::Typed(secret.clone())),
            (None, None) => {}
        }
        // What they came from has no better value.
        if let Some(view) = all.iter().find(|view| view.declared) {
            let SecretView { name, state, .. } = view;
            found(format_args!(
                "the secret {name}, which is {}",
                state.as_str()
            ))?;
            return Ok(From::Typed(name.clone()));
        }
        let home = env::var_os("HOME").map(PathBuf::from);
        let file = home.as_deref().map(|home| home.join(USUAL_FILE));
        if file.is_some_and(|file| file.is_file()) {
            let default = format!("~/{USUAL_FILE}");
            let question = "File of tokens to import, or `none` to type one token";
            let answer = self.questions.ask(
                "--import FILE or --secret NAME",
                question,
                Some(&default),
                |answer| match answer {
                    "none" => Ok(None),
                    answer => file_named(answer, home.as_deref()).map(Some),
                },
            )?;
            if let Some(file) = answer {
                return Ok(From::File(file));
            }
        } else {
            ui::line("Tokens in a file: stop here, and run `tokenctl setup --import FILE`.")?;
        }
        ui::line("To create one: https://github.com/settings/personal-access-tokens/new")?;
        let name = self.questions.ask(
            "--import FILE or --secret NAME",
            "A name for your token",
            Some("github-token"),
            |answer| answer.parse().map_err(|why: NameError| why.to_string()),
        )?;
        Ok(From::Typed(name))
    }
}

/// Where many keep their tokens.
const USUAL_FILE: &str = ".github-tokens";

fn file_named(answer: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    let file = match (answer.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(answer),
    };
    if file.is_file() {
        return Ok(file);
    }
    Err(format!("there is no file {}", file.display()))
}

/// Those that a lease can be had on, as far as is known.
fn with_value(all: &[SecretView]) -> Vec<SecretView> {
    let usable = |view: &&SecretView| {
        let works = matches!(
            view.state,
            SecretState::Ok | SecretState::Due | SecretState::Overdue
        );
        view.declared && works
    };
    all.iter().filter(usable).cloned().collect()
}
