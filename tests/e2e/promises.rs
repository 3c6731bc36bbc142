//! SECURITY.md names a test for each promise; every name must be a test.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The names of all tests in a directory, which is this module. A name begins as its file's path does.
fn in_process(directory: &Path, module: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let module = match path.file_stem().unwrap().to_str().unwrap() {
            "mod" => module.to_owned(),
            inner => format!("{module}::{inner}"),
        };
        if path.is_dir() {
            names.extend(in_process(&path, &module));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let tests = text.split("#[test]\nfn ").skip(1);
            let functions = tests.filter_map(|test| test.split('(').next());
            names.extend(functions.map(|function| format!("{module}::{function}")));
        }
    }
    names
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
    let in_process = in_process(Path::new(sources), "tests");
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
            in_process.iter().any(|test| test == name)
        } else {
            true
        };
        assert!(there, "`{name}` is named, and there is no such test");
    }
}
