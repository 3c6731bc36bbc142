//! Runs the commands of the demo in a shell, and shows them with what they wrote.
//!
//! What is shown is what is run: commands are given to `sh` as they are printed, with the programs
//! just built first on the `PATH` and nothing else of the environment. Only the home's path is
//! written as `$TOKEND_HOME` in what they say, and long lines are folded.
//!
//! A signal does not end the demo at once: the command under way ends first (Ctrl-C reaches it
//! too), then everything is put away in the order of its making.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::binaries;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::Outcome;

/// The demo was asked to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted; nothing is left behind")
    }
}

impl Error for Interrupted {}

/// Where the demo plays.
pub(crate) struct Stage {
    scratch: TempDir,
    home: PathBuf,
    path: std::ffi::OsString,
    broker: Option<(Child, BufReader<ChildStderr>)>,
    headings: usize,
    colour: bool,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Builds the programs, and makes `$TOKEND_HOME`: in a scratch directory, or where it is kept.
    ///
    /// In this order: a signal that comes before there is anything to put away ends the demo.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let programs = match std::env::var_os("TOKEND_TEST_BINARIES") {
            Some(built) => built.into(),
            None => binaries::build(&PROGRAMS),
        };
        let interrupted = watch_signals()?;
        let scratch = tempfile::Builder::new().prefix("tokend-demo-").tempdir()?;
        let home = keep.map_or_else(|| scratch.path().join("home"), Path::to_owned);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&home)
            .map_err(|error| format!("cannot make {}: {error}", home.display()))?;
        let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/../verifier");
        symlink(verifier, scratch.path().join("verifier"))?;
        let before = std::env::var_os("PATH").unwrap_or_default();
        let path = [programs].into_iter().chain(std::env::split_paths(&before));
        let stage = Self {
            scratch,
            path: std::env::join_paths(path)?,
            broker: None,
            headings: 0,
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            interrupted,
            home,
        };
        let home = stage.home.display();
        let hello = format!("tokend, shown with the real programs. $TOKEND_HOME is {home}");
        stage.line(&hello)?;
        Ok(stage)
    }

    /// Begins a step.
    pub(crate) fn heading(&mut self, text: &str) -> Outcome {
        self.headings += 1;
        let heading = format!("{}. {text}", self.headings);
        self.line("")?;
        self.line(&self.painted("1;36", &heading))
    }

    /// A remark on a step.
    pub(crate) fn about(&self, text: &str) -> Outcome {
        self.line(&format!("   {text}"))
    }

    /// The last line.
    pub(crate) fn close(&self, text: &str) -> Outcome {
        self.line("")?;
        self.line(&self.painted("1;32", text))
    }

    /// Runs a command, shows it, and returns what it wrote.
    ///
    /// It has to end with this exit code and its output to hold each of these texts.
    pub(crate) fn shell(
        &self,
        command: &str,
        code: i32,
        says: &[&str],
    ) -> Result<String, Box<dyn Error>> {
        self.prompt(command)?;
        let (got, output) = self.run(command)?;
        self.output(&output)?;
        if got != 0 {
            self.output(&self.painted("33", &format!("[exit code {got}]")))?;
        }
        if got != code {
            return Err(format!("`{command}` ended with {got} and not with {code}").into());
        }
        match says.iter().find(|text| !output.contains(**text)) {
            Some(missing) => Err(format!("`{command}` did not say `{missing}`").into()),
            None => Ok(output),
        }
    }

    /// Runs a command again and again until it says this; shows nothing.
    pub(crate) fn wait_for(&self, command: &str, says: &str) -> Outcome {
        for _ in 0..1000 {
            if self.run(command)?.1.contains(says) {
                return Ok(());
            }
        }
        Err(format!("`{command}` never said `{says}`").into())
    }

    /// Starts the broker, and waits until it says that it is ready.
    pub(crate) fn start_broker(&mut self) -> Outcome {
        self.keep_from_github()?;
        self.prompt("tokend &")?;
        // In a process group of its own: Ctrl-C is for the demo, which then stops it.
        let mut child = self
            .command("tokend")
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let trace = child
            .stderr
            .take()
            .ok_or("the broker has no standard error")?;
        let (_, trace) = self.broker.insert((child, BufReader::new(trace)));
        let mut said = String::new();
        while !said.contains(": ready ") {
            if trace.read_line(&mut said)? == 0 {
                return Err(format!("the broker did not start: {said}").into());
            }
        }
        self.output(&said)
    }

    /// The demo's tokens are made up; unless its configuration says where GitHub is, no one is asked
    /// about them.
    fn keep_from_github(&self) -> Outcome {
        let path = self.home.join("tokend.toml");
        let there = fs::read_to_string(&path)?;
        if there.lines().any(|line| line.trim() == "[github]") {
            return Ok(());
        }
        let nowhere = "\n[github]\napi = \"https://127.0.0.1:1\"\ncheck_every = \"off\"\npoll_every = \"off\"\n";
        fs::write(&path, format!("{there}{nowhere}"))?;
        Ok(())
    }

    /// Stops the broker in good order.
    pub(crate) fn stop_broker(&mut self) -> Outcome {
        self.prompt("kill %1")?;
        let (mut child, mut trace) = self.broker.take().ok_or("no broker runs")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let mut said = String::new();
        trace.read_to_string(&mut said)?;
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("the broker ended with {status}: {said}").into());
        }
        Ok(())
    }

    /// Whether a program is there and runs.
    pub(crate) fn has(&self, program: &str) -> bool {
        self.command(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Writes a file, for this account only. `home/…` is the broker's home, wherever that is.
    pub(crate) fn write(&self, name: &str, text: &str) -> Outcome {
        let path = match name.strip_prefix("home/") {
            Some(name) => self.home.join(name),
            None => self.scratch.path().join(name),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// The number of the first record of a kind, counted from 0.
    pub(crate) fn first_record(&self, kind: &str) -> Result<usize, Box<dyn Error>> {
        let log = fs::read_to_string(self.home.join(SEGMENT))?;
        let kind = format!("\"kind\":\"{kind}\"");
        let found = log.lines().position(|line| line.contains(&kind));
        found.ok_or_else(|| format!("the log has no record with {kind}").into())
    }

    /// Makes sure that the copy of the log is not the log, and nearly so.
    pub(crate) fn differ_by_one_byte(&self, copy: &str) -> Outcome {
        let log = fs::read(self.home.join(SEGMENT))?;
        let copy = fs::read(
            self.scratch
                .path()
                .join(copy)
                .join(SEGMENT.trim_start_matches("audit/")),
        )?;
        let differ = log
            .iter()
            .zip(&copy)
            .filter(|(ours, theirs)| ours != theirs)
            .count();
        match differ == 1 && log.len() == copy.len() {
            true => Ok(()),
            false => Err(format!("{differ} bytes of the copy differ, and not one").into()),
        }
    }

    fn run(&self, command: &str) -> Result<(i32, String), Box<dyn Error>> {
        let output = self
            .command("sh")
            .arg("-c")
            .arg(format!("exec 2>&1; {command}"))
            .output()?;
        // Ctrl-C may end a command before the demo itself hears of it.
        let ended = output
            .status
            .signal()
            .is_some_and(|signal| signal == Signal::SIGINT as i32);
        if ended || self.interrupted.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        let code = output
            .status
            .code()
            .ok_or_else(|| format!("`{command}`: {}", output.status))?;
        Ok((code, String::from_utf8(output.stdout)?))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("env");
        command
            .arg(program)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.scratch.path())
            .env("TOKEND_HOME", &self.home)
            .current_dir(self.scratch.path())
            .stdin(Stdio::null());
        command
    }

    fn prompt(&self, command: &str) -> Outcome {
        let prompt = format!("$ {command}");
        let lines = folded(&prompt, WIDTH - 7);
        let last = lines.len() - 1;
        for (at, line) in lines.into_iter().enumerate() {
            let indent = if at == 0 { "   " } else { "     " };
            let more = if at == last { "" } else { " \\" };
            self.line(&format!("{indent}{}{more}", self.painted("1", line)))?;
        }
        Ok(())
    }

    fn output(&self, text: &str) -> Outcome {
        let text = text.replace(&*self.home.to_string_lossy(), "$TOKEND_HOME");
        for line in text.lines() {
            for (at, piece) in folded(line, WIDTH - 5).into_iter().enumerate() {
                let indent = if at == 0 { "   " } else { "     " };
                self.line(format!("{indent}{piece}").trim_end())?;
            }
        }
        Ok(())
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn line(&self, text: &str) -> Outcome {
        Ok(writeln!(io::stdout(), "{text}")?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.broker {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// What cargo builds.
const PROGRAMS: [&str; 7] = [
    "-p",
    "broker",
    "-p",
    "tokenctl",
    "-p",
    "broker-tests",
    "--bins",
];

/// Widest line shown, in characters.
const WIDTH: usize = 100;

/// The log of a demo is one segment.
const SEGMENT: &str = "audit/00000000000000000000.jsonl";

/// A flag that SIGINT, SIGTERM and SIGHUP raise.
fn watch_signals() -> io::Result<Arc<AtomicBool>> {
    // Handlers and no mask: a mask would be inherited by every program that is started.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    let raised = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&raised);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        raise.store(true, Ordering::Relaxed);
    });
    Ok(raised)
}

/// Cuts a line after spaces and commas into pieces of at most `width` characters.
fn folded(line: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((limit, _)) = rest.char_indices().nth(width) {
        let (head, _) = rest.split_at(limit);
        let cut = head.rfind([' ', ',']).map_or(limit, |at| at + 1);
        let (piece, next) = rest.split_at(cut);
        pieces.push(piece.trim_end());
        rest = next;
    }
    pieces.push(rest);
    pieces
}
