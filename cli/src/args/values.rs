//! Values of options that are parsed here and nowhere else.

use broker_protocol::names::{
    Delivery, Level, NameError, NoAccountName, PermissionName, Purpose, check_account,
};
use broker_protocol::source::{BadSource, SourceSpec};
use clap::ValueEnum;

/// What a secret is, as policies have it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A classic personal access token
    Classic,
    /// A fine-grained personal access token
    FineGrained,
    /// A GitHub App: the value is its private key (PEM)
    App,
}

/// What the caller gets, as policies have it.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Deliver {
    /// A token that only the broker honours
    Proxy,
    /// A token that GitHub mints for the lease; of an App alone
    Installation,
    /// The stored token itself, which nothing limits
    Raw,
}

impl From<Deliver> for Delivery {
    fn from(deliver: Deliver) -> Self {
        match deliver {
            Deliver::Proxy => Self::Proxy,
            Deliver::Installation => Self::Installation,
            Deliver::Raw => Self::Raw,
        }
    }
}

/// The word for it on the command line, which policies and the HTTP API use too: a test pins each.
pub(crate) fn word(value: &impl ValueEnum) -> String {
    let word = value.to_possible_value();
    word.map_or_else(String::new, |word| word.get_name().to_owned())
}

/// How a list is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for reading
    Table,
    /// A Markdown table, for a wiki or a repository
    Md,
    /// JSON, for programs
    Json,
}

/// `issues=read`
pub(crate) fn permission(text: &str) -> Result<(PermissionName, Level), String> {
    let (name, level) = text
        .split_once('=')
        .ok_or("not a permission (NAME=LEVEL, such as `issues=read`)")?;
    let wrong = |error: NameError| error.to_string();
    Ok((name.parse().map_err(wrong)?, level.parse().map_err(wrong)?))
}

/// The name of an account or a group, as policies take it.
pub(super) fn account(text: &str) -> Result<String, String> {
    check_account(text).map_err(|why| match why {
        NoAccountName::Impossible => "not the name of an account or a group",
        NoAccountName::Number => "a number; give the name (`getent passwd NUMBER` has it)",
    })?;
    Ok(text.to_owned())
}

/// Text on one line.
pub(super) fn one_line(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) {
        return Err("not one line of text".to_owned());
    }
    Ok(text.to_owned())
}

/// The name of an environment variable.
fn variable(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.bytes().all(good)
    {
        return Err("not the name of a variable (letters, digits and _)".to_owned());
    }
    Ok(text.to_owned())
}

/// A variable for a token: of the command's purpose, or of one of its own.
#[derive(Clone)]
pub(crate) struct NamedToken {
    pub(crate) variable: String,
    pub(crate) purpose: Option<Purpose>,
}

/// `ANALYSIS_TOKEN=repo-analysis`, or the variable alone
pub(super) fn named_token(text: &str) -> Result<NamedToken, String> {
    let (name, purpose) = match text.split_once('=') {
        Some((name, purpose)) => (name, Some(purpose)),
        None => (text, None),
    };
    let purpose = purpose.map(str::parse).transpose();
    Ok(NamedToken {
        variable: variable(name)?,
        purpose: purpose.map_err(|error: NameError| error.to_string())?,
    })
}

/// `repo`, `read:org`
pub(crate) fn scope(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_lowercase() || matches!(b, b'_' | b':');
    if text.is_empty() || !text.bytes().all(good) {
        return Err("not a scope (such as `repo` or `read:org`)".to_owned());
    }
    Ok(text.to_owned())
}

/// An App's client id.
pub(super) fn client_id(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') {
        return Err("not a client id (letters and digits, such as `Iv23liABCDEF`)".to_owned());
    }
    Ok(text.to_owned())
}

/// A source, by the table that the broker uses.
pub(super) fn source(text: &str) -> Result<String, BadSource> {
    text.parse::<SourceSpec>()?;
    Ok(text.to_owned())
}
