//! SECURITY.md names a test for each promise; every name must be a test.

use std::process::Command;

#[test]
fn every_promise_names_tests_that_exist() {
    let text = include_str!("../../SECURITY.md");
    let list = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .output()
        .unwrap();
    let tests = String::from_utf8(list.stdout).unwrap();
    for number in 1..=10 {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| P{number} |")));
        let row = row.unwrap_or_else(|| panic!("SECURITY.md has no row for P{number}"));
        let named: Vec<_> = row
            .split('`')
            .filter_map(|word| word.strip_prefix("e2e::"))
            .collect();
        assert!(
            !named.is_empty() || row.contains(".rs`"),
            "P{number} names no test"
        );
        for name in named {
            assert!(
                tests.lines().any(|line| line == format!("{name}: test")),
                "P{number} names `e2e::{name}`, and there is no such test"
            );
        }
    }
}
