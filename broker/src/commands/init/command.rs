//! `tokend init` on the command line: its options, and how passphrases are typed.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use broker_protocol::paths::Paths;
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource};
use clap::Args;
use jiff::Timestamp;

use super::{AuditLogChoice, InitError, InitOptions, PLACE_OF_DEV, PassphraseFor, init, print};
use crate::commands::typed::{self, PromptMode};

/// What `tokend init` takes.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// Where to store the root key: keyring, file, passphrase or credential; default: the keyring if
    /// one answers, else a key file
    #[arg(long, value_name = "WHERE")]
    root_key: Option<RootKeySource>,
    /// Ask for a recovery passphrase, which opens the vault if the root key is lost. Without a terminal,
    /// passphrases are lines of standard input
    #[arg(long)]
    recovery: bool,
    /// Set aside an audit log that cannot be repaired and begin a new one; its leases are lost
    #[arg(long)]
    new_audit_log: bool,
}

/// Runs the command.
///
/// # Errors
///
/// [`InitError`], each with what to do.
pub fn run(
    arguments: InitArguments,
    places: &Paths,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), InitError> {
    let name = places.data.file_name().unwrap_or_default();
    if name.display().to_string().starts_with(PLACE_OF_DEV) {
        return Err(InitError::PlaceOfDev(places.data.clone()));
    }
    let wants_recovery = arguments.recovery;
    if wants_recovery && places.vault.exists() {
        return Err(InitError::TooLateForRecovery(places.vault.clone()));
    }
    let options = InitOptions {
        root_key: arguments.root_key,
        passphrase: &|asked| match asked {
            PassphraseFor::Recovery if !wants_recovery => Ok(None),
            PassphraseFor::Recovery => ask("Recovery passphrase", PromptMode::Twice)?
                .map(Some)
                .ok_or_else(|| io::Error::other(NO_RECOVERY)),
            PassphraseFor::New => ask("Passphrase", PromptMode::Twice),
            PassphraseFor::Existing => ask("Passphrase", PromptMode::Once),
        },
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        keyring: Keyring::SESSION,
        audit_log: if arguments.new_audit_log {
            AuditLogChoice::BeginNew
        } else {
            AuditLogChoice::Keep
        },
    };
    let report = init(places, &options, now)?;
    print(&report, out)?;
    Ok(())
}

/// At the terminal, or the next line of standard input, as `tokenctl rekey` reads them. `None` if there is neither.
fn ask(what: &str, typed: PromptMode) -> io::Result<Option<Passphrase>> {
    let text = match io::stdin().is_terminal() {
        true => Some(typed::at_terminal(what, typed)?),
        false => typed::next_line()?,
    };
    let taken = |text| typed::taken(text, what, typed).map_err(io::Error::other);
    text.map(taken).transpose()
}

const NO_RECOVERY: &str = "there is no terminal to ask at, and standard input has no line for it";
