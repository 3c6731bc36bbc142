//! Passphrases for commands: from a file, from standard input, or typed at the terminal.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize as _, Zeroizing};

use crate::vault::root_key::Passphrase;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPassphrase {
    /// Nobody can type it.
    #[error(
        "a passphrase is needed, and there is no terminal to ask at; say {0} FILE, or - for standard input"
    )]
    NoTerminal(&'static str),
    /// The terminal failed, or what was typed twice differs.
    #[error("the passphrase could not be read: {0}")]
    Prompt(#[from] io::Error),
    /// The file.
    #[error("the passphrase cannot be read from {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Whether a passphrase is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// It was chosen before.
    Once,
    /// It is chosen now, and typed twice.
    Twice,
}

/// Reads the passphrase called `what`; `option` is the one that `from` was given with.
pub(super) fn passphrase(
    from: Option<&Path>,
    option: &'static str,
    what: &str,
    typed: Typed,
) -> Result<Passphrase, NoPassphrase> {
    match from {
        Some(path) if path == Path::new("-") => read(&mut io::stdin().lock(), path),
        Some(path) => {
            let mut file = File::open(path).map_err(unreadable(path))?;
            read(&mut file, path)
        }
        None if !io::stdin().is_terminal() => Err(NoPassphrase::NoTerminal(option)),
        None => {
            let ask = |prompt: String| rpassword::prompt_password(prompt).map(Passphrase::new);
            let first = ask(format!("{what}: "))?;
            if typed == Typed::Twice && !first.is_repeated_by(&ask(format!("{what} again: "))?) {
                return Err(io::Error::other("the two do not match; nothing was made").into());
            }
            Ok(first)
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> NoPassphrase {
    let path = path.to_owned();
    move |source| NoPassphrase::File { path, source }
}

/// All there is, less one newline at the end.
fn read(input: &mut impl Read, path: &Path) -> Result<Passphrase, NoPassphrase> {
    // The whole capacity at once: a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let read = input.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
    read.map_err(unreadable(path))?;
    if bytes.len() > LONGEST {
        let why = io::Error::other("it is longer than 48 KiB");
        return Err(unreadable(path)(why));
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        error.into_bytes().zeroize();
        unreadable(path)(io::Error::other("it is not UTF-8"))
    })?;
    Ok(Passphrase::new(text))
}

/// In bytes; what the broker takes in a request.
const LONGEST: usize = 48 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(text: &[u8]) -> Result<Passphrase, NoPassphrase> {
        read(&mut &text[..], Path::new("-"))
    }

    #[test]
    fn one_final_newline_is_dropped_and_only_one() {
        for (text, same) in [("a passphrase\n", true), ("a passphrase\n\n", false)] {
            let read = read_from(text.as_bytes()).ok().unwrap();
            let want = Passphrase::new("a passphrase".to_owned());
            assert_eq!(read.is_repeated_by(&want), same);
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused_without_being_quoted() {
        for text in [&b"secret\xff"[..], &[b'x'; LONGEST + 1]] {
            let error = read_from(text).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
