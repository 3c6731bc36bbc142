//! Values from the broker's own environment: `source = "env:NAME"`.
//!
//! A help for moving an environment file into the vault one secret at a time, and no more: the value
//! stays readable in `/proc/PID/environ` for the account and root, whatever is done here. Nothing in the
//! broker sets a variable, so that each reading gives what tokend was started with.

use std::ffi::OsString;

use broker_protocol::source::{Location, SourceSpec};
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::{Fetched, ReadError, Source, SourceContext, SourceError};

/// The broker's environment: [`std::env::var_os`] but in tests.
pub(super) struct EnvSource {
    pub(super) lookup: fn(&str) -> Option<OsString>,
}

impl EnvSource {
    /// Empty counts as unset.
    fn value(&self, name: &str) -> Result<AccessToken, SourceError> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| SourceError::Unset(name.to_owned()))?;
        AccessToken::read_bytes(Zeroizing::new(value.into_encoded_bytes()))
            .map_err(|bad| SourceError::BadValue(name.to_owned(), bad))
    }
}

impl Source for EnvSource {
    fn scheme(&self) -> &'static str {
        "env"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        async { Ok(self.value(place.name())?.into()) }.boxed()
    }

    fn how_to_put(&self, place: &Location, value: &str) -> String {
        let variable = place.name();
        format!("set the variable {variable} of tokend's environment to {value} and restart tokend")
    }

    fn how_to_remove(&self, place: &Location, _new: &SourceSpec) -> String {
        format!(
            "remove the line {}=… from the file that tokend is started with, and restart tokend",
            place.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use broker_protocol::value_form::BadValue;

    use super::*;

    fn lookup(name: &str) -> Option<OsString> {
        match name {
            "TOKEN" => Some("ghp_made_up".into()),
            "EMPTY" => Some(OsString::new()),
            "QUOTED" => Some("\u{201c}ghp_made_up\u{201d}".into()),
            "WINDOWS" => Some("\u{feff}ghp_made_up\r\n".into()),
            "BYTES" => Some(OsString::from_vec(vec![0xff])),
            _ => None,
        }
    }

    #[test]
    fn unset_empty_and_unreadable_variables_are_named_in_the_error() {
        let value = |name: &str| {
            let value = EnvSource { lookup }.value(name);
            value.map(|value| value.expose().to_owned())
        };
        for name in ["TOKEN", "WINDOWS"] {
            assert_eq!(value(name), Ok("ghp_made_up".to_owned()));
        }
        for name in ["EMPTY", "MISSING"] {
            assert_eq!(value(name), Err(SourceError::Unset(name.to_owned())));
        }
        let not_text = SourceError::BadValue("BYTES".to_owned(), BadValue::NotText);
        assert_eq!(value("BYTES"), Err(not_text));
        assert_eq!(
            value("QUOTED").unwrap_err().to_string(),
            "environment variable QUOTED has a typographic quote at character 1; set it to the value \
             alone and restart tokend"
        );
    }
}
