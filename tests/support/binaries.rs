//! The real `tokend` and `tokenctl`, built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory that holds `tokend` and `tokenctl`, built from this tree.
///
/// `TOKEND_TEST_BINARIES` names one that was built before, for benchmarks of a release build.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| match std::env::var_os("TOKEND_TEST_BINARIES") {
        Some(directory) => directory.into(),
        // With the tests' own selection, so that nothing `cargo test --workspace` built is built again
        // with other features.
        None if cfg!(debug_assertions) => build(&["--workspace", "--bins", "--tests"]),
        None => build(&["--workspace", "--bins"]),
    })
}

/// `tokend`.
pub fn tokend() -> PathBuf {
    directory().join("tokend")
}

/// `tokenctl`.
pub fn tokenctl() -> PathBuf {
    directory().join("tokenctl")
}

/// Copies a program to where a test wants it, for every account to run.
///
/// By a process of its own: what this one has open for writing may be inherited by whatever another
/// test starts meanwhile, and could not be run as long as that lives.
pub fn install(from: &Path, to: &Path) {
    let mut install = Command::new("install");
    let status = install.args(["-m", "755"]).args([from, to]).status();
    assert!(status.expect("install runs").success());
}

/// Puts a shell script where a test wants it.
pub fn install_script(to: &Path, text: &str) {
    let source = to.with_extension("text");
    std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).expect("a scratch directory");
    install(&source, to);
}

/// Builds what `cargo build` takes these arguments for, and says where it then lies.
pub fn build(selection: &[&str]) -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/e2e-…, or target/debug/demo
    let directory = own
        .ancestors()
        .find(|path| path.ends_with("debug") || path.ends_with("release"))
        .expect("cargo builds into debug or release")
        .to_owned();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.arg("build").args(selection);
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binaries under test do not build");
    directory
}
