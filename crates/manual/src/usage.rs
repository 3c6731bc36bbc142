//! What is wrong with a command line, for a program to read: `tokend` and `tokenctl` report it under `--json`.
//!
//! Not here: the object that it is printed in, and how its arguments are masked.

use std::ffi::OsString;

/// What clap says of a command line, without the usage below it.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongUsage {
    /// What is wrong, in a line.
    pub error: String,
    /// What clap proposes, or where the usage is.
    pub hint: String,
}

impl WrongUsage {
    /// Reads what clap prints.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        let tip = rest
            .lines()
            .find_map(|line| line.trim().strip_prefix("tip: "));
        let error = match what.strip_prefix("error: ") {
            Some(what) => what.split_whitespace().collect::<Vec<_>>().join(" "),
            // Without a command it is the help.
            None => "no command given".to_owned(),
        };
        Self {
            error,
            hint: tip.unwrap_or("--help shows the usage").to_owned(),
        }
    }
}

/// Whether `--json` is among the arguments, also of a command line that makes no sense. After `--` there is
/// another program's.
pub fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut own = arguments.take_while(|argument| argument != "--");
    own.any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_is_what_is_wrong_and_clap_s_proposal() {
        let text = "error: the following required arguments were not provided:\n  <PURPOSE>\n\n\
                    Usage: tokenctl get <PURPOSE>\n";
        let want = WrongUsage {
            error: "the following required arguments were not provided: <PURPOSE>".to_owned(),
            hint: "--help shows the usage".to_owned(),
        };
        assert_eq!(WrongUsage::read(text), want);
        let tip = "error: unexpected argument '--repos' found\n\n  tip: a similar argument exists: '--repo'\n";
        let hint = WrongUsage::read(tip).hint;
        assert_eq!(hint, "a similar argument exists: '--repo'");
        let help = WrongUsage::read("Get tokens\n\nUsage: x\n");
        assert_eq!(help.error, "no command given");
    }

    #[test]
    fn json_is_asked_for_before_the_command_of_exec_and_not_in_it() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("tokenctl frobnicate --json"));
        assert!(!wants("tokenctl exec label-sync -- gh api --json"));
    }
}
