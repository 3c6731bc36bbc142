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

/// The word of `known` that `text` most likely meant, as `" (did you mean `x`?)"`, or nothing.
pub(super) fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A third of the letters may differ: `unti` is `unit`, `foo` is nothing we know.
    let most = (text.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|word| word.len().abs_diff(text.len()) <= most)
        .map(|word| (distance(text, word), word))
        .filter(|(far, word)| *far <= most && *far < word.len())
        .min()
        .map_or_else(String::new, |(_, word)| {
            format!(" (did you mean `{word}`?)")
        })
}

/// No word of the language, nor an operation of GitHub's, is longer.
const LONGEST: usize = 160;

/// How many letters must be inserted, removed, replaced, or swapped with their neighbour. Longer
/// texts than any word of the language count as far away.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], n: usize| line.get(n).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&above, j) + usize::from(x != y);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_gets_a_suggestion_and_a_stranger_none() {
        let known = ["unit", "user", "user_unit", "exe"];
        assert_eq!(did_you_mean("unti", known), " (did you mean `unit`?)");
        assert_eq!(
            did_you_mean("user_untit", known),
            " (did you mean `user_unit`?)"
        );
        assert_eq!(did_you_mean("hostname", known), "");
        assert_eq!(did_you_mean("", known), "");
        assert_eq!(did_you_mean(&"x".repeat(1000), known), "");
    }
}
