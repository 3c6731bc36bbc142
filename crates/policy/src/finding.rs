//! What is wrong in a policy file, and where.
//!
//! An error refuses the whole set; a warning does not. Both are one line, `FILE:LINE: MESSAGE`, and
//! the message names the fix where there is one.

use std::fmt;
use std::sync::Arc;

/// A line of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name, without its directory.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Place {
    /// What is wrong or odd here.
    pub(super) fn finding(&self, message: impl Into<String>) -> Finding {
        Finding {
            place: self.clone(),
            message: message.into(),
        }
    }
}

/// What is wrong, or what an author should look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What, and the fix.
    pub message: String,
}

/// What was found in a file, or between files.
#[derive(Default)]
pub(super) struct Findings {
    /// They refuse the set.
    pub(super) errors: Vec<Finding>,
    /// The set is in force all the same.
    pub(super) warnings: Vec<Finding>,
}

impl Findings {
    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(place.finding(message));
    }

    pub(super) fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(place.finding(message));
    }

    pub(super) fn add(&mut self, others: Self) {
        self.errors.extend(others.errors);
        self.warnings.extend(others.warnings);
    }
}

/// Why a policy set is refused: all its errors, by file and line; never empty. Displays as one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", one_a_line(.0))]
pub struct PolicyErrors(Vec<Finding>);

impl PolicyErrors {
    /// `Ok` if there are none.
    ///
    /// # Errors
    ///
    /// All of them, by file and line.
    pub fn none_in(mut errors: Vec<Finding>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort();
        errors.dedup();
        Err(Self(errors))
    }

    /// One after the other, by file and line.
    #[must_use]
    pub fn all(&self) -> &[Finding] {
        &self.0
    }
}

fn one_a_line(errors: &[Finding]) -> String {
    let lines: Vec<_> = errors.iter().map(Finding::to_string).collect();
    lines.join("\n")
}
