//! Reads a file of environment variables as a shell would, without being one.
//!
//! Understood: `NAME=value` and `export NAME=value`, several of them on a line or with `;` between them,
//! single and double quotes (also over several lines), backslashes, comments, blank lines, and `$NAME` or
//! `${NAME}` of a variable that the file sets above. Whatever else would make a shell *do* something
//! (`$(…)`, backquotes, `|`, other commands) is not guessed at: such a line is left out, and it is a
//! problem if it holds what looks like a token.
//!
//! What is said of a line never quotes a value. Values are wiped on drop.

mod reader;
#[cfg(test)]
mod tests;
mod text;

use broker_protocol::token_shape;
use zeroize::Zeroizing;

use self::reader::Reader;
pub(crate) use self::text::read;

/// One variable. No `Debug`: it holds a value.
pub(crate) struct Variable {
    /// Line on which it begins, counted from 1.
    pub(crate) line: usize,
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: Zeroizing<String>,
}

/// A line that gives no variable, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OddLine {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong, and what to write instead.
    pub(crate) why: String,
}

/// What a file holds, in order.
#[derive(Default)]
pub(crate) struct EnvFile {
    /// Each name once, with the value that a shell has at the end.
    pub(crate) variables: Vec<Variable>,
    /// Lines without a token that were left out.
    pub(crate) skipped: Vec<OddLine>,
    /// Lines with a token that cannot be read.
    pub(crate) problems: Vec<OddLine>,
}

/// Reads a file.
pub(crate) fn parse(text: &str) -> EnvFile {
    let mut file = EnvFile::default();
    let mut reader = Reader::new(text);
    while reader.at_statement() {
        let before = reader;
        let mut names = Vec::new();
        match reader.statement(&file.variables, &mut names) {
            Ok(set) => set.into_iter().for_each(|variable| file.set(variable)),
            Err(why) => {
                // Only the line on which it begins: a quote that is never closed is no reason to leave out all
                // that follows.
                reader = before;
                let line = before.line;
                file.leave_out(line, reader.skip_line(), &names, why);
            }
        }
    }
    file
}

impl EnvFile {
    fn set(&mut self, variable: Variable) {
        let same_name = |known: &&mut Variable| known.name == variable.name;
        let Some(known) = self.variables.iter_mut().find(same_name) else {
            return self.variables.push(variable);
        };
        let is_token = |value: &str| token_shape::holds_one(value);
        if *known.value != *variable.value && (is_token(&known.value) || is_token(&variable.value))
        {
            let why = twice(&variable.name, known.line);
            let line = variable.line;
            self.problems.push(OddLine { line, why });
        } else {
            *known = variable;
        }
    }

    /// A line that is not understood: a problem if it holds a token, or takes the place of one.
    fn leave_out(&mut self, line: usize, text: &str, names: &[String], why: &str) {
        let is_named = |known: &Variable| names.contains(&known.name);
        let lost = self.variables.iter().find(|known| is_named(known));
        if token_shape::holds_one(text) {
            let why =
                format!("it holds a token, and {why}; write NAME='TOKEN' on a line of its own");
            self.problems.push(OddLine { line, why });
        } else if let Some(known) = lost.filter(|known| token_shape::holds_one(&known.value)) {
            let why = twice(&known.name, known.line);
            self.problems.push(OddLine { line, why });
        } else {
            // Its value is not known from here on.
            self.variables.retain(|known| !is_named(known));
            let why = why.to_owned();
            self.skipped.push(OddLine { line, why });
        }
    }
}

fn twice(name: &str, line: usize) -> String {
    format!("{name} is set on line {line} already; keep one of the two")
}
