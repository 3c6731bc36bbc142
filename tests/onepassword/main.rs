//! `stand-in-connect [WORLD.json]`: the stand-in for 1Password Connect as a program.
//!
//! Prints one line of JSON with its addresses (`api` with TLS, `plain` without, `ca`, `control`) and
//! serves until its standard input ends. What a world is, and what can be said to `control`:
//! `support::connect`.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use serde_json::json;
use support::connect::{StandInConnect, World};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "stand-in-connect: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let world = match arguments.next() {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => World::default(),
    };
    if arguments.next().is_some() {
        return Err("usage: stand-in-connect [WORLD.json]".into());
    }
    let connect = StandInConnect::start(world);
    let addresses = json!({
        "api": connect.api(),
        "plain": connect.plain(),
        "ca": connect.ca(),
        "control": connect.control(),
    });
    writeln!(io::stdout(), "{addresses}")?;
    // Whoever started it holds the other end, and need not kill it by name.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
