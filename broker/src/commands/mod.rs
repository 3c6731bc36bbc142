//! The daemon's own subcommands: what needs no running broker.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::redact;

pub mod init;
pub mod policy;

/// Says on standard error why the daemon or one of its commands failed, causes included.
pub fn fail(error: &dyn Error) -> ExitCode {
    let mut text = format!("tokend: error: {error}");
    let mut before = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Some libraries repeat their cause in their own text.
        let cause_text = cause.to_string();
        if !before.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        before = cause_text;
        next = cause.source();
    }
    text.push('\n');
    // Nowhere is left to complain if standard error is gone.
    io::stderr()
        .write_all(&redact::mask(text.as_bytes()))
        .unwrap_or_default();
    ExitCode::FAILURE
}
