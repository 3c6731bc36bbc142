//! An error with its causes on one line, for the operator.

use std::error::Error;

/// Returns the text of the error, then that of each cause, unless it is repeated: some errors quote their
/// cause.
#[must_use]
pub fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file cannot be read")]
    struct Plain(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("start: {0}")]
    struct Repeats(#[source] Plain);

    #[test]
    fn a_cause_is_said_once() {
        let error = Repeats(Plain(std::io::Error::other("disk on fire")));
        assert_eq!(
            describe(&error),
            "start: the file cannot be read: disk on fire"
        );
    }
}
