//! The units that ship are ones that systemd accepts, and as closed as they claim to be.

#![expect(
    clippy::unwrap_used,
    reason = "a test kit stops where something is amiss"
)]
#![expect(clippy::print_stderr, reason = "a skipped test must say so")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The units of one mode in a directory of their own, naming the `tokend` that was built here:
/// systemd looks whether the program is there.
struct Units {
    place: tempfile::TempDir,
}

impl Units {
    fn of(mode: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
        for name in ["tokend.service", "tokend.socket"] {
            let text = fs::read_to_string(packaging.join(mode).join(name)).unwrap();
            let built = text.replace("/usr/bin/tokend", env!("CARGO_BIN_EXE_tokend"));
            fs::write(place.path().join(name), built).unwrap();
        }
        Self { place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// `None` where there is no systemd, after saying so.
    fn analyze(&self, arguments: &[&str]) -> Option<Output> {
        let output = Command::new("systemd-analyze")
            .arg("--no-pager")
            .args(arguments)
            // What the manager of an account expects.
            .env("XDG_RUNTIME_DIR", self.place.path())
            .output();
        if output.is_err() {
            let why = "systemd-analyze is not installed";
            assert!(
                env::var_os("TOKEND_TEST_STRICT").is_none_or(|set| set != "1"),
                "{why}"
            );
            eprintln!("SKIPPED: {why}");
        }
        output.ok()
    }

    fn assert_accepted(&self, manager: &str) {
        let (service, socket) = (self.path("tokend.service"), self.path("tokend.socket"));
        let units = [service.to_str().unwrap(), socket.to_str().unwrap()];
        let arguments = [
            &[manager, "verify", "--man=no", "--recursive-errors=no"],
            &units[..],
        ];
        let Some(output) = self.analyze(&arguments.concat()) else {
            return;
        };
        let text = text_of(&output);
        // A key that systemd does not know is a warning only, and still our mistake.
        assert!(
            output.status.success() && !text.contains("tokend."),
            "{text}"
        );
    }

    /// `most` is ten times the figure that `systemd-analyze security` prints.
    fn assert_exposure(&self, manager: &str, most: u32) {
        let threshold = format!("--threshold={most}");
        let service = self.path("tokend.service");
        let unit = service.to_str().unwrap();
        let arguments = [manager, "security", "--offline=yes", &threshold, unit];
        let Some(output) = self.analyze(&arguments) else {
            return;
        };
        assert!(output.status.success(), "{}", text_of(&output));
    }
}

fn text_of(output: &Output) -> String {
    let (out, err) = (output.stdout.clone(), output.stderr.clone());
    String::from_utf8(out).unwrap() + &String::from_utf8(err).unwrap()
}

#[test]
fn systemd_accepts_the_system_units() {
    Units::of("").assert_accepted("--system");
}

#[test]
fn systemd_accepts_the_units_of_an_account() {
    Units::of("user").assert_accepted("--user");
}

#[test]
fn a_unit_with_a_mistake_is_not_accepted() {
    let units = Units::of("");
    let service = units.path("tokend.service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(
        &service,
        text.replace("LockPersonality=", "LockPersonalty="),
    )
    .unwrap();
    let Some(output) = units.analyze(&["verify", "--man=no", service.to_str().unwrap()]) else {
        return;
    };
    assert!(
        text_of(&output).contains("LockPersonalty"),
        "{}",
        text_of(&output)
    );
}

#[test]
fn the_exposure_is_what_the_readme_says_or_less() {
    Units::of("").assert_exposure("--system", 20);
    Units::of("user").assert_exposure("--user", 66);
}

/// Without these the broker could not tell who calls.
#[test]
fn the_system_unit_leaves_open_what_caller_identity_needs() {
    let text = fs::read_to_string(Units::of("").path("tokend.service")).unwrap();
    for line in ["ProtectProc=default", "ProcSubset=all", "PrivateUsers=no"] {
        assert!(text.lines().any(|have| have == line), "{line}");
    }
}
