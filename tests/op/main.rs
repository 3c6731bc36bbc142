//! `op`: the stand-in for 1Password's program. What it holds and how it is driven:
//! `support::one_password`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "test code: a panic is how a test fails"
)]

mod answer;
pub mod world;

use std::fs;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::answer::answer;
use crate::world::{Call, Fault, HANGING, in_turn, note};

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    // By the name it was started under, not by the one of the file this links to.
    let directory = PathBuf::from(arguments.next().unwrap());
    let directory = directory.parent().unwrap();
    let arguments: Vec<String> = arguments.collect();
    let call = Call {
        arguments: arguments.clone(),
        environment: std::env::vars().map(|(name, _)| name).collect(),
        stdin: fs::read_link("/proc/self/fd/0")
            .map(|to| to.display().to_string())
            .unwrap_or_default(),
    };
    let (answer, fault, delay) = in_turn(directory, |world| {
        note(directory, &call);
        let answer = answer(world, &arguments);
        (answer, world.fault.clone(), world.delay)
    });
    if delay > 0 {
        sleep(&format!("{}.{:03}", delay / 1000, delay % 1000));
    }
    let answer = match fault {
        None | Some(Fault::GivesAnother) => answer,
        Some(Fault::Says(text)) => Err(text),
        Some(Fault::Prints(text)) => Ok(text),
        Some(Fault::Hangs) => return hang(directory),
        Some(Fault::Floods(bytes)) => return flood(bytes),
    };
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("[ERROR] 2026/07/20 20:55:23 {text}");
            ExitCode::FAILURE
        }
    }
}

fn sleep(seconds: &str) {
    Command::new("sleep").arg(seconds).status().unwrap();
}

fn hang(directory: &Path) -> ExitCode {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    // Two may hang at once.
    let draft = directory.join(format!("op.hanging.{}", child.id()));
    fs::write(&draft, child.id().to_string()).unwrap();
    fs::rename(draft, directory.join(HANGING)).unwrap();
    child.wait().unwrap();
    ExitCode::FAILURE
}

/// The reader may stop at any time.
fn flood(bytes: u64) -> ExitCode {
    let block = [b'x'; 1000];
    for _ in 0..bytes / 1000 {
        if stdout().write_all(&block).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
