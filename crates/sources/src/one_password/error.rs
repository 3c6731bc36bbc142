//! Why 1Password gave no value.

use std::fmt;
use std::time::Duration;

use broker_protocol::counted::counted;
use broker_protocol::value_form::BadValue;

use crate::FailureKind;

/// Why 1Password gave no value: for operators, with the fix, and never with any of a value. It does not
/// name the reference: [`SourceError::OnePassword`](crate::SourceError::OnePassword) does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnePasswordError {
    /// `op` has no account, or no one signed in.
    #[error(
        "`op` is not signed in; sign in, or give tokend a service account's token (`[onepassword]`)"
    )]
    SignedOut,
    /// The account that is configured is none of `op`'s.
    #[error("`op` knows no such account; sign in to it, or correct `[onepassword] account`")]
    NoAccount,
    /// No one answered the desktop app's prompt.
    #[error("1Password waits for someone to unlock it; unlock the app, or use a service account")]
    Prompting,
    /// The token of the service account or of Connect is no such token.
    #[error(
        "the token for 1Password is malformed; set it again where `[onepassword] token` says it is stored (the vault: `tokenctl secret set onepassword-token`)"
    )]
    MalformedToken,
    /// The token is not known there, or not any more.
    #[error(
        "1Password does not know the token; create one and set it where `[onepassword] token` says it is stored (the vault: `tokenctl secret set onepassword-token`)"
    )]
    Unauthenticated,
    /// The token may not read this.
    #[error("the token for 1Password may not read this; give it access to the vault")]
    Forbidden,
    /// The program does not take the reference for one.
    #[error("`op` rejects the reference; write it as op://VAULT/ITEM/FIELD, by ids")]
    BadReference,
    /// There is no such part.
    #[error("1Password has no such {0}; correct the reference, or name the {0} by its id")]
    NoSuch(Part),
    /// Several are called so.
    #[error("1Password has several {0}s of this name; name the {0} by its id")]
    Several(Part),
    /// The limit of the service account or of all of them is used up.
    #[error("1Password's limit of requests is used up{}", again_in(*.0))]
    Limited(Option<Duration>),
    /// The program is not there, or cannot be run.
    #[error(
        "`{0}` cannot be run: {1}; install 1Password's program `op`, or say where it is in `[onepassword] program`"
    )]
    NoProgram(Box<str>, Box<str>),
    /// No answer within this time.
    #[error("no answer from 1Password within {} s", .0.as_secs())]
    Silent(Duration),
    /// It cannot be reached, with why.
    #[error("1Password cannot be reached: {0}")]
    Unreachable(Box<str>),
    /// Its answer cannot be a value.
    #[error("the field {0}; put the value there, alone")]
    NotAValue(BadValue),
    /// It answered with something else than it was asked for.
    #[error("1Password gave something else than was asked for: {0}")]
    Mismatch(Box<str>),
    /// The broker could not ask: the CA file, the TLS library or the request is at fault.
    #[error("{0}")]
    CannotAsk(Box<str>),
    /// A change was asked for, and what became of it could not be seen, with why.
    #[error(
        "it is not known whether 1Password made the change: {0}; try again, or look in 1Password"
    )]
    Doubtful(Box<str>),
    /// Something that is not known here. Its own words, without what could be a value.
    #[error("1Password did not do what it was asked: {0}")]
    Other(Box<str>),
}

impl OnePasswordError {
    /// What it says about the value that was read before.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::SignedOut
            | Self::NoAccount
            | Self::Prompting
            | Self::NoProgram(..)
            | Self::Silent(_)
            | Self::Unreachable(_)
            | Self::CannotAsk(_)
            | Self::Doubtful(_)
            | Self::Other(_) => FailureKind::Unavailable,
            Self::Limited(again) => FailureKind::Limited(*again),
            Self::MalformedToken
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::BadReference
            | Self::NoSuch(_)
            | Self::Several(_)
            | Self::NotAValue(_)
            | Self::Mismatch(_) => FailureKind::Refused,
        }
    }
}

fn again_in(again: Option<Duration>) -> String {
    again.map_or_else(String::new, |again| {
        format!(
            "; it answers again in {}",
            counted(again.as_secs().div_ceil(60), "minute")
        )
    })
}

/// The parts of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The vault.
    Vault,
    /// The item in it.
    Item,
    /// The section of the item.
    Section,
    /// The field of the item, in its section where one is named.
    Field,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "vault",
            Self::Item => "item",
            Self::Section => "section",
            Self::Field => "field",
        })
    }
}
