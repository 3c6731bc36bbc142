//! The keyring of the desktop session, through the Secret Service on D-Bus.
//!
//! Each call runs on a thread of its own with a time limit: a keyring that waits for someone to
//! unlock it, or a bus that accepts and never answers, would otherwise hold the broker for ever. A
//! thread that runs out of time is left behind; it holds nothing but its own copy of what it was
//! asked.
//!
//! The connection is made once per process and its failure is remembered (by the `keyring` crate), so
//! a bus that comes up later is found by a restart only; the message says so.
//!
//! A locked collection can answer "no such entry" for an entry it has. So that answer is an error
//! over an existing vault, and never a reason to make a key.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

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
    /// The one of the desktop session. A call blocks for ten seconds at most, the probe for two.
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

const SERVICE: &str = "tokend";

fn probe() -> Result<(), RootKeyError> {
    within(PROBE_LIMIT, || {
        match entry("probe")?.get_secret().map(Zeroizing::new) {
            Ok(_) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(explain(&error, "probe")),
        }
    })
}

// Reads it back, too: some keyrings take a secret and forget it.
fn keep(vault_id: &str, key: &RootKey) -> Result<(), RootKeyError> {
    let user = vault_id.to_owned();
    let text = key.to_text();
    let kept = within(LIMIT, move || {
        let entry = entry(&user)?;
        let kept = entry
            .set_secret(&text)
            .and_then(|()| entry.get_secret())
            .map(Zeroizing::new)
            .map_err(|error| explain(&error, &user))?;
        Ok(*kept == *text)
    })?;
    if kept {
        Ok(())
    } else {
        Err(RootKeyError::KeyringRefuses(
            "it returns something else than it was given".to_owned(),
        ))
    }
}

fn read(vault_id: &str) -> Result<RootKey, RootKeyError> {
    let user = vault_id.to_owned();
    within(LIMIT, move || {
        let content = entry(&user)?
            .get_secret()
            .map(Zeroizing::new)
            .map_err(|error| explain(&error, &user))?;
        RootKey::read(&content).unwrap_or_else(|| {
            Err(RootKeyError::NotAKey {
                place: format!("the keyring's entry for vault {user}"),
            })
        })
    })
}

fn erase(user: &str) -> Result<(), RootKeyError> {
    let user = user.to_owned();
    within(LIMIT, move || match entry(&user)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(explain(&error, &user)),
    })
}

fn entry(user: &str) -> Result<Entry, RootKeyError> {
    if let Err(error) = Entry::store_status() {
        return Err(explain(error, user));
    }
    Entry::new(SERVICE, user).map_err(|error| explain(&error, user))
}

/// The reason, without what the keyring returned: that could be a key.
fn explain(error: &Error, user: &str) -> RootKeyError {
    match error {
        Error::NoEntry => RootKeyError::NotInKeyring(user.to_owned()),
        Error::PlatformFailure(cause) => RootKeyError::NoKeyring(cause.to_string()),
        Error::NoStorageAccess(_) => {
            RootKeyError::KeyringRefuses("it is locked, or denies access".to_owned())
        }
        Error::Ambiguous(_) => RootKeyError::KeyringRefuses(format!(
            "it has several entries for service `tokend`, user `{user}`"
        )),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => RootKeyError::NotAKey {
            place: format!("the keyring's entry for vault {user}"),
        },
        _ => RootKeyError::NoKeyring("the Secret Service cannot be reached".to_owned()),
    }
}

fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> Result<T, RootKeyError> + Send + 'static,
) -> Result<T, RootKeyError> {
    let (answer, answered) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("keyring".to_owned())
        .spawn(move || {
            // Nobody listens any more if the time is up.
            drop(answer.send(job()));
        })?;
    match answered.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(RootKeyError::KeyringSilent(limit.as_secs())),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(RootKeyError::NoKeyring(
            "the call into it failed".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_keyring_that_never_answers_is_given_up() {
        let (_held, never) = mpsc::channel::<()>();
        let error = within(Duration::from_millis(20), move || {
            never.recv().map_err(io::Error::other)?;
            Ok(())
        });
        assert!(matches!(error, Err(RootKeyError::KeyringSilent(_))));
    }

    #[test]
    fn no_entry_never_reads_as_leave_to_make_one() {
        let error = explain(&Error::NoEntry, "00ff");
        assert!(matches!(error, RootKeyError::NotInKeyring(_)));
        let text = error.to_string();
        assert!(text.contains("unlock the keyring"), "{text}");
        assert!(text.contains("no new key is ever made"), "{text}");
    }

    #[test]
    fn what_the_keyring_returned_is_never_in_the_message() {
        let returned = b"canary-of-a-key".to_vec();
        let text = explain(&Error::BadEncoding(returned), "00ff").to_string();
        assert!(!text.contains("canary"), "{text}");
    }
}
