//! A command as an operator would type it: printed first, then run on the same terminal.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use nix::libc::SIGINT;
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

use crate::error::Failure;
use crate::shell::quoted;
use crate::ui;

/// A program, its arguments, and what it reads.
pub(super) struct PlainCommand {
    program: PathBuf,
    args: Vec<OsString>,
    reads: Option<PathBuf>,
    hides: Option<&'static str>,
}

impl PlainCommand {
    /// A command of this program.
    pub(super) fn tokenctl(args: Vec<OsString>) -> Self {
        let own = env::current_exe();
        Self::new(own.unwrap_or_else(|_| PathBuf::from("tokenctl")), args)
    }

    /// A command of any program.
    pub(super) fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self {
            program,
            args,
            reads: None,
            hides: None,
        }
    }

    /// Hides what it prints from the line on that begins like this: the steps to take next, which setup
    /// takes.
    pub(super) fn hiding(self, beginning: &'static str) -> Self {
        let hides = Some(beginning);
        Self { hides, ..self }
    }

    /// Has it read this file instead of the terminal.
    pub(super) fn reading(self, file: &Path) -> Self {
        let reads = Some(file.to_owned());
        Self { reads, ..self }
    }

    /// Prints it, runs it to its end, and fails as it does.
    pub(super) fn run(self) -> Result<(), Failure> {
        ui::line(format_args!("$ {}", in_pieces(&self.words())))?;
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if let Some(file) = &self.reads {
            let opened = File::open(file).map_err(Failure::file("read", file))?;
            command.stdin(Stdio::from(opened));
        }
        // A hidden prompt that is interrupted leaves the terminal as it was while hidden.
        let terminal = tcgetattr(io::stdin()).ok();
        let not_run =
            |error| Failure::new(format!("cannot run {}: {error}", self.program.display()));
        let status = match self.hides {
            None => command.status().map_err(not_run)?,
            Some(beginning) => {
                let mut child = command.stdout(Stdio::piped()).spawn().map_err(not_run)?;
                show_until(beginning, child.stdout.take())?;
                child.wait().map_err(not_run)?
            }
        };
        if status.success() {
            return Ok(());
        }
        if let Some(modes) = &terminal {
            // What cannot be put back is not worse than it is now.
            tcsetattr(io::stdin(), SetArg::TCSANOW, modes).unwrap_or_default();
        }
        if status.signal() == Some(SIGINT) {
            let stopped = Failure::with_hint("setup was stopped", "`tokenctl setup` continues");
            return Err(stopped.exiting_with(130));
        }
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let stopped = Failure::with_hint(
            format!("setup stopped, because `{}` failed", self.line()),
            "once that is fixed, `tokenctl setup` continues",
        );
        Err(stopped.exiting_with(code.unwrap_or(1)))
    }

    /// The line to type.
    pub(super) fn line(&self) -> String {
        self.words().join(" ")
    }

    fn words(&self) -> Vec<String> {
        let mut words = vec![typed(&self.program)];
        words.extend(self.args.iter().map(|word| quoted(&word.to_string_lossy())));
        if let Some(file) = &self.reads {
            words.push("<".to_owned());
            words.push(quoted(&file.to_string_lossy()));
        }
        words
    }
}

fn show_until(beginning: &str, output: Option<ChildStdout>) -> Result<(), Failure> {
    let (mut hidden, mut blank) = (false, 0);
    for line in output
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines)
    {
        let line =
            line.map_err(|error| Failure::new(format!("cannot read its output: {error}")))?;
        hidden |= line.starts_with(beginning);
        if hidden {
            continue;
        }
        // Those before what is hidden are not needed either.
        if line.is_empty() {
            blank += 1;
            continue;
        }
        ui::line(format_args!("{}{line}", "\n".repeat(blank)))?;
        blank = 0;
    }
    Ok(())
}

/// A program as it is typed: by its name alone, where that finds it.
pub(super) fn typed(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    let same = |found: &PathBuf| fs::canonicalize(found).ok() == fs::canonicalize(program).ok();
    match on_path(name).filter(same) {
        Some(_) => name.to_string_lossy().into_owned(),
        None => quoted(&program.to_string_lossy()),
    }
}

/// The program that this name starts.
pub(super) fn on_path(name: &OsStr) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|dir| dir.join(name));
    places.find(|place| place.is_file())
}

/// A line in pieces of less than 80 columns where its options allow that, so that all of it can be copied.
fn in_pieces(words: &[String]) -> String {
    const WIDTH: usize = 76;
    let options = words.chunk_by(|_, next| !next.starts_with("--"));
    let mut text = String::new();
    let mut column = 2;
    for option in options.map(|words| words.join(" ")) {
        let width = option.chars().count() + 1;
        if !text.is_empty() && column + width > WIDTH {
            text.push_str(" \\\n    ");
            column = 4;
        } else if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&option);
        column += width;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(words: &[&str]) -> String {
        in_pieces(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_long_line_is_broken_before_an_option_and_a_short_one_is_not() {
        let short = ["tokenctl", "init", "--recovery"];
        assert_eq!(pieces(&short), "tokenctl init --recovery");
        let mut long = vec!["tokenctl", "policy", "new", "site"];
        long.extend(["--repo", "acme/site"].repeat(5));
        let text = pieces(&long);
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
        assert_eq!(text.replace(" \\\n   ", ""), long.join(" "));
    }

    #[test]
    fn a_quoted_word_stays_whole() {
        let word = format!("'/home/alice/{} --x/tokens'", "long ".repeat(15));
        let text = pieces(&["tokenctl", "import", "--force", &word]);
        assert!(text.contains(&word), "{text}");
    }
}
