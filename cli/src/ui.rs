//! The only file that prints: results to stdout, everything else to stderr.
//!
//! Text that came over the socket may have been chosen by someone else (an `about`, a caller's
//! program), so control characters are shown as escapes and cannot drive the terminal. JSON and
//! audit records are passed on byte for byte; they escape such characters themselves.
//!
//! There is no colour, and there are no prompts unless stdin is a terminal.
//!
//! Not here: what to print.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::iter;
use std::process::ExitCode;

use broker_protocol::client::Response;
use broker_protocol::token_shape::{self, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::Failure;

/// Prints one line of the result.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{}\n", printable(text)).as_bytes())
}

/// Prints part of the result as it is.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// Prints the broker's JSON as it came, ended by a newline.
pub(crate) fn json(body: &[u8]) -> Result<(), Failure> {
    // In one piece: a line that ends in a newline is not copied into stdout's own buffer, which
    // no one wipes.
    let mut text = Zeroizing::new(Vec::with_capacity(body.len() + 1));
    text.extend_from_slice(body.trim_ascii_end());
    text.push(b'\n');
    bytes(&text)
}

/// Prints JSON where no one answer of the broker is the result.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
    json(&text)
}

/// Prints the broker's answer: its JSON as it came, or its text as `print` has it.
pub(crate) fn answer<T: DeserializeOwned>(
    answer: &Response,
    as_json: bool,
    print: impl FnOnce(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if as_json {
        return json(&answer.body);
    }
    print(answer.json()?)
}

/// Prints a note to stderr.
pub(crate) fn note(text: impl Display) {
    say("note", text);
}

/// Tells of something that is not as it should be.
pub(crate) fn warning(text: impl Display) {
    say("warning", text);
}

/// Prints why the command failed, and what to try.
pub(crate) fn failure(failure: &Failure) {
    let what = match failure {
        Failure::Waiting(_) => "next",
        _ => "error",
    };
    say(what, failure);
    if let Some(hint) = failure.hint() {
        say("hint", hint);
    }
}

/// Prints help, the version, or what is wrong with the command line, and says with which exit code.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let mut text = error.render().to_string();
    // A token given where an argument is refused is not repeated: stderr ends up in logs.
    for argument in std::env::args_os().filter_map(|argument| argument.into_string().ok()) {
        if token_shape::of(&argument) != Shape::Unknown {
            text = text.replace(&argument, "[masked]");
        }
    }
    // The reader may be gone; there is no one else to tell.
    if error.use_stderr() {
        drop(io::stderr().lock().write_all(text.as_bytes()));
        ExitCode::from(2)
    } else {
        drop(io::stdout().lock().write_all(text.as_bytes()));
        ExitCode::SUCCESS
    }
}

fn say(what: &str, text: impl Display) {
    let line = format!("tokenctl: {what}: {}\n", printable(text));
    // Without a stderr there is nowhere to report that.
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

/// Whether stdout is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether questions can be asked on stdin.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks for something secret without showing it.
pub(crate) fn ask_secretly(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(format!("{prompt}: "))
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(format!("cannot ask on the terminal: {error}")))
}

/// Asks a question whose answer is yes only if it is `yes` or `y`.
pub(crate) fn ask_yes(question: &str) -> Result<bool, Failure> {
    let asked = |error: io::Error| Failure::new(format!("cannot ask on the terminal: {error}"));
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ").map_err(asked)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(asked)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// Columns of text, as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Lines of a name and what it is, without headings.
    pub(crate) const fn of_fields() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row of a name and what it is.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        self.rows.push(vec![name.to_owned(), printable(value)]);
    }

    /// Prints it, without spaces at the ends of lines.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        bytes(self.render().as_bytes())
    }

    fn render(&self) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A table with headings, and a row for each item.
pub(crate) struct List<'a, T> {
    items: &'a [T],
    table: Table,
}

impl<'a, T> List<'a, T> {
    /// No columns yet.
    pub(crate) fn of(items: &'a [T]) -> Self {
        let rows = vec![Vec::new(); items.len() + 1];
        let table = Table { rows };
        Self { items, table }
    }

    /// Adds a column: its heading, and what is in it for an item.
    pub(crate) fn column<C: Display>(mut self, heading: &str, cell: impl Fn(&'a T) -> C) -> Self {
        let cells = self.items.iter().map(|item| printable(cell(item)));
        let column = iter::once(heading.to_owned()).chain(cells);
        for (row, cell) in self.table.rows.iter_mut().zip(column) {
            row.push(cell);
        }
        self
    }

    /// Prints it.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        self.table.print()
    }

    /// Prints it, or this line if there is no item.
    pub(crate) fn print_or(&self, none: &str) -> Result<(), Failure> {
        match self.items {
            [] => line(none),
            _ => self.print(),
        }
    }
}

/// What there is, or a dash.
pub(crate) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The text with control characters as escapes; newlines stay where a text has several lines.
fn printable(text: impl Display) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(printable("plain\nlines"), "plain\nlines");
        assert_eq!(printable("\x1b[2J\u{9b}x"), "\\u{1b}[2J\\u{9b}x");
    }

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let items = [("org-label-sync-token", "ok"), ("x", "")];
        let list = List::of(&items)
            .column("NAME", |(name, _)| name)
            .column("STATE", |(_, state)| state);
        assert_eq!(
            list.table.render(),
            "NAME                  STATE\norg-label-sync-token  ok\nx\n"
        );
    }
}
