//! Values in the keyring of the desktop session: `source = "keyring:NAME"`.
//!
//! An entry has the attributes `service`, which is `tokend-secrets`, and `username`, which is the name:
//! what `secret-tool store` makes with these, and what this makes itself.
//!
//! A locked keyring is an error at once. No prompt is raised: a script that asks for a token would raise
//! it on a desktop where maybe no one is.

use std::time::Duration;

use broker_protocol::source::Location;
use broker_protocol::value_form::BadValue;
use broker_secret_memory::token::AccessToken;
use broker_session_keyring::{self as session_keyring, CallError, IfLocked, Name};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::{FailureKind, Fetched, ReadError, Source, SourceContext, SourceError};

/// The keyring. Calls are made one at a time; one that hangs lets no other follow until it is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyringSource;

/// The attribute `service` of every entry with a value. The root key's is another.
const SERVICE: &str = "tokend-secrets";

/// How long a call may take once it is its turn. No one is asked anything meanwhile.
const LIMIT: Duration = Duration::from_secs(10);

impl KeyringSource {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`KeyringError`].
    pub async fn read(self, name: &str) -> Result<Fetched, KeyringError> {
        let read = |entry| session_keyring::read(LIMIT, entry, IfLocked::Fail);
        let bytes = elsewhere(name, read).await?;
        let value = AccessToken::read_bytes(bytes)
            .map_err(|unfit| KeyringError::NotAValue(name.into(), unfit))?;
        Ok(value.into())
    }

    /// Writes a value, in place of what is there, and reads it back.
    ///
    /// # Errors
    ///
    /// [`KeyringError`]. After [`CallError::Silent`] it may be there all the same, and [`Self::read`]
    /// tells.
    pub async fn write(self, name: &str, value: &AccessToken) -> Result<(), KeyringError> {
        // Into the call, which hands it to the keyring, encrypted.
        let bytes = Zeroizing::new(value.expose().as_bytes().to_vec());
        let write = |entry| session_keyring::write(LIMIT, entry, bytes, IfLocked::Fail);
        elsewhere(name, write).await
    }

    /// Erases a value. One that is not there is erased already.
    ///
    /// # Errors
    ///
    /// [`KeyringError`].
    pub async fn erase(self, name: &str) -> Result<(), KeyringError> {
        let erase = |entry| session_keyring::erase(LIMIT, entry, IfLocked::Fail);
        elsewhere(name, erase).await
    }
}

impl Source for KeyringSource {
    fn scheme(&self) -> &'static str {
        "keyring"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        let read = Self::read(*self, place.name());
        read.map(|read| Ok(read.map_err(SourceError::from)?))
            .boxed()
    }

    fn can_write(&self) -> bool {
        true
    }

    fn change<'a>(
        &'a self,
        place: &'a Location,
        value: Option<&'a AccessToken>,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            match value {
                Some(value) => self.write(place.name(), value).await?,
                None => self.erase(place.name()).await?,
            }
            Ok(())
        }
        .boxed()
    }
}

async fn elsewhere<T: Send + 'static>(
    name: &str,
    call: impl FnOnce(Name) -> Result<T, CallError> + Send + 'static,
) -> Result<T, KeyringError> {
    let entry = Name {
        service: SERVICE,
        user: name.to_owned(),
    };
    let called = tokio::task::spawn_blocking(|| call(entry)).await;
    let called = called.unwrap_or_else(|panic| Err(CallError::NoKeyring(panic.to_string().into())));
    called.map_err(|error| KeyringError::of(error, name))
}

/// Why the keyring gave or took no value: for operators, with the fix, and never with any of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// None answers.
    #[error(
        "no keyring answers ({0}); start tokend within a session that has a Secret Service, such as gnome-keyring"
    )]
    NoKeyring(Box<str>),
    /// It is locked, or the part of it is in which the entry would be.
    #[error("the keyring is locked; unlock it in the desktop session and ask again")]
    Locked,
    /// It has no collection for it, or does not show it while locked.
    #[error(
        "the keyring has no default collection, or it is locked; unlock it in the desktop session, or make one, and ask again"
    )]
    NoCollection,
    /// It does not answer.
    #[error("the keyring did not answer within {0} s; restart it if it does not come back")]
    Silent(u64),
    /// An earlier call was given up, and is not done yet.
    #[error(
        "an earlier call into the keyring still waits; answer its prompt in the desktop session, or restart tokend"
    )]
    Busy,
    /// The keyring is open, and has no such entry.
    #[error(
        "the keyring has no such entry; put the value there: secret-tool store --label={0} service {SERVICE} username {0}"
    )]
    NoEntry(Box<str>),
    /// Several entries match.
    #[error(
        "the keyring has several such entries; look at them and leave one: secret-tool search --all service {SERVICE} username {0}"
    )]
    Several(Box<str>),
    /// What is there cannot be a value.
    #[error("the keyring's entry {0} {1}; put the value there, alone")]
    NotAValue(Box<str>, BadValue),
    /// It returned something else than it was given.
    #[error("the keyring does not keep what it is given; keep the value elsewhere")]
    Forgets,
    /// The machine gave no thread for it.
    #[error("no thread to ask the keyring from: {0}")]
    NoThread(Box<str>),
}

impl KeyringError {
    /// What it says about the value that was read before.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::NoKeyring(_)
            | Self::Locked
            | Self::NoCollection
            | Self::Silent(_)
            | Self::Busy
            | Self::NoThread(_) => FailureKind::Unavailable,
            Self::NoEntry(_) | Self::Several(_) | Self::NotAValue(..) | Self::Forgets => {
                FailureKind::Refused
            }
        }
    }

    fn of(error: CallError, name: &str) -> Self {
        match error {
            CallError::NoKeyring(why) => Self::NoKeyring(why),
            CallError::NoEntry => Self::NoEntry(name.into()),
            CallError::Locked => Self::Locked,
            CallError::NoCollection => Self::NoCollection,
            CallError::Several => Self::Several(name.into()),
            CallError::Silent(limit) => Self::Silent(limit),
            CallError::Busy => Self::Busy,
            CallError::NotASecret => Self::NotAValue(name.into(), BadValue::NotText),
            CallError::Forgets => Self::Forgets,
            CallError::NoThread(why) => Self::NoThread(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_about_the_value_is_unavailable_and_what_does_is_refused() {
        for (error, kind) in [
            (CallError::NoKeyring("x".into()), FailureKind::Unavailable),
            (CallError::Locked, FailureKind::Unavailable),
            (CallError::NoCollection, FailureKind::Unavailable),
            (CallError::Silent(10), FailureKind::Unavailable),
            (CallError::Busy, FailureKind::Unavailable),
            (CallError::NoThread("x".into()), FailureKind::Unavailable),
            (CallError::NoEntry, FailureKind::Refused),
            (CallError::Several, FailureKind::Refused),
            (CallError::NotASecret, FailureKind::Refused),
            (CallError::Forgets, FailureKind::Refused),
        ] {
            assert_eq!(KeyringError::of(error, "ci").kind(), kind);
        }
    }

    #[test]
    fn the_error_for_a_missing_entry_names_the_command_that_makes_it() {
        let text = KeyringError::of(CallError::NoEntry, "ci").to_string();
        let command = "secret-tool store --label=ci service tokend-secrets username ci";
        assert!(text.ends_with(command), "{text}");
    }
}
