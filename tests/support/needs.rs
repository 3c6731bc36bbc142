//! What a test needs and a machine may lack.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether this test can run: `false` has been said loudly, and the test returns.
///
/// # Panics
///
/// With `TOKEND_TEST_STRICT=1`, if the test cannot run.
#[must_use]
pub fn met(need: &str, there: bool) -> bool {
    if there {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var_os("TOKEND_TEST_STRICT").is_none_or(|strict| strict != "1"),
        "{test} needs {need}, and TOKEND_TEST_STRICT forbids skipping it"
    );
    eprintln!("\nSKIPPED: {test} needs {need}\n");
    false
}

/// Root, to become other accounts.
#[must_use]
pub fn root() -> bool {
    met("root", nix::unistd::geteuid().is_root())
}

/// A program on the `PATH`.
#[must_use]
pub fn program(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    met(name, found)
}

/// A file or directory.
#[must_use]
pub fn path(path: &str) -> bool {
    met(path, Path::new(path).exists())
}

/// The directory of the conformance checks' programs, installed by `tests/contract/conformance/install` and
/// named by `TOKEND_TEST_CONFORMANCE`.
#[must_use]
pub fn conformance_tools() -> Option<PathBuf> {
    let directory = std::env::var_os("TOKEND_TEST_CONFORMANCE").map(PathBuf::from);
    let need =
        "the programs that tests/contract/conformance/install puts into $TOKEND_TEST_CONFORMANCE";
    let there = directory.as_deref().is_some_and(Path::is_dir);
    met(need, there).then_some(directory).flatten()
}
