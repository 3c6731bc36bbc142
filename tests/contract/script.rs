//! Runs one script of another implementation: JSON in, JSON out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Asks the script of this name in `conformance/`, by Node or by Python as its ending says.
///
/// # Panics
///
/// If it ends with an error: that is its verdict.
pub(crate) fn run(tools: &Path, script: &str, input: &Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("contract/conformance")
        .join(script);
    let program = match script.ends_with(".py") {
        true => tools.join("python/bin/python"),
        false => PathBuf::from("node"),
    };
    let mut child = Command::new(program)
        .arg(path)
        .arg(tools)
        // Nothing of what Python compiles may stay in the tree.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script runs");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} says no");
    serde_json::from_slice(&output.stdout).unwrap()
}
