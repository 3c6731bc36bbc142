//! Where the value of a secret comes from when it does not lie in the vault.
//!
//! One interface for all of them: [`Sources::take`] gives a copy for one recorded use, and what came of
//! the last reading tells people, without another one, whether there is a value and which.
//!
//! The vault itself is not here: [`crate::vault::Vault::unseal`] is that source. Every source takes a
//! [`Recorded`] use, as the vault does.

pub mod env;
mod fetched;
mod file;
mod keyring;
pub mod one_password;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::env::EnvSource;
pub use self::fetched::{Fetched, Nature};
pub use self::keyring::{KeyringError, KeyringSource};
pub use self::value::Fault;
use crate::audit_log::{Recorded, Use};
use crate::policy::SourceSpec;
use crate::token::{AccessToken, HashedToken};

/// Every source but the vault.
pub struct Sources {
    env: EnvSource,
    /// What came of the last reading of each file.
    files: Mutex<BTreeMap<PathBuf, Result<HashedToken, SourceError>>>,
}

impl Sources {
    /// Reads nothing yet. `lookup` is [`std::env::var_os`] but in tests.
    #[must_use]
    pub const fn new(lookup: fn(&str) -> Option<OsString>) -> Self {
        Self {
            env: EnvSource::new(lookup),
            files: Mutex::new(BTreeMap::new()),
        }
    }

    /// Looks at the places that policies name, at start and when policies change: a variable is read
    /// for good, a file is read anew for each use. Blocks for as long as the disk does.
    pub fn look_at<'a>(&self, sources: impl IntoIterator<Item = &'a SourceSpec>) {
        for source in sources {
            match source {
                SourceSpec::Vault => {}
                SourceSpec::Env(name) => self.env.capture(name),
                SourceSpec::File(path) => {
                    let read = file::read(path).map(|value| value.hashed());
                    self.files().insert(path.clone(), read);
                }
            }
        }
    }

    /// Why a place gave no value when it was last read; `None` if it gave one.
    #[must_use]
    pub fn fault(&self, source: &SourceSpec) -> Option<SourceError> {
        match source {
            SourceSpec::Vault => None,
            SourceSpec::Env(name) => self.env.fault(name),
            SourceSpec::File(path) => self.files().get(path)?.as_ref().err().cloned(),
        }
    }

    /// The hash of the value that a place gave when it was last read.
    #[must_use]
    pub fn hashed(&self, source: &SourceSpec) -> Option<HashedToken> {
        match source {
            SourceSpec::Vault => None,
            SourceSpec::Env(name) => self.env.hashed(name),
            SourceSpec::File(path) => self.files().get(path)?.as_ref().ok().cloned(),
        }
    }

    /// A copy of the value, for one recorded use.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; [`SourceError::NotHere`] for the vault.
    pub async fn take(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
    ) -> Result<AccessToken, SourceError> {
        match source {
            SourceSpec::Vault => Err(SourceError::NotHere),
            SourceSpec::Env(name) => self.env.take(usage, name),
            SourceSpec::File(path) => {
                let place = path.clone();
                let reading = tokio::task::spawn_blocking(move || file::read(&place)).await;
                let read = reading.unwrap_or(Err(SourceError::NotHere));
                let outcome = read.as_ref().map(AccessToken::hashed);
                self.files()
                    .insert(path.clone(), outcome.map_err(Clone::clone));
                read
            }
        }
    }

    /// A thread that panicked here can have left no more than an older outcome.
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Result<HashedToken, SourceError>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a source gave no value. For operators, and never with any of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The broker was started without it.
    #[error(
        "environment variable {0} was not set when tokend started; set it for tokend and restart"
    )]
    Unset(String),
    /// It is no text.
    #[error("environment variable {0} is not UTF-8; set it anew and restart tokend")]
    NotText(String),
    /// No memory for it.
    #[error("no memory to keep environment variable {0}")]
    NoMemory(String),
    /// The file is not there, cannot be read, or is open to others: with the mend where there is one.
    #[error("{0}")]
    File(Box<str>),
    /// What is there cannot be a value.
    #[error("{place} {fault}")]
    NotAValue {
        /// Where.
        place: Box<str>,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Nothing was asked: the value lies in the vault, or reading it failed within the broker.
    #[error("the value is not there; the broker's trace says why")]
    NotHere,
}

#[cfg(test)]
mod tests;
