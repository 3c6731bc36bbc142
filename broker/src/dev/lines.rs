//! What `tokend --dev` prints: the lines to try, each to be pasted as it is.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use broker_private_files::quoted;

/// The text, for a place, and a search path that `tokenctl` may or may not be on.
pub(super) fn to_try(home: &Path, search: Option<&OsStr>) -> String {
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent);
    text(
        home,
        beside.filter(|directory| is_needed(directory, search)),
    )
}

/// Whether `tokenctl` is in this directory, and a shell does not look there.
fn is_needed(directory: &Path, search: Option<&OsStr>) -> bool {
    let mut searched = search.into_iter().flat_map(std::env::split_paths);
    directory.join("tokenctl").is_file() && !searched.any(|path: PathBuf| path == directory)
}

fn text(home: &Path, on_path: Option<&Path>) -> String {
    let mut text = String::from(HEAD);
    // A `String` takes all that is written to it.
    if let Some(directory) = on_path {
        writeln!(text, "    PATH={}:\"$PATH\"", quoted(directory)).unwrap_or_default();
    }
    writeln!(text, "    export TOKEND_HOME={}", quoted(home)).unwrap_or_default();
    text.push_str(UNSET);
    for (about, commands) in LINES {
        writeln!(text, "\n  {about}").unwrap_or_default();
        for command in *commands {
            writeln!(text, "    {command}").unwrap_or_default();
        }
    }
    text.push_str(END);
    text
}

const HEAD: &str = "\
tokend --dev: made-up tokens, no GitHub, and nothing is kept. Not for use.

In another terminal:
";

/// What would lead `tokenctl` to another broker.
const UNSET: &str = "    unset TOKEND_CONFIG TOKEND_SOCKET TOKEND_SERVER_USER\n";

const LINES: &[(&str, &[&str])] = &[
    (
        "A first lease. Its token is honoured by this broker alone:",
        &["tokenctl get labels --repo acme/site --reason 'a first lease'"],
    ),
    (
        "A command with a token in GH_TOKEN. Its lease ends with it:",
        &["tokenctl exec labels -- sh -c 'echo \"$GH_TOKEN\"'"],
    ),
    (
        "The stored token itself, made up like the other:",
        &["tokenctl get releases"],
    ),
    (
        "Denied: more than the rule allows, and what no rule allows:",
        &[
            "tokenctl get labels --permission contents=write",
            "tokenctl get admin",
        ],
    ),
    (
        "What would ask GitHub says that there is none:",
        &["tokenctl secret check labels-token"],
    ),
    (
        "What is on record of all this, and that no one changed it:",
        &["tokenctl audit tail", "tokenctl audit verify"],
    ),
    ("The broker itself:", &["tokenctl status"]),
];

const END: &str = "\nCtrl-C here ends it, and removes all of it. Then, in the other terminal:\n\n    unset TOKEND_HOME\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_a_terminal_and_no_command_holds_a_comment() {
        let home = Path::new("/run/user/1000/tokend-dev-0123456789abcdef");
        let text = text(home, None);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            // Some shells read no comments at a prompt.
            assert!(!line.starts_with("    ") || !line.contains('#'), "{line}");
        }
        assert!(
            text.contains("\n    export TOKEND_HOME=/run/user/1000/tokend-dev-0123456789abcdef\n")
        );
        assert!(!text.contains(" PATH="));
    }

    #[test]
    fn a_path_that_a_shell_would_split_is_quoted() {
        let text = text(
            Path::new("/tmp/a b/tokend-dev-1"),
            Some(Path::new("/opt/my bin")),
        );
        assert!(
            text.contains("export TOKEND_HOME='/tmp/a b/tokend-dev-1'\n"),
            "{text}"
        );
        assert!(
            text.contains("    PATH='/opt/my bin':\"$PATH\"\n"),
            "{text}"
        );
    }

    #[test]
    fn the_search_path_is_named_only_where_a_shell_would_not_find_tokenctl() {
        let directory = tempfile::tempdir().unwrap();
        let there = directory.path();
        assert!(!is_needed(there, None), "there is no tokenctl");
        std::fs::write(there.join("tokenctl"), "").unwrap();
        assert!(is_needed(there, None));
        assert!(is_needed(there, Some(OsStr::new("/usr/bin:/bin"))));
        let mut search = OsStr::new("/usr/bin:").to_owned();
        search.push(there);
        assert!(!is_needed(there, Some(&search)));
    }
}
