//! SECURITY.md names a test for each promise; every name must be a test.

use std::fs;
use std::path::Path;
use std::process::Command;

/// All that is tested in process.
fn in_process(directory: &Path) -> String {
    let entries = fs::read_dir(directory).unwrap();
    let texts = entries.map(|entry| match entry.unwrap().path() {
        folder if folder.is_dir() => in_process(&folder),
        file => fs::read_to_string(file).unwrap(),
    });
    texts.collect()
}

#[test]
fn every_promise_names_tests_that_exist() {
    let text = include_str!("../../SECURITY.md");
    let list = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .output()
        .unwrap();
    let tests = String::from_utf8(list.stdout).unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../broker/src/tests");
    let in_process = in_process(Path::new(sources));
    for number in 1..=10 {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| P{number} |")));
        let row = row.unwrap_or_else(|| panic!("SECURITY.md has no row for P{number}"));
        let names = ["`e2e::", "`tests::", ".rs`"];
        assert!(
            names.iter().any(|name| row.contains(name)),
            "P{number} names no test"
        );
    }
    for name in text.split('`') {
        let there = if let Some(name) = name.strip_prefix("e2e::") {
            tests.lines().any(|line| line == format!("{name}: test"))
        } else if name.starts_with("tests::") {
            let function = name.rsplit("::").next().unwrap();
            in_process.contains(&format!("#[test]\nfn {function}("))
        } else {
            true
        };
        assert!(there, "`{name}` is named, and there is no such test");
    }
}
