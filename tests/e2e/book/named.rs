//! What the documentation says of the command line is there: each command, option and manual page that it names. The
//! programs' own definitions are the list, as their manual pages give them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use support::binaries;

use super::links::pages;
use super::root;

/// The commands of both programs, such as `tokenctl secret add`, with the options of each.
struct Programs(BTreeMap<String, BTreeSet<String>>);

impl Programs {
    fn from_manual(directory: &Path) -> Self {
        let written = Command::new(binaries::tokenctl())
            .arg("man")
            .arg(directory)
            .output()
            .unwrap();
        assert!(written.status.success(), "{written:?}");
        let mut commands = BTreeMap::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("\\-", "-").replace("\\fB", " ");
            let text = text.replace("\\fR", " ").replace("\\fI", " ");
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            commands.insert(name, options_in(&text));
        }
        Self(commands)
    }

    /// The command that these words begin with, and how many of them name it. `tokenctl` passes some of its commands
    /// on to `tokend`.
    fn command(&self, words: &[&str]) -> (String, usize) {
        let mut page = words[0].to_owned();
        let mut used = 1;
        for word in &words[1..] {
            let below = format!("{page}-{word}");
            if !self.0.contains_key(&below) {
                break;
            }
            page = below;
            used += 1;
        }
        (page, used)
    }

    fn has(&self, page: &str, option: &str) -> bool {
        let of = |page: &str| self.0.get(page).is_some_and(|all| all.contains(option));
        let passed_on = page.replacen("tokenctl-", "tokend-", 1);
        option == "--help" || option == "--version" || of(page) || of(&passed_on)
    }

    fn has_below(&self, page: &str) -> bool {
        let below = format!("{page}-");
        self.0.keys().any(|name| name.starts_with(&below))
    }
}

/// Every word of a text that is a long option.
fn options_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let long = words.filter(|word| word.strip_prefix("--").is_some_and(starts_with_letter));
    long.map(str::to_owned).collect()
}

fn starts_with_letter(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The code on a page: what is in backticks, and the lines between fences. A line that ends in a backslash goes on in
/// the next.
fn code(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut fenced = false;
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(line.to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The calls of our programs in a piece of code: each up to where a shell ends a command.
fn calls(code: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for program in ["tokenctl", "tokend"] {
        for (at, _) in code.match_indices(program) {
            let (before, rest) = code.split_at(at);
            let is_word = before.ends_with([' ', '(', '!', '/', '`', '=']) || before.is_empty();
            let ends = ['|', ';', '#', ')', '<', '>', '&', '`', '\''];
            let call = rest.split_once(ends).map_or(rest, |(call, _)| call);
            let words: Vec<String> = call.split_whitespace().map(str::to_owned).collect();
            if is_word && words.first().is_some_and(|word| word == program) && words.len() > 1 {
                calls.push(words);
            }
        }
    }
    calls
}

/// Why a call names what is not there.
fn wrong_in(call: &[String], programs: &Programs) -> Option<String> {
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    // A table of the programs' output, or prose in a fence, is none; nor is `sudo -u tokend tokenctl …`.
    let command_follows = starts_with_letter(words[1]) || words[1].starts_with("--");
    let command_follows = command_follows && words[1] != "tokenctl";
    if !command_follows {
        return None;
    }
    let own: Vec<&str> = words
        .iter()
        .copied()
        .take_while(|word| *word != "--")
        .collect();
    let named: Vec<&str> = [&own[..1], after_options(&own[1..])].concat();
    let (page, used) = programs.command(&named);
    // `tokend` is an account and a word of messages, too.
    if let Some(next) = named.get(used).filter(|_| page != "tokend")
        && starts_with_letter(next)
        && programs.has_below(&page)
        && next.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    {
        return Some(format!("`{page}` has no command `{next}`"));
    }
    let options = own.iter().filter(|word| word.starts_with("--"));
    let mut names = options.map(|word| word.trim_end_matches([',', '.', ':', ']']));
    let unknown = names.find(|word| {
        let name = word.split(['=', '[']).next().unwrap_or_default();
        starts_with_letter(name.trim_start_matches('-')) && !programs.has(&page, name)
    });
    unknown.map(|word| format!("`{page}` has no option `{word}`"))
}

/// What comes after the options before a command, of which some have a value.
fn after_options<'w, 't>(words: &'w [&'t str]) -> &'w [&'t str] {
    match words {
        [
            "--config" | "--socket" | "--trace" | "--trace-format",
            _,
            rest @ ..,
        ] => after_options(rest),
        [option, rest @ ..] if option.starts_with("--") => after_options(rest),
        rest => rest,
    }
}

#[test]
fn each_command_and_option_that_the_documentation_names_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let programs = Programs::from_manual(directory.path());
    assert!(programs.0.len() > 50, "only {} pages", programs.0.len());
    let root = root().canonicalize().unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    // The changelog names what was there before, too.
    let pages = pages(&root).into_iter();
    for page in pages.filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(&page).unwrap();
        let place = page.strip_prefix(&root).unwrap().display();
        for call in code(&text).iter().flat_map(|code| calls(code)) {
            seen += 1;
            let why = wrong_in(&call, &programs);
            wrong.extend(why.map(|why| format!("{place}: {}: {why}", call.join(" "))));
        }
        let manual = text.split(|c: char| !(c.is_ascii_lowercase() || "-().1".contains(c)));
        for name in manual.filter_map(|word| word.strip_suffix("(1)")) {
            if name.starts_with("token") && !programs.0.contains_key(name) {
                wrong.push(format!("{place}: there is no manual page {name}(1)"));
            }
        }
    }
    assert!(seen > 300, "only {seen} calls were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_text_for_operators_puts_off_to_a_later_version() {
    let directory = tempfile::tempdir().unwrap();
    Programs::from_manual(directory.path());
    let root = root().canonicalize().unwrap();
    let mut texts = pages(&root);
    for place in [
        directory.path(),
        &root.join("policies"),
        &root.join("packaging"),
    ] {
        let entries = fs::read_dir(place).unwrap();
        texts.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let mut wrong = Vec::new();
    for path in texts.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(path).unwrap().to_lowercase();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "later version",
            "comes later",
            "come later",
            "in a later release",
            "not yet supported",
        ] {
            if text.contains(words) {
                wrong.push(format!("{} says “{words}”", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_call_ends_where_the_shell_ends_it_and_names_what_is_there() {
    let options = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
    let programs = Programs(BTreeMap::from([
        ("tokenctl".to_owned(), options(&["--json"])),
        ("tokenctl-secret".to_owned(), options(&["--json"])),
        ("tokenctl-secret-list".to_owned(), options(&["--json"])),
        ("tokenctl-exec".to_owned(), options(&["--env"])),
        ("tokend-init".to_owned(), options(&["--recovery"])),
        ("tokenctl-init".to_owned(), options(&["--config"])),
    ]));
    let wrong = |code: &str| {
        let calls = calls(code);
        assert_eq!(calls.len(), 1, "{code}");
        wrong_in(&calls[0], &programs)
    };
    for good in [
        "$ tokenctl secret list --json | jq --raw-output .",
        "TOKEN=$(tokenctl --json secret list)",
        "tokenctl exec p --env A=q -- gh api --paginate x",
        "tokenctl init --recovery",
        "tokenctl secret …",
        "sudo tokenctl --config /etc/tokend/tokend.toml init --recovery",
    ] {
        assert_eq!(wrong(good), None, "{good}");
    }
    assert_eq!(
        wrong("tokenctl secret lst").unwrap(),
        "`tokenctl-secret` has no command `lst`"
    );
    assert_eq!(
        wrong("tokenctl secret list --yaml").unwrap(),
        "`tokenctl-secret-list` has no option `--yaml`"
    );
    assert!(calls("the program tokenctl").is_empty());
}
