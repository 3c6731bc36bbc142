//! The keyring of the desktop session, through the Secret Service on D-Bus.
//!
//! Each call runs on a thread of its own with a time limit: a keyring that waits for someone to
//! unlock it, or a bus that accepts and never answers, would otherwise hold the broker for ever. A
//! thread that runs out of time is left behind; it holds nothing but its own copy of what it was
//! asked, and there is never a second one: until it is done, further calls fail at once.
//!
//! Each call makes a connection of its own. One that is kept is of no use any more once the keyring
//! was restarted, as at the next login, and the `keyring` crate would keep its first for good.
//!
//! Not here: what is stored in the keyring, and what an operator is to do. The root key and the values of
//! secrets have their own errors.

mod gate;

use std::collections::HashMap;
use std::time::Duration;

use keyring::{Entry, Error};
use keyring_core::api::CredentialStoreApi as _;
use secret_service::blocking::SecretService;
use secret_service::{EncryptionType, Error as ServiceError};
use zbus_secret_service_keyring_store::Store;
use zeroize::Zeroizing;

use self::gate::Gate;

/// What an entry is found by.
#[derive(Debug, Clone)]
pub struct Name {
    /// Its attribute `service`.
    pub service: &'static str,
    /// Its attribute `username`.
    pub user: String,
}

/// What becomes of a call while the keyring is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfLocked {
    /// The desktop asks whoever sits at it for the password, and the call waits: for what an operator
    /// is there for.
    Prompt,
    /// It fails as [`CallError::Locked`], and no one sees anything: for what a program asked for.
    Fail,
}

/// Reads an entry.
///
/// # Errors
///
/// [`CallError`].
pub fn read(
    limit: Duration,
    name: Name,
    locked: IfLocked,
) -> Result<Zeroizing<Vec<u8>>, CallError> {
    CALLS.within(limit, move || {
        let content = entry(&name, locked)?.get_secret().map(Zeroizing::new);
        content.map_err(|error| explain(&error))
    })
}

/// Keeps this under a name, in place of what is there. Reads it back, too: some keyrings take a secret
/// and forget it.
///
/// # Errors
///
/// [`CallError`].
pub fn write(
    limit: Duration,
    name: Name,
    content: Zeroizing<Vec<u8>>,
    locked: IfLocked,
) -> Result<(), CallError> {
    CALLS.within(limit, move || {
        let entry = entry(&name, locked)?;
        let kept = entry
            .set_secret(&content)
            .and_then(|()| entry.get_secret())
            .map(Zeroizing::new)
            .map_err(|error| explain(&error))?;
        // Both are ours: no one learns anything from how long this takes.
        if *kept == *content {
            Ok(())
        } else {
            Err(CallError::Forgets)
        }
    })
}

/// Erases an entry. One that is not there is erased already.
///
/// # Errors
///
/// [`CallError`].
pub fn erase(limit: Duration, name: Name, locked: IfLocked) -> Result<(), CallError> {
    CALLS.within(limit, move || {
        match entry(&name, locked)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(explain(&error)),
        }
    })
}

/// Why the keyring did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// None answers, with why.
    #[error("no keyring answers: {0}")]
    NoKeyring(Box<str>),
    /// It has no such entry. It may be locked: a locked one can look empty.
    #[error("the keyring shows no such entry")]
    NoEntry,
    /// It is locked, or denies access.
    #[error("the keyring is locked, or denies access")]
    Locked,
    /// It has no collection for entries that are in none, or shows it when unlocked only.
    #[error("the keyring has no default collection, or it is locked")]
    NoCollection,
    /// Several entries match.
    #[error("the keyring has several such entries")]
    Several,
    /// No answer within so many seconds, most likely because it waits for someone to unlock it.
    #[error("the keyring did not answer within {0} s")]
    Silent(u64),
    /// An earlier call was given up, and is not done yet.
    #[error("an earlier call into the keyring still waits for its answer")]
    Busy,
    /// What it returned is no secret.
    #[error("the keyring's entry is no secret")]
    NotASecret,
    /// It returned something else than it was given.
    #[error("the keyring returns something else than it was given")]
    Forgets,
    /// The machine gave no thread for it.
    #[error("no thread to ask the keyring from: {0}")]
    NoThread(Box<str>),
}

/// Of the whole process.
static CALLS: Gate = Gate::new();

fn entry(name: &Name, locked: IfLocked) -> Result<Entry, CallError> {
    if locked == IfLocked::Fail {
        refuse_locked(name).map_err(|error| explain_service(&error))?;
    }
    let entry = Store::new().and_then(|store| store.build(name.service, &name.user, None));
    let inner = entry.map_err(|error| explain(&error))?;
    Ok(Entry { inner })
}

/// Fails if the entry is locked, or may be: an entry in a locked collection can be invisible. Nothing is
/// told and no prompt is raised.
fn refuse_locked(name: &Name) -> Result<(), ServiceError> {
    let service = SecretService::connect(EncryptionType::Plain)?;
    let wanted = HashMap::from([("service", name.service), ("username", &name.user)]);
    let found = service.search_items(wanted)?;
    if !found.locked.is_empty() {
        return Err(ServiceError::Locked);
    }
    // Where it would be, and where it would be made.
    if found.unlocked.is_empty() && service.get_default_collection()?.is_locked()? {
        return Err(ServiceError::Locked);
    }
    Ok(())
}

fn explain_service(error: &ServiceError) -> CallError {
    match error {
        ServiceError::Locked | ServiceError::Prompt => CallError::Locked,
        ServiceError::NoResult => CallError::NoCollection,
        error => CallError::NoKeyring(error.to_string().into()),
    }
}

/// The reason, without what the keyring returned: that could be a key.
fn explain(error: &Error) -> CallError {
    match error {
        Error::NoEntry => CallError::NoEntry,
        Error::PlatformFailure(cause) => CallError::NoKeyring(cause.to_string().into()),
        Error::NoStorageAccess(_) => CallError::Locked,
        Error::Ambiguous(_) => CallError::Several,
        Error::BadEncoding(_) | Error::BadDataFormat(..) => CallError::NotASecret,
        _ => CallError::NoKeyring("the Secret Service cannot be reached".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keyring_returned_is_never_in_the_message() {
        let returned = b"canary-of-a-key".to_vec();
        let text = explain(&Error::BadEncoding(returned)).to_string();
        assert!(!text.contains("canary"), "{text}");
    }
}
