//! What `docs/how-to/run-scripts.md` says to copy, run as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::commands::block;

/// The block of shell with this function.
fn function(name: &str) -> String {
    let blocks = block::of("docs/how-to/run-scripts.md").into_iter();
    let mut texts = blocks.map(|block| block.text);
    let text = texts.find(|text| text.starts_with(&format!("{name}() {{")));
    text.expect("the page has it")
}

/// A program that others call by this name.
fn program(directory: &Path, name: &str, script: &str) {
    let file = directory.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Fetches with a git that answers like this. What it waited for is in `pauses`, and no one waits.
fn fetch(directory: &Path, git: &str) -> (Output, String) {
    let log = directory.join("pauses");
    fs::write(&log, "").unwrap();
    program(directory, "git", git);
    let noted = format!("echo \"$1\" >> '{}'", log.display());
    program(directory, "sleep", &noted);
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("sh")
        .args([
            "-c",
            &format!("{}\nfetch_thrice origin main", function("fetch_thrice")),
        ])
        .env("PATH", format!("{}:{path}", directory.display()))
        .output();
    (ran.unwrap(), fs::read_to_string(&log).unwrap())
}

#[test]
fn the_loop_for_git_fetch_makes_three_attempts_and_stops_at_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for refused in [
        "remote: tokend: refused: permission `contents: read`; the lease does not allow it; \
         to allow it, add `contents = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)\n\
         fatal: unable to access 'https://github.com/acme/site/': The requested URL returned error: 403",
        "fatal: unable to access 'https://github.com/acme/site/': CONNECT tunnel failed, response 403",
    ] {
        let refuses = format!("cat >&2 <<'END'\n{refused}\nEND\nexit 128");
        let (ran, pauses) = fetch(directory, &refuses);
        assert_eq!((ran.status.code(), &*pauses), (Some(1), ""), "{refused}");
        assert_eq!(String::from_utf8(ran.stderr).unwrap().trim(), refused);
    }
    let fails =
        "echo 'fatal: unable to access: The requested URL returned error: 502' >&2; exit 128";
    let (ran, pauses) = fetch(directory, fails);
    assert_eq!((ran.status.code(), &*pauses), (Some(1), "1.5\n3\n4.5\n"));
    let once = directory.join("once");
    let second = format!(
        "test \"$*\" = 'fetch origin main' || exit 2\n\
         test -e '{0}' || {{ touch '{0}'; exit 128; }}",
        once.display()
    );
    let (ran, pauses) = fetch(directory, &second);
    assert_eq!((ran.status.code(), &*pauses), (Some(0), "1.5\n"));
}
