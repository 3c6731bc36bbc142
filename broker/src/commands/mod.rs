//! The daemon's own subcommands: what needs no running broker.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use broker_secret_memory::redact;

use broker_protocol::causes;

pub mod backup;
pub mod init;
pub mod policy;
pub mod restore;
mod typed;

pub use typed::NoPassphrase;

/// Says on standard error why the daemon or one of its commands failed, causes included.
pub fn fail(error: &dyn Error) -> ExitCode {
    fail_with(error, 1)
}

/// The same, with an exit code that says more.
pub fn fail_with(error: &dyn Error, code: u8) -> ExitCode {
    say_why(error, &mut io::stderr());
    code.into()
}

/// Says why it failed, causes included and masked.
pub fn say_why(error: &dyn Error, to: &mut impl Write) {
    let text = format!("tokend: error: {}\n", causes::describe(error));
    // Nowhere is left to complain if that is gone.
    to.write_all(&redact::mask(text.as_bytes()))
        .unwrap_or_default();
}
