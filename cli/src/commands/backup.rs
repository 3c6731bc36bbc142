//! `backup`: everything the broker holds, as one file under a passphrase.
//!
//! The broker makes it; here it is only written down: closed to others from the first byte, beside the
//! place where it belongs, and put there whole; or to stdout, for `-`. Whatever is in the way is found
//! before the broker is asked, because the root key leaves the broker with the answer.
//!
//! Not here: what is in the file, and whether it is sound: `tokend backup --verify`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use broker_protocol::api::BackUp;
use broker_protocol::client::{ClientError, Request};
use broker_protocol::counted::counted;
use broker_protocol::hex;
use broker_protocol::whole_file::{self, NotAFile, WholeFile};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::daemon;
use crate::args::{Backup, Global};
use crate::broker::Broker;
use crate::error::Failure;
use crate::passphrase;
use crate::secret_text;
use crate::ui;

/// Has the broker make a backup, and writes it.
pub(crate) fn make(broker: &Broker, asked: &Backup, json: bool) -> Result<(), Failure> {
    let path = &asked.file;
    if path == Path::new("-") {
        return to_stdout(broker, asked, json);
    }
    let there = whole_file::look(path).map_err(not_written(path))?;
    if there.is_some() && !asked.force {
        return Err(exists(path));
    }
    let mut file = WholeFile::beside(path, 0o600).map_err(not_written(path))?;
    let made = download(broker, asked, &mut file)?;
    let placed = match asked.force {
        true => file.put(),
        false => file.put_new(),
    };
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
        placed => placed.map_err(not_written(path))?,
    }
    if json {
        return ui::print_json(&made);
    }
    ui::line(format_args!(
        "{} contains the backup: {}, SHA-256 {}",
        made.file,
        counted(made.bytes, "byte"),
        made.sha256
    ))?;
    ui::note(format_args!(
        "prove that it opens: tokenctl backup --verify {}",
        made.file
    ));
    ui::note(KEEP_APART);
    Ok(())
}

const KEEP_APART: &str =
    "anyone who has it and its passphrase has every secret; keep the two apart";

/// For a pipe. It holds the whole backup only if this succeeds.
fn to_stdout(broker: &Broker, asked: &Backup, json: bool) -> Result<(), Failure> {
    if json || asked.force {
        return Err(Failure::Usage(
            "the backup itself goes to stdout; leave --json and --force out, or name a file"
                .to_owned(),
        ));
    }
    if ui::stdout_is_terminal() {
        return Err(Failure::Usage(
            "a backup is not printed to a terminal; name a file, or pipe it: tokenctl backup - | …"
                .to_owned(),
        ));
    }
    let mut out = io::stdout().lock();
    let made = download(broker, asked, &mut out)?;
    out.flush().map_err(Failure::Output)?;
    ui::note(format_args!(
        "the backup was written: {}, SHA-256 {}",
        counted(made.bytes, "byte"),
        made.sha256
    ));
    ui::note(KEEP_APART);
    Ok(())
}

/// What was written.
#[derive(Serialize)]
struct Made {
    file: String,
    bytes: u64,
    sha256: String,
}

/// Has the broker make a backup under a passphrase that is asked for here.
fn download(broker: &Broker, asked: &Backup, to: &mut dyn Write) -> Result<Made, Failure> {
    let mut typed = new_passphrase(asked.passphrase_file.as_deref())?;
    let mut body = BackUp {
        passphrase: std::mem::take(&mut *typed),
    };
    let request = Request::new("POST", "/v1/backup").json(&body);
    body.passphrase.zeroize();
    let mut hashed = Hashed {
        to,
        hash: Sha256::new(),
    };
    // To the broker, which seals the backup with it.
    let bytes = broker
        .download(&request?, &mut hashed)
        .map_err(|failure| match failure {
            Failure::Broker(ClientError::Output(source)) => not_written(&asked.file)(source),
            other => other,
        })?;
    Ok(Made {
        file: asked.file.display().to_string(),
        bytes,
        sha256: hex::of(&hashed.hash.finalize()),
    })
}

/// Becomes `tokend backup --verify`.
pub(crate) fn verify(asked: &Backup, global: &Global) -> Result<(), Failure> {
    let mut args: Vec<OsString> = vec!["--verify".into()];
    if let Some(from) = &asked.passphrase_file {
        args.extend(["--passphrase-file".into(), from.clone().into_os_string()]);
    }
    args.extend(["--".into(), asked.file.clone().into_os_string()]);
    daemon::run_either_way(&["backup"], &args, global)
}

/// Twice from the terminal, or once from a file.
fn new_passphrase(from: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let text = match from {
        Some(path) => secret_text::read_file(path)?,
        None if ui::stdin_is_terminal() => passphrase::ask_new("Passphrase for the backup")?,
        None => {
            return Err(Failure::Usage(
                "a passphrase is needed, and there is no terminal to ask at; pass --passphrase-file \
                 FILE, or - for stdin"
                    .to_owned(),
            ));
        }
    };
    passphrase::chosen(text, "passphrase for the backup")
}

/// Hashes what is written.
struct Hashed<'a> {
    to: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.to.write(bytes)?;
        self.hash.update(bytes.get(..size).unwrap_or_default());
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// For `map_err`: no option leads past what is not a file.
fn not_written(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| match NotAFile::is_cause_of(&error) {
        true => Failure::with_hint(
            format!("cannot write {}: {error}", path.display()),
            "it was not touched; name another file, or - for stdout",
        ),
        false => Failure::file("write", path)(error),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::with_hint(
        format!("{} exists already and was not changed", path.display()),
        "name another file, or pass --force",
    )
}
