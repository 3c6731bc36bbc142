//! What `op` means by what it says.
//!
//! Its exit code is 1 for everything, so its words are all there is. These were recorded from op 2.34
//! to 2.40; what is not among them is passed on as it is, without what could be a value.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use broker_protocol::source::FieldReference;
use broker_secret_memory::redact;
use broker_secret_memory::token::AccessToken;

use crate::one_password::{OnePasswordError, Part};

/// What it was asked, so that names are not taken for its own words, nor shown.
pub(super) struct Asked<'a> {
    pub(super) reference: Option<&'a FieldReference>,
    pub(super) token: Option<&'a AccessToken>,
}

/// The cause of a run that ended so, having said this.
pub(super) fn cause(status: ExitStatus, said: &[u8], asked: &Asked<'_>) -> OnePasswordError {
    let text = text_of(said);
    let line = the_line(&text);
    if line.is_empty() {
        return OnePasswordError::Other(how(status).into());
    }
    let own_words = without_names(line, asked);
    known(&own_words)
        .unwrap_or_else(|| OnePasswordError::Other(redact::words(&own_words, SHOWN).into()))
}

fn known(words: &str) -> Option<OnePasswordError> {
    use OnePasswordError::{
        BadReference, Forbidden, Limited, MalformedToken, NoAccount, NoSuch, Prompting, Several,
        SignedOut, Unauthenticated, Unreachable,
    };
    // The first that is there counts.
    let meanings = [
        ("(429)", Limited(again_in(words))),
        ("Too many requests", Limited(again_in(words))),
        ("DecodeSACredentials", MalformedToken),
        ("illegal base64 data", MalformedToken),
        ("(401) Unauthorized", Unauthenticated),
        ("(403) Forbidden", Forbidden),
        ("found no accounts for filter", NoAccount),
        ("not currently signed in", SignedOut),
        ("account is not signed in", SignedOut),
        (NO_ACCOUNTS, SignedOut),
        ("authorization timeout", Prompting),
        ("authorization prompt dismissed", Prompting),
        ("connecting to desktop app", Unreachable(NO_APP.into())),
        ("RequestDelegatedSession", Unreachable(NO_APP.into())),
        ("isn't a vault in this account", NoSuch(Part::Vault)),
        ("isn't an item in the", NoSuch(Part::Item)),
        ("does not have a field", NoSuch(Part::Field)),
        ("More than one item matches", Several(Part::Item)),
        ("secret references should match", BadReference),
    ];
    let mut meanings = meanings.into_iter();
    let meant = meanings.find(|(phrase, _)| words.contains(phrase));
    meant.map(|(_, error)| error)
}

/// “Please retry in 58 minutes”.
fn again_in(words: &str) -> Option<Duration> {
    let (_, rest) = words
        .split_once("retry in ")
        .or_else(|| words.split_once("again in "))?;
    span(rest)
}

/// A span of time as `op` writes it: `58 minutes`, `an hour` is none.
pub(super) fn span(text: &str) -> Option<Duration> {
    let mut words = text.split_whitespace();
    let count: u64 = words.next()?.parse().ok()?;
    let unit = match words.next()?.trim_end_matches(['.', ',', ';']) {
        "second" | "seconds" => 1,
        "minute" | "minutes" => 60,
        "hour" | "hours" => 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(count.checked_mul(unit)?))
}

/// The first line that is an error, without its mark and date; where none is, the first there is.
fn the_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or_default();
    // Said before the error, and without it the error says nothing.
    if first.starts_with("No accounts configured") {
        return first;
    }
    let marked = lines.find_map(|line| line.strip_prefix("[ERROR]"));
    let line = marked.unwrap_or(first).trim_start();
    without_date(line)
}

/// `2026/07/20 20:55:23 `, by the clock of the machine.
fn without_date(line: &str) -> &str {
    let is = |word: &str, mark: char| {
        word.contains(mark) && word.chars().all(|c| c.is_ascii_digit() || c == mark)
    };
    let mut rest = line;
    for mark in ['/', ':'] {
        match rest.split_once(' ') {
            Some((word, after)) if is(word, mark) => rest = after.trim_start(),
            _ => break,
        }
    }
    rest
}

/// Its own words alone: an item may be called “account is not signed in”.
fn without_names<'a>(line: &'a str, asked: &Asked<'_>) -> Cow<'a, str> {
    let mut line = Cow::Borrowed(line);
    let mut blank = |name: &str| {
        if !name.is_empty() && line.contains(name) {
            line = line.replace(name, NAME).into();
        }
    };
    if let Some(token) = asked.token {
        // Compared with what was said, and kept nowhere.
        blank(token.expose());
    }
    if let Some(reference) = asked.reference {
        let FieldReference {
            vault,
            item,
            section,
            field,
        } = reference;
        // The longest first: each may hold the next.
        blank(&reference.to_string());
        blank(&format!("{vault}/{item}"));
        for part in [Some(vault), Some(item), section.as_ref(), Some(field)]
            .into_iter()
            .flatten()
        {
            blank(&format!("\"{part}\""));
            blank(&format!("'{part}'"));
        }
    }
    line
}

fn text_of(bytes: &[u8]) -> String {
    bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("`op` ended with exit code {code} and said nothing"),
        (None, Some(signal)) => format!("`op` was ended by signal {signal}"),
        (None, None) => "`op` ended with neither a status nor a signal".to_owned(),
    }
}

const NO_ACCOUNTS: &str = "No accounts configured for use with 1Password CLI";
const NO_APP: &str = "its desktop app does not answer `op`; start it and let it integrate with \
                      1Password CLI, or use a service account";
/// What stands for a name.
const NAME: &str = "…";
/// Characters.
const SHOWN: usize = 200;
