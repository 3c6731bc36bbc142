//! What a page shows after a command, compared with what the command printed.
//!
//! `…` stands for anything: within a line for the rest of it or a part, on a line of its own for any lines. How many
//! blanks there are does not count.

/// Fails with the first line that was not printed, in this order.
pub(super) fn compare(shown: &str, printed: &str) -> Result<(), String> {
    let printed: Vec<String> = printed.lines().map(squeezed).collect();
    let shown: Vec<String> = shown.lines().map(squeezed).collect();
    let mut rest = printed.iter();
    let mut skips = false;
    for line in &shown {
        if line == "…" {
            skips = true;
            continue;
        }
        let found = match skips {
            true => rest.any(|printed| matches(line, printed)),
            false => rest.next().is_some_and(|printed| matches(line, printed)),
        };
        if !found {
            return Err(format!("`{line}` was not printed there"));
        }
        skips = false;
    }
    match rest.next() {
        Some(more) if !skips => Err(format!("`{more}` was printed too")),
        _ => Ok(()),
    }
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut last = "";
    let mut varies = false;
    for part in parts {
        varies = true;
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        last = part;
    }
    rest.is_empty() || varies && (last.is_empty() || rest.ends_with(last))
}

#[test]
fn three_dots_stand_for_anything_and_all_else_was_printed_so() {
    let printed = "one  1\ntwo 2\nthree 3\nfour\n";
    for shown in [
        "one 1\ntwo 2\nthree   3\nfour",
        "one …\n…\nfour\n",
        "…\nthree …\n…",
        "o… 1\n…",
        "…",
    ] {
        assert_eq!(compare(shown, printed), Ok(()), "{shown:?}");
    }
    for (shown, wrong) in [
        ("one 1\n", "`two 2` was printed too"),
        ("two 2\n…", "`two 2` was not"),
        ("one …2\n…", "`one …2` was not"),
        ("…\nfour\nthree 3\n…", "`three 3` was not"),
        ("…\nfive", "`five` was not"),
    ] {
        let error = compare(shown, printed).unwrap_err();
        assert!(error.starts_with(wrong), "{shown:?}: {error}");
    }
}
