//! A root key in the keyring of the desktop session.
//!
//! A locked collection can answer "no such entry" for an entry it has. So that answer is an error
//! over an existing vault, and never a reason to make a key.

use std::io;
use std::time::Duration;

use broker_session_keyring::{self as session_keyring, CallError, IfLocked, Name};

use super::{RootKey, RootKeyError};

/// A keyring, as four calls into it.
#[derive(Debug, Clone, Copy)]
pub struct Keyring {
    /// Asks whether one answers at all, without making or changing anything in it.
    pub probe: fn() -> Result<(), RootKeyError>,
    /// Keeps a key under this name, in place of what is there.
    pub keep: fn(&str, &RootKey) -> Result<(), RootKeyError>,
    /// Reads the key of this name.
    pub read: fn(&str) -> Result<RootKey, RootKeyError>,
    /// Erases the key of this name, if there is one.
    pub erase: fn(&str) -> Result<(), RootKeyError>,
}

impl Keyring {
    /// The one of the desktop session. A call waits ten seconds at most for its turn, and ten
    /// more for its answer; the probe two and two.
    pub const SESSION: Self = Self {
        probe,
        keep,
        read,
        erase,
    };
}

/// How long reading and writing wait: long enough to type a password into the desktop's prompt.
const LIMIT: Duration = Duration::from_secs(10);

/// How long [`probe`] waits for a sign of life.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

fn probe() -> Result<(), RootKeyError> {
    match session_keyring::read(PROBE_LIMIT, name("probe"), IfLocked::Prompt) {
        Ok(_) | Err(CallError::NoEntry) => Ok(()),
        Err(error) => Err(explain(error, "probe")),
    }
}

fn keep(user: &str, key: &RootKey) -> Result<(), RootKeyError> {
    session_keyring::write(LIMIT, name(user), key.to_text(), IfLocked::Prompt)
        .map_err(|error| explain(error, user))
}

fn read(user: &str) -> Result<RootKey, RootKeyError> {
    let content = session_keyring::read(LIMIT, name(user), IfLocked::Prompt)
        .map_err(|error| explain(error, user))?;
    RootKey::read(&content, || entry(user))
}

fn erase(user: &str) -> Result<(), RootKeyError> {
    session_keyring::erase(LIMIT, name(user), IfLocked::Prompt)
        .map_err(|error| explain(error, user))
}

fn name(user: &str) -> Name {
    Name {
        service: "tokend",
        user: user.to_owned(),
    }
}

fn entry(user: &str) -> String {
    format!("the keyring's entry for vault {user}")
}

fn explain(error: CallError, user: &str) -> RootKeyError {
    match error {
        CallError::NoEntry => RootKeyError::NotInKeyring(user.to_owned()),
        CallError::NoKeyring(why) => RootKeyError::NoKeyring(why.into()),
        CallError::Locked | CallError::NoCollection => {
            RootKeyError::KeyringRefuses("it is locked, or denies access".to_owned())
        }
        CallError::Several => RootKeyError::KeyringRefuses(format!(
            "it has several entries for service `tokend`, user `{user}`"
        )),
        CallError::Silent(limit) => RootKeyError::KeyringSilent(limit),
        CallError::Busy => RootKeyError::KeyringRefuses(
            "an earlier call still waits for its answer, such as a prompt that no one answered"
                .to_owned(),
        ),
        CallError::NotASecret => RootKeyError::NotAKey { place: entry(user) },
        CallError::Forgets => RootKeyError::KeyringRefuses(
            "it returned something other than what was stored".to_owned(),
        ),
        CallError::NoThread(why) => RootKeyError::Memory(io::Error::other(String::from(why))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_never_reads_as_leave_to_make_one() {
        let error = explain(CallError::NoEntry, "00ff");
        assert!(matches!(error, RootKeyError::NotInKeyring(_)));
        let text = error.to_string();
        assert!(text.contains("unlock the keyring"), "{text}");
        assert!(text.contains("no new key is ever made"), "{text}");
    }
}
