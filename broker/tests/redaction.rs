//! What a process with the mask in place writes on standard error: traces, and a panic.
//!
//! The process is this very binary, started again.

#![expect(
    clippy::unwrap_used,
    reason = "a test kit stops where something is amiss"
)]

use std::env;
use std::process::Command;

use broker_secret_memory::redact::{Format, init_tracing, install_panic_hook};

const PART: &str = "TOKEND_TEST_REDACTION";
const TOKEN: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan012";

/// Standard error of a process that traces a token and panics with another.
fn stderr_of(part: &str) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "plays_its_part", "--nocapture"])
        .env(PART, part)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    assert!(!output.status.success(), "it panics");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn no_token_reaches_standard_error_in_a_trace_or_a_panic() {
    for (format, place) in [
        ("text", "token=\"ghp_[masked]\""),
        ("json", "\"token\":\"ghp_[masked]\""),
    ] {
        let text = stderr_of(format);
        assert!(!text.contains("CANARY"), "{text}");
        assert!(text.contains(place), "{text}");
        assert!(
            text.contains("panicked at broker/tests/redaction.rs"),
            "{text}"
        );
        assert!(text.contains("died holding ghp_[masked]"), "{text}");
        assert!(
            !text.contains('\x1b'),
            "no colour without a terminal: {text}"
        );
    }
}

/// The side of the process under test: a test only in name.
#[test]
fn plays_its_part() {
    let Ok(part) = env::var(PART) else { return };
    install_panic_hook(std::io::stderr);
    let format = if part == "json" {
        Format::Json
    } else {
        Format::Text
    };
    init_tracing(format, "info", std::io::stderr).unwrap();
    assert!(
        init_tracing(format, "info", std::io::stderr).is_err(),
        "only once"
    );
    tracing::info!(token = TOKEN, "traced");
    panic!("died holding {TOKEN}");
}
