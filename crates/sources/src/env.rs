//! Values from the broker's own environment: `source = "env:NAME"`.
//!
//! An aid for moving an environment file into the vault one secret at a time, and no more: the value
//! stays readable in `/proc/PID/environ` for the account and root, whatever is done here.
//!
//! Each variable is read once, when a policy that names it is loaded, and kept in locked memory. Its
//! value is then the same for every lease, and nothing else in the process can change it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::sync::{Mutex, MutexGuard};

use broker_audit_writer::{Recorded, Use};
use broker_protocol::value_form::Unfit;
use broker_secret_memory::locked_memory::LockedBytes;
use broker_secret_memory::token::{AccessToken, HashedToken};
use zeroize::Zeroizing;

use super::SourceError;

/// The variables that policies name, as they were when first named.
pub struct EnvSource {
    lookup: fn(&str) -> Option<OsString>,
    captured: Mutex<BTreeMap<String, Result<Captured, SourceError>>>,
}

struct Captured {
    value: LockedBytes,
    hashed: HashedToken,
}

impl EnvSource {
    /// Reads nothing yet. `lookup` is [`std::env::var_os`] but in tests.
    #[must_use]
    pub const fn new(lookup: fn(&str) -> Option<OsString>) -> Self {
        Self {
            lookup,
            captured: Mutex::new(BTreeMap::new()),
        }
    }

    /// Reads a variable that was not read before: at start, and when policies change.
    pub fn capture(&self, name: &str) {
        let mut captured = self.captured();
        if !captured.contains_key(name) {
            captured.insert(name.to_owned(), self.read(name));
        }
    }

    /// Why a variable has no value; `None` if it has one.
    pub fn fault(&self, name: &str) -> Option<SourceError> {
        match self.captured().get(name) {
            None => Some(SourceError::Unset(name.to_owned())),
            Some(Err(error)) => Some(error.clone()),
            Some(Ok(_)) => None,
        }
    }

    /// The hash of a variable's value, if it has one.
    pub fn hashed(&self, name: &str) -> Option<HashedToken> {
        let captured = self.captured();
        let value = captured.get(name)?.as_ref().ok()?;
        Some(value.hashed.clone())
    }

    /// A copy of the value, for one recorded use.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; empty counts as unset, and so does a name that was never captured.
    pub fn take(&self, _usage: Recorded<Use>, name: &str) -> Result<AccessToken, SourceError> {
        match self.captured().get(name) {
            None => Err(SourceError::Unset(name.to_owned())),
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(captured)) => str::from_utf8(captured.value.expose())
                .map(|text| AccessToken::new(text.to_owned()))
                .map_err(|_cause| SourceError::Unfit(name.to_owned(), Unfit::NotText)),
        }
    }

    fn read(&self, name: &str) -> Result<Captured, SourceError> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| SourceError::Unset(name.to_owned()))?;
        let value = AccessToken::read_bytes(Zeroizing::new(value.into_encoded_bytes()))
            .map_err(|unfit| SourceError::Unfit(name.to_owned(), unfit))?;
        // Into locked memory, and wiped here.
        let text = value.expose().as_bytes();
        let kept = LockedBytes::filled(text.len(), |room| {
            room.copy_from_slice(text);
            Ok::<_, io::Error>(())
        });
        Ok(Captured {
            value: kept.map_err(|_cause| SourceError::NoMemory(name.to_owned()))?,
            hashed: value.hashed(),
        })
    }

    /// A thread that panicked here can have left no more than a variable unread.
    fn captured(&self) -> MutexGuard<'_, BTreeMap<String, Result<Captured, SourceError>>> {
        self.captured
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::tests::recorded;

    fn lookup(name: &str) -> Option<OsString> {
        static READS: AtomicU32 = AtomicU32::new(0);
        match name {
            "TOKEN" => Some("ghp_made_up".into()),
            "EMPTY" => Some(OsString::new()),
            "QUOTED" => Some("\u{201c}ghp_made_up\u{201d}".into()),
            "WINDOWS" => Some("\u{feff}ghp_made_up\r\n".into()),
            "BYTES" => Some(OsString::from_vec(vec![0xff])),
            "COUNT" => Some(READS.fetch_add(1, Ordering::Relaxed).to_string().into()),
            _ => None,
        }
    }

    #[test]
    fn a_variable_is_handed_out_as_it_was_when_first_named() {
        let source = EnvSource::new(lookup);
        for name in ["TOKEN", "COUNT", "COUNT"] {
            source.capture(name);
        }
        let token = source.take(recorded(), "TOKEN").ok().unwrap();
        assert_eq!(token.expose(), "ghp_made_up");
        for _ in 0..2 {
            assert_eq!(source.take(recorded(), "COUNT").ok().unwrap().expose(), "0");
        }
        assert_eq!(source.fault("TOKEN"), None);
    }

    #[test]
    fn unset_empty_and_unreadable_variables_are_named_in_the_error() {
        let source = EnvSource::new(lookup);
        for name in ["EMPTY", "MISSING", "BYTES", "QUOTED", "WINDOWS"] {
            source.capture(name);
        }
        for name in ["EMPTY", "MISSING", "NEVER_NAMED"] {
            let error = source.take(recorded(), name).err().unwrap();
            assert_eq!(error, SourceError::Unset(name.to_owned()));
            assert_eq!(source.fault(name), Some(error));
        }
        let error = source.take(recorded(), "BYTES").err().unwrap();
        assert_eq!(
            error,
            SourceError::Unfit("BYTES".to_owned(), Unfit::NotText)
        );
        let error = source.take(recorded(), "QUOTED").err().unwrap();
        assert_eq!(
            error.to_string(),
            "environment variable QUOTED has a typographic quote at character 1; set it to the value \
             alone and restart tokend"
        );
        let cleaned = source.take(recorded(), "WINDOWS").ok().unwrap();
        assert_eq!(cleaned.expose(), "ghp_made_up");
    }
}
