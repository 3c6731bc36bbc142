//! The daemon's own subcommands: what needs no running broker.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::{causes, redact};

pub mod init;
pub mod policy;

/// Says on standard error why the daemon or one of its commands failed, causes included.
pub fn fail(error: &dyn Error) -> ExitCode {
    let text = format!("tokend: error: {}\n", causes::in_words(error));
    // Nowhere is left to complain if standard error is gone.
    io::stderr()
        .write_all(&redact::mask(text.as_bytes()))
        .unwrap_or_default();
    ExitCode::FAILURE
}
