//! The daemon's own subcommands: what needs no running broker.

use std::error::Error;
use std::fs;
use std::io::{self, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use broker_manual::usage::{self, WrongUsage};
use broker_private_files::{self as private, PrivateError};
use broker_protocol::{argument_mask, causes};
use broker_secret_memory::redact;
use serde::Serialize;
use serde_json::json;

pub mod backup;
pub mod init;
pub mod policy;
pub mod restore;
mod typed;

pub use typed::NoPassphrase;

/// Says on standard error why the daemon or one of its commands failed, causes included.
pub fn fail(error: &dyn Error, code: u8) -> ExitCode {
    say_why(error, &mut io::stderr());
    code.into()
}

/// The same for a command that prints JSON: in the form that `tokenctl` has, as docs/reference/exit-codes.md says.
pub fn fail_in_json(error: &dyn Error, code: u8) -> ExitCode {
    write_json(error, code, &mut io::stderr());
    code.into()
}

fn write_json(error: &dyn Error, code: u8, to: &mut impl Write) {
    write_report(&causes::describe(error), None, code, to);
}

fn write_report(error: &str, hint: Option<&str>, code: u8, to: &mut impl Write) {
    let report = json!({
        "error": error,
        "code": match code {
            2 => "usage",
            8 => "verification_failed",
            _ => "failed",
        },
        "hint": hint,
        "exit_code": code,
    });
    let text = argument_mask::masked(&format!("{report}\n"), std::env::args_os());
    to.write_all(&redact::mask(text.as_bytes()))
        .unwrap_or_default();
}

/// Writes to `out` line by line, and masks what looks like a token that was passed as an argument.
pub fn masked(out: impl Write) -> impl Write {
    LineWriter::new(Masked(out))
}

struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match str::from_utf8(bytes) {
            Ok(text) => {
                let text = argument_mask::masked(text, std::env::args_os());
                self.0.write_all(text.as_bytes())?;
            }
            Err(_) => self.0.write_all(&redact::mask(bytes))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Prints help, the version, or what is wrong with the command line, and says with which exit code.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    let text = argument_mask::masked(&error.render().to_string(), std::env::args_os());
    // The reader may be gone; there is no one else to tell.
    if error.use_stderr() {
        match usage::wants_json(std::env::args_os()) {
            true => write_usage(&text, &mut io::stderr()),
            false => io::stderr().write_all(text.as_bytes()).unwrap_or_default(),
        }
        return ExitCode::from(2);
    }
    io::stdout().write_all(text.as_bytes()).unwrap_or_default();
    ExitCode::SUCCESS
}

fn write_usage(text: &str, to: &mut impl Write) {
    let wrong = WrongUsage::read(text);
    write_report(&wrong.error, Some(&wrong.hint), 2, to);
}

/// Says why it failed, causes included and masked.
pub fn say_why(error: &dyn Error, to: &mut impl Write) {
    let text = format!("tokend: error: {}\n", causes::describe(error));
    let text = argument_mask::masked(&text, std::env::args_os());
    // Nowhere is left to complain if that is gone.
    to.write_all(&redact::mask(text.as_bytes()))
        .unwrap_or_default();
}

/// Prints an answer as JSON, in a line.
fn print_json(answer: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    writeln!(out)
}

/// Makes a directory that is missing; one that is there may be written by this account and root alone. Returns
/// whether it was made.
fn make_or_check(directory: &Path) -> Result<bool, PrivateError> {
    match private::check_unwritable_by_others(directory) {
        Err(error) if error.is_not_found() => private::make_directory(directory),
        there => there.map(|()| false),
    }
}

/// What is in a directory; nothing if there is none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, PrivateError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(PrivateError::io(directory))?,
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths
        .collect::<io::Result<_>>()
        .map_err(PrivateError::io(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_json_has_the_fields_of_tokenctl_in_one_line() {
        let mut said = Vec::new();
        write_json(&io::Error::other("two\nlines"), 8, &mut said);
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        let want = json!({
            "error": "two\nlines", "code": "verification_failed", "hint": null, "exit_code": 8
        });
        assert_eq!(said, want);
    }

    #[test]
    fn wrong_usage_in_json_is_one_line_with_the_same_fields() {
        let mut said = Vec::new();
        let text = "error: unexpected argument '--forc' found\n\n  tip: a similar argument exists: '--force'\n";
        write_usage(text, &mut said);
        assert_eq!(said.iter().filter(|byte| **byte == b'\n').count(), 1);
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        let want = json!({
            "error": "unexpected argument '--forc' found", "code": "usage",
            "hint": "a similar argument exists: '--force'", "exit_code": 2
        });
        assert_eq!(said, want);
    }
}
