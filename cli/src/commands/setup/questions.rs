//! Questions at the terminal, and what answers them where there is none.

use crate::error::Failure;
use crate::ui;

/// How questions are answered.
pub(super) struct Questions {
    yes: bool,
    terminal: bool,
}

impl Questions {
    /// With `yes` each default is taken.
    pub(super) fn new(yes: bool) -> Self {
        let terminal = ui::stdin_is_terminal();
        Self { yes, terminal }
    }

    /// Whether there is a terminal.
    pub(super) const fn can_ask(&self) -> bool {
        self.terminal
    }

    /// Asks until `parse` takes the answer. `option` is what answers it on the command line.
    pub(super) fn ask<T>(
        &self,
        option: &str,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            let answer = match default.filter(|_| self.yes) {
                Some(default) => default.to_owned(),
                None => self.answer(option, question, default)?,
            };
            match parse(&answer) {
                Ok(parsed) => return Ok(parsed),
                Err(why) if self.terminal && !self.yes => ui::note(why),
                Err(why) => return Err(Failure::Usage(format!("{option}: {why}"))),
            }
        }
    }

    fn answer(
        &self,
        option: &str,
        question: &str,
        default: Option<&str>,
    ) -> Result<String, Failure> {
        if !self.terminal {
            return Err(Failure::Usage(format!(
                "there is no terminal to ask at; also needed: {option}"
            )));
        }
        let prompt = match default {
            Some(default) => format!("{question} [{default}]: "),
            None => format!("{question}: "),
        };
        let Some(answer) = ui::ask(&prompt)? else {
            return Err(Failure::with_hint(
                "setup stopped at a question",
                "`tokenctl setup` continues there",
            ));
        };
        match (answer.trim(), default) {
            ("", Some(default)) => Ok(default.to_owned()),
            (answer, _) => Ok(answer.to_owned()),
        }
    }
}

/// Reads the words of an answer.
pub(super) fn words<T, E: ToString>(
    answer: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, String> {
    let words = answer.split([' ', ',']).filter(|word| !word.is_empty());
    let words: Result<Vec<T>, E> = words.map(parse).collect();
    match words {
        Ok(words) if words.is_empty() => Err("name at least one".to_owned()),
        Ok(words) => Ok(words),
        Err(error) => Err(error.to_string()),
    }
}
