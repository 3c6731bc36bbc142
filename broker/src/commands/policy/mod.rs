//! `tokend policy check|test|explain`: what authors of policies and their CI run.
//!
//! No broker is needed, and none is asked. Without a directory the live one is evaluated as this
//! broker would evaluate it; a directory that is named is a checkout, and neither its modes nor this
//! machine's account refuse anything.
//!
//! Everything goes to one writer: here the findings are the result. The exit code is 0 if all is
//! well, 1 if something failed, 2 for a wrong command line.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use broker_policy::cases::Verdict;
use broker_policy::{Host, PolicySet, cases, cut};
use broker_protocol::counted::counted;
use clap::Subcommand;

use crate::accounts::SystemAccounts;
use crate::policy_files::{self, Owners, PolicyFiles, PolicyFilesError};

pub mod command;
mod explain;
#[cfg(test)]
mod tests;

pub use explain::{Form, NotExplained, explain, question};

/// Checks policies, runs their decision tables, or says which rule speaks for a caller.
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// Read all policies and report every error, by file and line
    Check {
        /// A checkout of policies; the live ones if absent
        dir: Option<PathBuf>,
    },
    /// Run the decision tables (*.cases.toml) beside the policies
    Test {
        /// A checkout of policies; the live ones if absent
        dir: Option<PathBuf>,
    },
    /// Say what the policies say to a request, for `tokenctl policy explain`
    #[command(hide = true)]
    Explain {
        /// What is asked, as `POST /v1/policies/explain` takes it
        #[arg(value_name = "JSON")]
        asked: String,
        /// A checkout of policies; the live ones if absent
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
}

impl PolicyCommand {
    /// Whether it prints JSON.
    #[must_use]
    pub const fn json(&self) -> bool {
        match self {
            Self::Check { .. } | Self::Test { .. } => false,
            Self::Explain { json, .. } => *json,
        }
    }
}

/// Where the policies are, and so how strictly they are evaluated.
#[derive(Debug, Clone, Copy)]
pub enum Where<'a> {
    /// In force on this machine, for this broker, if only these own it.
    Live(&'a Path, &'a Host, &'a Owners),
    /// Meant for some other machine.
    Checkout(&'a Path),
}

impl<'a> Where<'a> {
    /// A directory that was named is a checkout.
    #[must_use]
    pub fn new(named: Option<&'a Path>, live: Self) -> Self {
        named.map_or(live, Self::Checkout)
    }

    const fn dir(&self) -> &'a Path {
        match self {
            Self::Live(dir, ..) | Self::Checkout(dir) => dir,
        }
    }

    const fn host(&self) -> Host {
        match self {
            Self::Live(_, host, _) => **host,
            Self::Checkout(_) => Host::anywhere(),
        }
    }

    fn files(&self) -> Result<PolicyFiles, PolicyFilesError> {
        match self {
            Self::Live(dir, _, owners) => policy_files::read(dir, Some(owners)),
            Self::Checkout(dir) => policy_files::read(dir, None),
        }
    }
}

/// Reports every error and warning of a set, and how the decision tables beside it differ.
///
/// # Errors
///
/// Only if `out` cannot be written; what is wrong with the policies is the exit code.
pub fn check(at: Where<'_>, out: &mut dyn Write) -> io::Result<u8> {
    let files = match at.files() {
        Ok(files) => files,
        Err(error) => return failed(out, &[error]),
    };
    let mut code = 0;
    for exposed in &files.exposed {
        if let Where::Live(..) = at {
            code = 1;
            writeln!(out, "error: {exposed}")?;
        } else {
            writeln!(out, "warning: a live broker would refuse: {exposed}")?;
        }
    }
    let set = match PolicySet::parse(&files.policies, &SystemAccounts, &at.host()) {
        Ok(set) => set,
        Err(errors) => return failed(out, errors.all()),
    };
    let Verdict { refused, warnings } = cases::verdict(&files.policies, &files.tables);
    let widening = files.policies.iter().flat_map(cut::widening);
    let of_set = set.warnings().iter().map(ToString::to_string);
    let of_files = widening.chain(warnings).map(|warning| warning.to_string());
    for warning in of_set.chain(linked_programs(&set)).chain(of_files) {
        writeln!(out, "warning: {warning}")?;
    }
    for error in refused {
        code = 1;
        writeln!(out, "error: {error}")?;
    }
    let (purposes, secrets) = (set.purposes().count(), set.secrets().count());
    let verdict = if code == 0 { "ok" } else { "refused" };
    writeln!(
        out,
        "{verdict}: {} and {} in {}",
        counted(purposes as u64, "purpose"),
        counted(secrets as u64, "secret"),
        at.dir().display()
    )?;
    Ok(code)
}

/// Programs that rules name by a symbolic link: the kernel reports where it leads.
fn linked_programs(set: &PolicySet) -> Vec<String> {
    let mut found = Vec::new();
    for rule in set.purposes().flat_map(|policy| &policy.rules) {
        if let Some(path) = rule.exe()
            && let Ok(real) = fs::canonicalize(path)
            && real != Path::new(path)
        {
            found.push(format!(
                "{}: `{path}` is a link, so the rule matches no one here: write `{}`",
                rule.place,
                real.display()
            ));
        }
    }
    found
}

/// Runs the decision tables and prints one line a case.
///
/// # Errors
///
/// Only if `out` cannot be written.
pub fn test(at: Where<'_>, out: &mut dyn Write) -> io::Result<u8> {
    let files = match policy_files::read(at.dir(), None) {
        Ok(files) => files,
        Err(error) => return failed(out, &[error]),
    };
    let report = match cases::run(&files.policies, &files.tables) {
        Ok(report) => report,
        Err(errors) => return failed(out, errors.all()),
    };
    let places: Vec<String> = report
        .outcomes
        .iter()
        .map(|o| o.place.to_string())
        .collect();
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let place_width = widest(&mut places.iter().map(|place| place.chars().count()));
    let names = report.outcomes.iter();
    let name_width = widest(&mut names.map(|outcome| outcome.name.chars().count()));
    for (outcome, place) in report.outcomes.iter().zip(&places) {
        let (word, says) = if outcome.differences.is_empty() {
            ("ok", outcome.said.clone())
        } else {
            ("FAILED", outcome.differs())
        };
        let name = &outcome.name;
        writeln!(
            out,
            "{word:<6}  {place:<place_width$}  {name:<name_width$}  {says}"
        )?;
    }
    for (purpose, place) in &report.untested {
        writeln!(out, "note: {place}: no case asks for `{purpose}`")?;
    }
    for (rule, place) in &report.unused {
        writeln!(out, "note: {place}: no case is allowed by {rule}")?;
    }
    let failed = report.failed();
    let cases = counted(report.outcomes.len() as u64, "case");
    writeln!(out, "{cases}, {failed} failed")?;
    Ok(u8::from(failed > 0))
}

fn failed<E: Display>(out: &mut dyn Write, errors: impl IntoIterator<Item = E>) -> io::Result<u8> {
    for error in errors {
        writeln!(out, "error: {error}")?;
    }
    Ok(1)
}
