//! What README shows of `cargo demo`, compared with what that prints.
//!
//! Each command and each line is printed, in this order; others may stand between them. `…` stands for anything. What
//! differs from run to run does not count: each word with a digit in it is any such word, and blanks and line ends are
//! none, because long lines are folded.

use std::iter;
use std::process::{Command, Stdio};

use support::accounts::own_name;
use support::binaries;

use super::block::{self, Test};
use super::session::commands_and_output;

#[test]
fn the_excerpt_in_readme_is_what_the_demo_prints() {
    let demo = Command::new(binaries::directory().join("demo"))
        .env("TOKEND_TEST_BINARIES", binaries::directory())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(demo.status.success(), "{demo:?}");
    let printed = String::from_utf8(demo.stdout).unwrap();
    let plain = plain(&printed);
    let mut rest = plain.as_str();
    let blocks = block::of("README.md");
    let mut excerpts = blocks.iter().filter(|block| block.test == Test::Demo);
    let excerpt = excerpts.next().expect("README has one");
    let caller = format!("caller={}", own_name());
    let text = excerpt.text.replace("caller=root", &caller);
    for (command, output) in commands_and_output(&text) {
        let command = format!("$ {command}");
        for shown in iter::once(&*command).chain(output.lines()) {
            let shown = shown.split(" #").next().unwrap();
            for part in shown.split('…').map(self::plain) {
                let Some((_, after)) = rest.split_once(&*part) else {
                    panic!("`{part}` of `{shown}` was not printed there:\n{printed}");
                };
                rest = after;
            }
        }
    }
}

/// Without blanks, and with one word for all that have a digit.
fn plain(text: &str) -> String {
    let unfolded = text.replace(" \\\n", " ");
    let words = unfolded.split_inclusive(|c: char| !c.is_alphanumeric());
    let words = words.map(|word| match word.contains(|c: char| c.is_ascii_digit()) {
        true => format!("#{}", word.trim_start_matches(char::is_alphanumeric)),
        false => word.to_owned(),
    });
    let words: String = words.collect();
    words.split_whitespace().collect()
}
