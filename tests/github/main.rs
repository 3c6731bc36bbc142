//! `stand-in-github [--schema FILE] [WORLD.json]`: the stand-in for GitHub as a program. With GitHub's public
//! schema it answers GraphQL too.
//!
//! Prints one line of JSON with its addresses (`api` with TLS, `plain` without, `ca`, `control`) and
//! serves until its standard input ends or it is told to stop. What a world is, and what can be said
//! to `control`: `support::github`.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use support::github::{StandIn, World};

const USAGE: &str = "usage: stand-in-github [--schema FILE] [WORLD.json]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "stand-in-github: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let mut schema = None;
    if arguments
        .next_if(|argument| argument == "--schema")
        .is_some()
    {
        schema = Some(arguments.next().ok_or(USAGE)?);
    }
    let world = match arguments.next() {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => World::new(),
    };
    if arguments.next().is_some() {
        return Err(USAGE.into());
    }
    let github = match schema {
        Some(schema) => StandIn::with_schema(world, Path::new(&schema)),
        None => StandIn::start(world),
    };
    let addresses = json!({
        "api": github.api(),
        "plain": github.plain(),
        "ca": github.ca(),
        "control": github.control(),
    });
    writeln!(io::stdout(), "{addresses}")?;
    // The program that started it holds the other end, and need not kill it by name.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
