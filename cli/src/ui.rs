//! The only file that prints: results to stdout, everything else to stderr.
//!
//! Text that came over the socket may have been chosen by someone else (an `about`, a caller's
//! program), so characters that drive a terminal, change the order of text or cannot be seen are shown as
//! escapes. JSON is passed on byte for byte, but at a terminal it has escapes for them too, which mean the same.
//!
//! With `--json` each line on stderr is an object too, so that a program finds why a command failed: `note`,
//! `warning`, or `error` with `code`, `hint` and `exit_code`.
//!
//! There is no colour, and there are no prompts unless stdin is a terminal.
//!
//! Not here: what to print.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use broker_manual::usage::WrongUsage;
use broker_protocol::argument_mask;
use broker_protocol::client::Response;
use broker_protocol::printable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use terminal_size::{Width, terminal_size_of};
use zeroize::Zeroizing;

use crate::error::{Failure, USAGE};
use crate::table;
pub(crate) use crate::table::{List, Table};

/// Prints one line of the result.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{}\n", masked(&printable(text))).as_bytes())
}

/// Prints sentences of the result.
pub(crate) fn sentences(text: impl Display) -> Result<(), Failure> {
    line(table::folded(&text.to_string(), terminal_width()))
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
    json_line(&text)
}

/// Prints lines of JSON as they are; at a terminal, with escapes for what would drive it.
pub(crate) fn json_line(line: &[u8]) -> Result<(), Failure> {
    match str::from_utf8(line) {
        Ok(text) if stdout_is_terminal() => bytes(printable::json(text).as_bytes()),
        _ => bytes(line),
    }
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

/// Notes, once, that the broker is `tokend --dev`.
pub(crate) fn note_dev() {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| note(NOT_FOR_USE));
}

/// Of `tokend --dev`.
const NOT_FOR_USE: &str = "this is `tokend --dev`: made-up tokens, no GitHub; not for use";

/// Tells of something that is not as it should be.
pub(crate) fn warning(text: impl Display) {
    say("warning", text);
}

/// Prints why the command failed, and what to try.
pub(crate) fn failure(failure: &Failure) {
    let hint = failure.hint();
    if is_json() {
        return report(&FailureReport {
            error: failure.to_string(),
            code: failure.code(),
            hint,
            exit_code: failure.exit_code(),
        });
    }
    let what = match failure {
        Failure::Waiting(_) => "next",
        _ => "error",
    };
    say(what, failure);
    if let Some(hint) = hint {
        say("hint", hint);
    }
}

/// A failure as a program reads it. The fields stay, and `code` is a word that does not change.
#[derive(Serialize)]
struct FailureReport {
    error: String,
    code: &'static str,
    hint: Option<String>,
    exit_code: u8,
}

/// Prints help, the version, or what is wrong with the command line, and says with which exit code.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = masked(&error.render().to_string());
    // The reader may be gone; there is no one else to tell.
    if error.use_stderr() {
        match is_json() {
            true => report(&usage_report(&text)),
            false => drop(io::stderr().lock().write_all(text.as_bytes())),
        }
        ExitCode::from(2)
    } else {
        drop(io::stdout().lock().write_all(text.as_bytes()));
        ExitCode::SUCCESS
    }
}

fn usage_report(text: &str) -> FailureReport {
    let wrong = WrongUsage::read(text);
    FailureReport {
        error: wrong.error,
        code: USAGE,
        hint: Some(wrong.hint),
        exit_code: 2,
    }
}

/// From now on what goes to stderr is JSON.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Set before anything is printed, and never changed after.
static JSON: AtomicBool = AtomicBool::new(false);

fn say(what: &str, text: impl Display) {
    if is_json() {
        return report(&BTreeMap::from([(what, text.to_string())]));
    }
    let text = masked(&printable(format_args!("tokenctl: {what}: {text}")));
    let line = format!("{}\n", table::folded(&text, width_of(io::stderr())));
    // Without a stderr there is nowhere to report that.
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

fn report(object: &impl Serialize) {
    let text = serde_json::to_string(object).unwrap_or_default();
    let text = masked(&text);
    let text = match stderr_is_terminal() {
        true => printable::json(&text),
        false => Cow::Borrowed(&*text),
    };
    let line = format!("{text}\n");
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

/// The columns of the terminal that stdout is; `None` if it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    width_of(io::stdout())
}

fn width_of(output: impl AsFd) -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(output)?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// The text without tokens that were passed where no secret belongs: stderr ends up in logs.
fn masked(text: &str) -> String {
    argument_mask::masked(text, std::env::args_os())
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

/// Asks a question, and returns the line that is typed; `None` at the end of what is typed (Ctrl-D).
pub(crate) fn ask(question: &str) -> Result<Option<String>, Failure> {
    let asked = |error: io::Error| Failure::new(format!("cannot ask on the terminal: {error}"));
    let mut err = io::stderr().lock();
    write!(err, "{}", printable(question)).map_err(asked)?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer).map_err(asked)? == 0 {
        // What comes next is not on the question's line.
        writeln!(err).map_err(asked)?;
        return Ok(None);
    }
    Ok(Some(answer))
}

/// Asks a question whose answer is yes only if it is `yes` or `y`.
pub(crate) fn ask_yes(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?.unwrap_or_default();
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// What there is, or a dash.
pub(crate) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The text with escapes for what would drive a terminal; newlines stay where a text has several lines.
pub(crate) fn printable(text: impl Display) -> String {
    printable::lines(&text.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal_or_change_its_order() {
        assert_eq!(printable("plain\nlines"), "plain\nlines");
        assert_eq!(printable("\x1b[2J\u{9b}x"), "\\u{1b}[2J\\u{9b}x");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
    }
}
