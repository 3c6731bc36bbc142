//! `tokend policy explain`: what policy files say to a request, for where no broker can be asked.
//!
//! `tokenctl policy explain` runs it. What is asked comes in the words of the API, so that it is read in one place.

use std::fmt::Display;
use std::io::Write;

use broker_policy::{Accounts, Caller, NamesOnly, PolicySet};
use broker_protocol::api::ExplainRequest;
use broker_protocol::error::ErrorCode;
use broker_protocol::printable::one_line;
use broker_protocol::strict;

use super::command::PolicyCommandError;
use super::{Where, failed};
use crate::accounts::SystemAccounts;
use crate::api_error::ApiError as _;
use crate::commands::print_json;
use crate::policies::{self, KnownAccounts};
use crate::policy_files;

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines, for reading.
    Text,
    /// JSON, as the API answers.
    Json,
}

/// Reads what is asked.
///
/// # Errors
///
/// What is wrong with it.
pub fn question(text: &str) -> Result<ExplainRequest, NotExplained> {
    strict::from_slice(text.as_bytes()).map_err(|error| NotExplained {
        why: format!("what is asked is not what the API takes: {error}"),
        exit_code: 2,
    })
}

/// Why nothing is explained, where that is not part of the text.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct NotExplained {
    why: String,
    pub(super) exit_code: u8,
}

impl Form {
    /// As text, what is wrong is the result, as of the other commands.
    fn refused<E: Display>(
        self,
        errors: &[E],
        exit_code: u8,
        out: &mut dyn Write,
    ) -> Result<u8, PolicyCommandError> {
        if self == Self::Text {
            failed(out, errors)?;
            return Ok(exit_code);
        }
        let why: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let why = why.join("\n");
        Err(NotExplained { why, exit_code }.into())
    }
}

/// Says what the files say. `own` is the caller where it is not said who asks.
///
/// # Errors
///
/// As JSON, what is wrong with the question or the files; and if `out` cannot be written.
pub fn explain(
    at: Where<'_>,
    asked: ExplainRequest,
    own: &Caller,
    form: Form,
    out: &mut dyn Write,
) -> Result<u8, PolicyCommandError> {
    let files = match policy_files::read(at.dir(), None) {
        Ok(files) => files,
        Err(error) => return form.refused(&[error], 1, out),
    };
    let elsewhere = AccountsOfPolicies::default();
    let accounts: &dyn Accounts = match at {
        Where::Live(..) => &SystemAccounts,
        Where::Checkout(_) => &elsewhere,
    };
    let set = match PolicySet::parse(&files.policies, accounts, &at.host()) {
        Ok(set) => set,
        Err(errors) => return form.refused(errors.all(), 1, out),
    };
    let known = match at {
        Where::Live(..) => KnownAccounts::OfThisMachine,
        Where::Checkout(_) => KnownAccounts::AndOfPolicies(&set, accounts),
    };
    let explanation = match policies::explain(&set, asked, own, known) {
        Ok(explanation) => explanation,
        Err(error) => {
            let code = error.answer().code;
            let exit_code = if code == ErrorCode::BadRequest { 2 } else { 1 };
            return form.refused(&[error], exit_code, out);
        }
    };
    if form == Form::Json {
        print_json(&policies::explained(explanation), out)?;
        return Ok(0);
    }
    for line in &explanation.lines {
        writeln!(out, "{}", one_line(line))?;
    }
    if let Where::Live(dir, ..) = at {
        writeln!(
            out,
            "these are the files in {}; a broker that runs need not have loaded them",
            dir.display()
        )?;
    }
    Ok(0)
}

/// The accounts of this machine and, for a name it does not have, an account made up for the
/// occasion: `explain` is of use also where the policy's accounts are not.
#[derive(Debug, Default)]
struct AccountsOfPolicies {
    names: NamesOnly,
}

impl Accounts for AccountsOfPolicies {
    fn uid(&self, user: &str) -> Option<u32> {
        SystemAccounts.uid(user).or_else(|| self.names.uid(user))
    }

    fn gid(&self, group: &str) -> Option<u32> {
        SystemAccounts.gid(group).or_else(|| self.names.gid(group))
    }
}
