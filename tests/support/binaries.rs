//! The real `tokend` and `tokenctl`, built once.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
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
        None if cfg!(debug_assertions) => once_a_run(&["--workspace", "--bins", "--tests"]),
        None => once_a_run(&["--workspace", "--bins"]),
    })
}

/// Builds, unless another test of the same run has: `cargo nextest` gives each test a process of its own, and
/// all of them the name of the run.
fn once_a_run(selection: &[&str]) -> PathBuf {
    let Ok(run) = std::env::var("NEXTEST_RUN_ID") else {
        return build(selection);
    };
    let directory = built_into();
    let stamp = directory.join("built-for-tests");
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).read(true).write(true);
    let stamp = options.open(stamp).expect("a writable target directory");
    stamp.lock().expect("a file system with locks");
    let built_for = std::io::read_to_string(&stamp).expect("text");
    if built_for != run {
        build(selection);
        stamp.set_len(0).expect("a writable file");
        stamp.write_all_at(run.as_bytes(), 0).expect("room");
    }
    directory
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

/// Builds what `cargo build` takes these arguments for, and returns where it is then.
pub fn build(selection: &[&str]) -> PathBuf {
    let directory = built_into();
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

/// Where cargo builds with the profile of this program.
fn built_into() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/e2e-…, or target/debug/demo
    own.ancestors()
        .find(|path| path.ends_with("debug") || path.ends_with("release"))
        .expect("cargo builds into debug or release")
        .to_owned()
}
