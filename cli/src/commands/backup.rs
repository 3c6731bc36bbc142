//! `backup`: everything the broker holds, as one file under a passphrase.
//!
//! The broker makes it; here it is only written down: closed to others from the first byte, beside the
//! place where it belongs, and put there whole. Whatever is in the way is found before the broker is
//! asked, because the root key leaves the broker with the answer.
//!
//! Not here: what is in the file, and whether it is sound: `tokend backup --verify`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::api::BackUp;
use broker_protocol::client::{ClientError, Request};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::daemon;
use crate::args::{Backup, Global};
use crate::broker::Broker;
use crate::error::Failure;
use crate::secret_text;
use crate::ui;

/// Has the broker make a backup, and writes it.
pub(crate) fn make(broker: &Broker, asked: &Backup, json: bool) -> Result<(), Failure> {
    let path = &asked.file;
    if !asked.force && fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    let mut unfinished = Unfinished::beside(path)?;
    let passphrase = new_passphrase(asked.passphrase_file.as_deref())?;
    let mut body = BackUp {
        passphrase: passphrase.as_str().to_owned(),
    };
    drop(passphrase);
    let request = Request::new("POST", "/v1/backup").json(&body);
    body.passphrase.zeroize();
    // To the broker, which seals the backup with it.
    let bytes = broker
        .download(&request?, &mut unfinished)
        .map_err(|failure| match failure {
            Failure::Broker(ClientError::Output(source)) => Failure::File {
                doing: "write",
                path: path.clone(),
                source,
            },
            other => other,
        })?;
    let sha256 = unfinished.finish(path, asked.force)?;
    if json {
        let file = path.display().to_string();
        return ui::json(&ui::to_json(&Made {
            file,
            bytes,
            sha256,
        })?);
    }
    ui::line(format_args!(
        "{} holds the backup: {bytes} bytes, SHA-256 {sha256}",
        path.display()
    ))?;
    ui::note(format_args!(
        "prove that it opens: tokenctl backup --verify {}",
        path.display()
    ));
    ui::note("whoever has it and its passphrase has every secret; keep the two apart");
    Ok(())
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

#[derive(Serialize)]
struct Made {
    file: String,
    bytes: u64,
    sha256: String,
}

/// Twice from the terminal, or once from a file, less one newline.
fn new_passphrase(from: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let mut text = match from {
        Some(path) if path == Path::new("-") => secret_text::read_to_end(&mut io::stdin().lock())?,
        Some(path) => {
            let mut file = File::open(path).map_err(Failure::file("read", path))?;
            secret_text::read_to_end(&mut file)?
        }
        None if ui::stdin_is_terminal() => {
            let text = ui::ask_secretly("Passphrase for the backup")?;
            if *text != *ui::ask_secretly("Passphrase for the backup again")? {
                return Err(Failure::Usage(
                    "the two do not match; nothing was written".to_owned(),
                ));
            }
            return Ok(text);
        }
        None => {
            return Err(Failure::Usage(
                "a passphrase is needed, and there is no terminal to ask at; say --passphrase-file \
                 FILE, or - for stdin"
                    .to_owned(),
            ));
        }
    };
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// A file beside the one that is wanted, gone unless it was finished.
struct Unfinished {
    path: PathBuf,
    file: File,
    hash: Sha256,
}

impl Unfinished {
    fn beside(path: &Path) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unfinished-{}", std::process::id()));
        let unfinished = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options
            .open(&unfinished)
            .map_err(Failure::file("write", path))?;
        Ok(Self {
            path: unfinished,
            file,
            hash: Sha256::new(),
        })
    }

    /// Makes it durable and puts it in its place. Returns its SHA-256.
    fn finish(self, path: &Path, replace: bool) -> Result<String, Failure> {
        let placed = self.file.sync_all().and_then(|()| {
            if replace {
                return fs::rename(&self.path, path);
            }
            // A link, unlike a rename, does not replace what is there.
            fs::hard_link(&self.path, path)
        });
        match placed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(path));
            }
            placed => placed.map_err(Failure::file("write", path))?,
        }
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        File::open(directory)
            .and_then(|dir| dir.sync_all())
            .map_err(Failure::file("write", directory))?;
        let hash = self.hash.clone().finalize();
        Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.file.write(bytes)?;
        self.hash.update(bytes.get(..size).unwrap_or_default());
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already if it was renamed. What is left after a crash is sealed, and not whole.
        drop(fs::remove_file(&self.path));
    }
}

fn exists(path: &Path) -> Failure {
    Failure::with_hint(
        format!("{} is there already, and was not touched", path.display()),
        "name another file, or say --force",
    )
}
