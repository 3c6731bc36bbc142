//! The broker in namespaces of its own, in which the machine's files and clocks are other ones.

use std::path::Path;
use std::process::Command;

use crate::{Home, TestBroker, binaries};

/// Starts `tokend` with these files in place of those of the machine.
pub fn start(home: Home, files: &[(&Path, &str)]) -> TestBroker {
    TestBroker::start_by(home, "unshare", |unshare, tokend| {
        become_tokend(unshare, tokend, &[], files);
    })
}

/// Has `tokend` start with these files in place of those of the machine, and under these options of
/// `unshare` besides.
pub fn enter(tokend: &mut Command, options: &[&str], files: &[(&Path, &str)]) {
    let mut unshare = Command::new("unshare");
    become_tokend(&mut unshare, &binaries::tokend(), options, files);
    unshare.env_clear();
    for (name, value) in tokend.get_envs() {
        if let Some(value) = value {
            unshare.env(name, value);
        }
    }
    *tokend = unshare;
}

fn become_tokend(unshare: &mut Command, tokend: &Path, options: &[&str], files: &[(&Path, &str)]) {
    let mounts = files.iter().map(|(file, over)| {
        let file = file.display();
        format!("mount --bind {file} {over} && ")
    });
    let script = format!("{}exec \"$0\"", mounts.collect::<String>());
    unshare
        .arg("--mount")
        .args(options)
        .args(["sh", "-c", &script])
        .arg(tokend);
}
