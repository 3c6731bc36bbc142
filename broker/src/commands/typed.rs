//! Passphrases for commands: from a file, from standard input, or typed at the terminal.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use broker_protocol::{as_read, value_form};
use zeroize::Zeroizing;

use broker_vault::root_key::Passphrase;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPassphrase {
    /// There is no terminal to type it at.
    #[error(
        "a passphrase is needed, and there is no terminal to ask at; pass {0} FILE, or - for standard input"
    )]
    NoTerminal(&'static str),
    /// The terminal failed.
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
    /// It is new, and unfit.
    #[error("{what}: it {why}")]
    Refused {
        /// Which passphrase.
        what: String,
        /// What is wrong with it, and where.
        why: as_read::UnfitPassphrase,
    },
}

/// Whether a passphrase is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptMode {
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
    typed: PromptMode,
) -> Result<Passphrase, NoPassphrase> {
    let text = match from {
        Some(path) if path == Path::new("-") => read(&mut io::stdin().lock(), path)?,
        Some(path) => {
            let mut file = File::open(path).map_err(unreadable(path))?;
            read(&mut file, path)?
        }
        None if !io::stdin().is_terminal() => return Err(NoPassphrase::NoTerminal(option)),
        None => at_terminal(what, typed)?,
    };
    taken(text, what, typed)
}

/// Asks at the terminal; for a new one until it fits and is typed the same twice.
pub(super) fn at_terminal(what: &str, typed: PromptMode) -> io::Result<Zeroizing<String>> {
    let ask = |prompt: String| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let mut text = ask(format!("{what}: "))?;
    if typed == PromptMode::Once {
        return Ok(text);
    }
    loop {
        let why = match as_read::new_passphrase(&text) {
            Err(why) => format!("it {why}"),
            Ok(_) if *text == *ask(format!("{what} again: "))? => return Ok(text),
            Ok(_) => "the two do not match".to_owned(),
        };
        text = ask(format!("{why}; once more\n{what}: "))?;
    }
}

/// One that was chosen before is taken as it was read, and tried cleaned first.
pub(super) fn taken(
    mut text: Zeroizing<String>,
    what: &str,
    typed: PromptMode,
) -> Result<Passphrase, NoPassphrase> {
    if typed == PromptMode::Twice
        && let Err(why) = as_read::new_passphrase(&text)
    {
        let what = what.to_owned();
        return Err(NoPassphrase::Refused { what, why });
    }
    Ok(Passphrase::new(std::mem::take(&mut *text)))
}

/// The next line of standard input, where that is no terminal; `None` at its end.
pub(super) fn next_line() -> io::Result<Option<Zeroizing<String>>> {
    line_of(&mut io::stdin().lock())
}

fn line_of(input: &mut impl BufRead) -> io::Result<Option<Zeroizing<String>>> {
    // With all that is cleaned off. What comes behind it would be taken for the next line.
    let most = value_form::LONGEST + "\u{feff}\r\n".len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    input.take(most as u64).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if as_read::cleaned_bytes(&bytes).len() > value_form::LONGEST {
        return Err(io::Error::other("it is longer than 48 KiB"));
    }
    let text = as_read::text_of(bytes);
    text.map(Some)
        .map_err(|why| io::Error::other(format!("it {why}")))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> NoPassphrase {
    let path = path.to_owned();
    move |source| NoPassphrase::File { path, source }
}

/// All there is.
fn read(input: &mut impl Read, path: &Path) -> Result<Zeroizing<String>, NoPassphrase> {
    let bytes = as_read::read_to_end(input).map_err(unreadable(path))?;
    let refused = |why: String| unreadable(path)(io::Error::other(why));
    if bytes.len() > value_form::LONGEST {
        return Err(refused("it is longer than 48 KiB".to_owned()));
    }
    as_read::text_of(bytes).map_err(|why| refused(format!("it {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(text: &[u8]) -> Result<Passphrase, NoPassphrase> {
        taken(
            read(&mut &text[..], Path::new("-"))?,
            "Passphrase",
            PromptMode::Twice,
        )
    }

    #[test]
    fn one_final_line_end_and_a_byte_order_mark_are_dropped_and_no_more() {
        for text in [
            "a passphrase\n",
            "a passphrase\r\n",
            "\u{feff}a passphrase\n",
        ] {
            let typed = read_from(text.as_bytes());
            assert!(typed.is_ok_and(|typed| typed.chosen().is_ok()));
            let read = read(&mut text.as_bytes(), Path::new("-")).unwrap();
            assert_eq!(
                as_read::new_passphrase(&read),
                Ok("a passphrase"),
                "{text:?}"
            );
        }
        let refused = read_from(b"a passphrase\n\n").err().unwrap().to_string();
        assert!(
            refused.starts_with("Passphrase: it has a control character (U+000A) at character 13"),
            "{refused}"
        );
    }

    #[test]
    fn without_a_terminal_each_passphrase_is_a_line() {
        let mut input = &b"the first\r\nthe second"[..];
        let mut next = || line_of(&mut input).unwrap().map(|line| line.to_string());
        assert_eq!(next().as_deref(), Some("the first\r\n"));
        assert_eq!(next().as_deref(), Some("the second"));
        assert_eq!(next(), None);
        assert!(line_of(&mut &b"\xff\n"[..]).is_err());
        assert!(line_of(&mut &[b'x'; value_form::LONGEST + 1][..]).is_err());
        let longest = "x".repeat(value_form::LONGEST);
        for text in [format!("{longest}\n"), format!("\u{feff}{longest}\r\n")] {
            let mut input = text.as_bytes();
            assert!(
                line_of(&mut input)
                    .unwrap()
                    .is_some_and(|line| *line == text)
            );
            assert_eq!(input, b"", "all of the line is read");
            let longer = text.replace('\r', "").replace('\n', "x\n");
            assert!(line_of(&mut longer.as_bytes()).is_err());
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused_without_being_quoted() {
        for text in [&b"secret\xff"[..], &[b'x'; value_form::LONGEST + 1]] {
            let error = read_from(text).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
